"""OpenI's MeSH majors -> the 14 findings, by one table of rules.

A major is a heading with qualifiers: "Cardiomegaly/mild", "Thickening/pleura/apex/bilateral". NegBio's labels
(openi_gld_std14.csv) follow the headings to the letter. Over the 3,759 reports that both label, kappa is 1 for nine
findings. The rules differ on purpose where a heading is not the finding, or is one that NegBio passes over:
    Effusion            .979  theirs counts the pericardium's (CXR1666, 2570, 3353, 3819), not hydropneumothorax
                              and hemopneumothorax (1525, 2827)
    Pneumothorax        .916  theirs has no hydropneumothorax (830, 1230, 1525, 3056)
    Emphysema           .979  theirs has no "Bullous Emphysema" (4, 382, 2769, 3521)
    Pleural_Thickening  .904  theirs counts bronchi, interstitium (1143, 1471, 1506, 1712, 3466, 713, 903), the
                              paratracheal stripe (3231) and a heart ventricle (838)
    Hernia              0     theirs has none; 46 reports have the heading, 44 of them hiatal, and say so in words:
                              hiatal 60 (stable), 545, 1034 (no change), 1290, 1303, 1343, 1859, 2427; diaphragmatic
                              1333 (Morgagni), 2102 ("eventration versus small hernia", the one that is in doubt)
Their file has zeros for 92 reports that nobody has indexed: No_Finding there, unknown here. It has no row for the 104
reports without images. In both, a "Cardiac Shadow/enlarged" alone (20 reports) is no Cardiomegaly.
"""

import re
from collections.abc import Iterable, Sequence

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


_COMMON_WORD = "pulmonary"  # in the headings of many findings: tells none of them


def findings(majors: Iterable[str]) -> dict[str, int] | None:
    """Label -> 1 or 0 for the 14 findings and No_Finding (none of the 14); None if the report is not indexed."""
    parts = [_parts(major) for major in majors if major.strip()]
    if not parts or any(heading == NOT_INDEXED for heading, *_ in parts):
        return None
    labels = {name: int(any(_fits(name, major) for major in parts)) for name in FINDINGS}
    return {**labels, NO_FINDING: int(not any(labels.values()))}


def that_matter(label: str, majors: Sequence[str]) -> list[str]:
    """The majors that a person should look at to judge a finding; for any other label (No_Finding), all findings.

    Those that a rule of the finding takes; if there is none, those whose heading has a word of its rules, "Pericardial
    Effusion" for Effusion; if there is none either, all.
    """
    names = (label,) if label in FINDINGS else FINDINGS
    taken = [major for major in majors if any(_fits(name, _parts(major)) for name in names)]
    words = {word for name in names for rule in RULES[name] for word in _words(rule)}
    return taken or [major for major in majors if words & _words(major)] or list(majors)


def _parts(major: str) -> list[str]:
    return [" ".join(part.split()).lower() for part in major.split("/")]


def _fits(finding: str, parts: Sequence[str]) -> bool:
    heading, *qualifiers = parts
    rules = (rule.split("/") for rule in RULES[finding])
    return any(heading == wanted and set(needed) <= set(qualifiers) for wanted, *needed in rules)


def _words(major: str) -> set[str]:
    """Of the heading."""
    return set(re.findall(r"\w+", _parts(major)[0])) - {_COMMON_WORD}
