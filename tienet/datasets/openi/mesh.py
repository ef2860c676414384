"""Labels of OpenI: one table of rules maps the MeSH majors of a report to the 14 findings.

A major is a heading with qualifiers, such as "Cardiomegaly/mild" or "Thickening/pleura/apex/bilateral". The labels of
NegBio (openi_gld_std14.csv) follow the headings literally. Over the 3,759 reports that both label, kappa is 1 for nine
findings. For the others our rules differ on purpose, because a heading is not the finding or NegBio ignores it. The
numbers are kappa, and those in brackets are the numbers of the reports:
    Effusion            .979  NegBio counts pericardial ones (CXR1666, 2570, 3353, 3819), but not hydropneumothorax
                              and hemopneumothorax (1525, 2827).
    Pneumothorax        .916  NegBio does not count hydropneumothorax (830, 1230, 1525, 3056).
    Emphysema           .979  NegBio does not count "Bullous Emphysema" (4, 382, 2769, 3521).
    Pleural_Thickening  .904  NegBio counts bronchi and interstitium (1143, 1471, 1506, 1712, 3466, 713, 903), the
                              paratracheal stripe (3231) and a heart ventricle (838).
    Hernia              0     NegBio counts none. 46 reports have the heading, 44 of them hiatal, and their texts say
                              so: hiatal 60 (stable), 545, 1034 (no change), 1290, 1303, 1343, 1859, 2427;
                              diaphragmatic 1333 (Morgagni), 2102 ("eventration versus small hernia", the one that is
                              in doubt).
NegBio's file has zeros for 92 reports that nobody has indexed: they are No_Finding there and unknown here. It has no
row for the 104 reports without images. In both, "Cardiac Shadow/enlarged" alone (20 reports) is no Cardiomegaly.
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
"""Maps each finding to its headings; "heading/qualifier" also requires that qualifier, anywhere after the heading."""

NOT_INDEXED = "no indexing"
"""The major of a report that nobody has indexed; the findings of such a report are unknown."""

_COMMON_WORD = "pulmonary"  # it is in the headings of many findings and does not tell which one is meant


def findings(majors: Iterable[str]) -> dict[str, int] | None:
    """Maps the 14 findings and No_Finding (none of the 14) to 1 or 0; None if the report is not indexed."""
    parts = [_parts(major) for major in majors if major.strip()]
    if not parts or any(heading == NOT_INDEXED for heading, *_ in parts):
        return None
    labels = {name: int(any(_matches(name, major) for major in parts)) for name in FINDINGS}
    return {**labels, NO_FINDING: int(not any(labels.values()))}


def relevant_majors(label: str, majors: Sequence[str]) -> list[str]:
    """The majors that a person should look at to check a label.

    For a finding these are the majors that one of its rules matches. If there are none, they are the majors whose
    heading has a word of its rules, such as "Pericardial Effusion" for Effusion. If there are none either, all majors
    are returned. For any other label (No_Finding) the rules of all findings are used.
    """
    names = (label,) if label in FINDINGS else FINDINGS
    matched = [major for major in majors if any(_matches(name, _parts(major)) for name in names)]
    words = {word for name in names for rule in RULES[name] for word in _words(rule)}
    return matched or [major for major in majors if words & _words(major)] or list(majors)


def _parts(major: str) -> list[str]:
    return [" ".join(part.split()).lower() for part in major.split("/")]


def _matches(finding: str, parts: Sequence[str]) -> bool:
    heading, *qualifiers = parts
    rules = (rule.split("/") for rule in RULES[finding])
    return any(heading == wanted and set(needed) <= set(qualifiers) for wanted, *needed in rules)


def _words(major: str) -> set[str]:
    """The words of the heading of a major, without the common word."""
    return set(re.findall(r"\w+", _parts(major)[0])) - {_COMMON_WORD}
