"""OpenI's MeSH majors -> the 14 findings, by one table of rules.

A major is a heading with qualifiers: "Cardiomegaly/mild", "Thickening/pleura/apex/bilateral". NegBio's labels
follow the headings to the letter; this table differs from them on purpose where a heading is not the finding:
thickening counts in the pleura only (theirs: bronchi and vessels too), fluid only in the pleural space (theirs:
the pericardium too), and Hernia, which they lack, is labelled.
"""

from collections.abc import Iterable

from tienet.labels import FINDINGS, NO_FINDING

RULES: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("pulmonary atelectasis",),
    "Cardiomegaly": ("cardiomegaly",),
    "Effusion": ("pleural effusion", "hydropneumothorax", "hemothorax", "hemopneumothorax"),
    "Infiltration": ("infiltrate",),
    "Mass": ("mass/lung", "mass/thorax", "mass/paratracheal", "mass/mediastinum"),
    "Nodule": ("nodule",),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax", "hemopneumothorax"),
    "Consolidation": ("consolidation",),
    "Edema": ("pulmonary edema",),
    "Emphysema": ("emphysema", "pulmonary emphysema", "bullous emphysema"),
    "Fibrosis": ("pulmonary fibrosis", "fibrosis"),
    "Pleural_Thickening": ("thickening/pleura",),
    "Hernia": ("hernia, hiatal", "hernia, diaphragmatic"),
}
"""Finding -> headings; "heading/qualifier" wants that qualifier too, at any place after the heading."""

NOT_INDEXED = "no indexing"
"""The major of a report that nobody has indexed: its findings are unknown."""


def findings(majors: Iterable[str]) -> dict[str, int] | None:
    """Label -> 1 or 0 for the 14 findings and No_Finding (none of the 14); None if the report is not indexed."""
    parts = [[part.strip().lower() for part in major.split("/")] for major in majors if major.strip()]
    if not parts or any(heading == NOT_INDEXED for heading, *_ in parts):
        return None
    labels = {name: int(any(_fits(rule, major) for rule in RULES[name] for major in parts)) for name in FINDINGS}
    return {**labels, NO_FINDING: int(not any(labels.values()))}


def _fits(rule: str, major: list[str]) -> bool:
    heading, *qualifiers = rule.split("/")
    return major[0] == heading and all(qualifier in major[1:] for qualifier in qualifiers)
