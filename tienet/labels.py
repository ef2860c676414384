"""The 15 labels, their order, and the names that data sets use for them."""

FINDINGS: tuple[str, ...] = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
"""The 14 findings, in the order of the paper's Table 1."""

NO_FINDING = "No_Finding"

LABELS: tuple[str, ...] = (*FINDINGS, NO_FINDING)
"""What the network scores: K = 15 columns, this order everywhere."""

K = len(LABELS)

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
    """The label's own name for a data set's spelling ("No Finding", "Pleural Effusion"), or None if unknown."""
    return _BY_KEY.get(name.strip().replace("_", "").replace(" ", "").replace("-", "").lower())


def readable(label: str) -> str:
    """A label's name as people write it."""
    return label.replace("_", " ")
