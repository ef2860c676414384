"""On what terms published data sets are given away, for whoever passes on a network that was trained on one.

A data set is known by its name alone, which is that of its folder. The terms are in short: those of the source hold.
"""

from typing import NamedTuple


class Terms(NamedTuple):
    """The terms of a data set.

    Attributes:
        text: Who gives it away, and what is asked of those who use it.
        ids_are_public: Whether everybody may read the ids of its studies.
    """

    text: str
    ids_are_public: bool


_NIH = Terms(
    "NIH Clinical Center, free for any use; name it as the source, cite Wang et al. 2017 (ChestX-ray8), and link to "
    "where it was fetched",
    True,
)
TERMS = {
    "openi": Terms(
        "Indiana University, through the National Library of Medicine: CC BY-NC-ND 4.0, as its distributors say: name "
        "the source, no commercial use, no changed copies",
        True,
    ),
    "chestxray14": _NIH,
    "hand-labeled": _NIH,
    "mimic-cxr": Terms(
        "PhysioNet Credentialed Health Data License: only for those whom PhysioNet has admitted; neither the data nor "
        "what shows a patient may be passed on",
        False,
    ),
    "padchest": Terms("BIMCV, Valencia: for research only, after registration; it may not be passed on", False),
    "phantom": Terms("drawn by TieNet itself; no terms, and no patient", True),
}

UNKNOWN = Terms("not known here: ask who gave you the data before you pass the run on", False)


def terms_of(name: str) -> Terms:
    """The terms of the data set with this name; `UNKNOWN` if it is none of the published ones."""
    return TERMS.get(name, UNKNOWN)
