"""The 15 labels, their order, and the spellings that data sets use for them."""

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
