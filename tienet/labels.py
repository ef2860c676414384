"""The 15 labels, their order, the spellings that data sets use for them, and which of them are named."""

import numpy as np

FINDINGS: tuple[str, ...] = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
"""The 14 findings, in the order of the paper's Table 1."""

NO_FINDING = "No_Finding"
"""The label of a study without any of the findings."""

LABELS: tuple[str, ...] = (*FINDINGS, NO_FINDING)
"""The labels that the network predicts: K = 15 columns, in this order everywhere."""

K = len(LABELS)
"""The number of labels."""

_ALIASES = {
    "normal": NO_FINDING,
    "nofinding": NO_FINDING,
    "pleuraleffusion": "Effusion",
    "pleuralthickening": "Pleural_Thickening",
    "infiltrate": "Infiltration",
    "hiatalhernia": "Hernia",
    "pt": "Pleural_Thickening",
}
_BY_KEY = {name.replace("_", "").lower(): name for name in LABELS} | _ALIASES


def canonical(name: str) -> str | None:
    """The label that a data set spells as `name`, such as "No Finding" or "Pleural Effusion"; None if it is unknown."""
    return _BY_KEY.get(name.strip().replace("_", "").replace(" ", "").replace("-", "").lower())


def readable(label: str) -> str:
    """The name of a label as people write it, with spaces."""
    return label.replace("_", " ")


def name_labels(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The labels that are named: a label whose probability reaches its threshold.

    No_Finding says that there is none of the findings. So it is not named beside a finding, whatever its probability.

    Args:
        probabilities: float [..., K], columns in the order of `LABELS`.
        thresholds: float [K]; NaN where a label has no threshold.
    Returns:
        float32 [..., K]; 1 for a label that is named, 0 for one that is not, NaN where there is no threshold.
    """
    probabilities, thresholds = np.asarray(probabilities), np.asarray(thresholds)
    unknown = np.isnan(thresholds)
    named = np.where(unknown, np.nan, probabilities >= thresholds).astype(np.float32)
    found = (named[..., : len(FINDINGS)] == 1).any(axis=-1)
    none = LABELS.index(NO_FINDING)
    named[..., none] = np.where(found & ~unknown[none], 0, named[..., none])
    return named
