"""From PadChest's labels to the fourteen findings.

PadChest (Bustos et al. 2020) has 193 labels in its reports by physicians, in English, which form a tree. A finding has
the labels of its own name, and those that the tree puts under it; what only lies near it has none: a fibrotic band is
no fibrosis, a blunted angle no effusion, a calcified granuloma no nodule, kerley lines are no edema.
"""

from tienet.labels import FINDINGS, LABELS, NO_FINDING

PADCHEST_LABELS: dict[str, tuple[str, ...]] = {
    "Atelectasis": (
        "atelectasis", "atelectasis basal", "laminar atelectasis", "lobar atelectasis", "round atelectasis",
        "segmental atelectasis", "total atelectasis",
    ),
    "Cardiomegaly": ("cardiomegaly",),
    "Effusion": (
        "pleural effusion", "loculated pleural effusion", "loculated fissural effusion", "hydropneumothorax", "empyema",
    ),
    "Infiltration": (
        "infiltrates", "alveolar pattern", "interstitial pattern", "ground glass pattern",
        "reticular interstitial pattern", "reticulonodular interstitial pattern", "miliary opacities",
    ),
    "Mass": ("mass", "pulmonary mass"),
    "Nodule": ("nodule", "multiple nodules"),
    "Pneumonia": ("pneumonia", "atypical pneumonia"),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax"),
    "Consolidation": ("consolidation", "air bronchogram"),
    "Edema": ("pulmonary edema",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("pulmonary fibrosis", "post radiotherapy changes", "asbestosis signs"),
    "Pleural_Thickening": ("pleural thickening", "apical pleural thickening", "calcified pleural thickening"),
    "Hernia": ("hiatal hernia",),
}  # fmt: skip
"""The labels of PadChest that mean each finding."""

EXCLUDED = "exclude"
"""PadChest's label of a study that must not be used."""

_FINDINGS_OF: dict[str, list[str]] = {}
for _finding in FINDINGS:
    for _label in PADCHEST_LABELS[_finding]:
        _FINDINGS_OF.setdefault(_label, []).append(_finding)


def findings_of(label: str) -> list[str]:
    """The findings that a label of PadChest means; none for most labels."""
    return _FINDINGS_OF.get(label, [])


def labels_from(padchest_labels: set[str]) -> dict[str, float]:
    """The 15 labels, 1 or 0, of a report with these labels of PadChest; No_Finding: none of the fourteen."""
    found = {finding for label in padchest_labels for finding in findings_of(label)}
    return {label: float(label in found) for label in LABELS} | {NO_FINDING: float(not found)}
