r"""Which view of the chest a DICOM file shows, and whether it is stored the way a film hangs.

In many files ViewPosition is empty. Therefore the view is looked for in these elements, one after the other:
ViewPosition, ViewCodeSequence, the descriptions that the technician or the machine wrote, and PatientOrientation. An
element that cannot be read counts as empty.
"""

import re
from typing import TYPE_CHECKING

from tienet.data.dicom.elements import RefusedError, items_of, parts_of, text_of

if TYPE_CHECKING:
    from pydicom import Dataset

FRONTAL = ("PA", "AP")
LATERAL, OTHER, UNKNOWN = "LATERAL", "OTHER", ""
"""OTHER is a view that is named and is neither frontal nor lateral, such as an oblique view."""

DESCRIPTIONS = ("SeriesDescription", "AcquisitionDeviceProcessingDescription", "ProtocolName", "StudyDescription")

_POSITIONS = {
    "PA": "PA", "AP": "AP", "LL": LATERAL, "RL": LATERAL, "LAT": LATERAL, "LATERAL": LATERAL, "LLAT": LATERAL,
    "RLAT": LATERAL, "ML": LATERAL, "LM": LATERAL,
}  # fmt: skip
_OTHER_POSITIONS = ("LLD", "RLD", "LAO", "RAO", "LPO", "RPO", "LLO", "RLO")
_CODES = {  # codes of SNOMED-RT and SNOMED CT in DICOM's context group 4010
    "R-10206": "AP", "399348003": "AP", "R-10214": "PA", "272479007": "PA",
    "R-10232": LATERAL, "399198007": LATERAL, "R-10236": LATERAL, "399173006": LATERAL,
    "R-10228": LATERAL, "399067008": LATERAL,
}  # fmt: skip
_WORDS = (
    ("PA", re.compile(r"\bP\.?A\b|postero-?\s?anterior")),
    ("AP", re.compile(r"\bA\.?P\b|antero-?\s?posterior")),
    (LATERAL, re.compile(r"\b(lat|lateral|profile?|seitlich)\b", re.IGNORECASE)),
    (OTHER, re.compile(r"\b(oblique|decubitus)\b", re.IGNORECASE)),
)


def view_of(ds: "Dataset") -> str:
    """The view: "PA", "AP", "LATERAL", "OTHER", or "" if no element names exactly one view."""
    return _by_position(ds) or _by_code(ds) or _by_description(ds) or _by_orientation(ds)


def orientation_of(ds: "Dataset") -> str:
    r"""PatientOrientation as it is written, such as L\F: the directions of the rows and the columns; "" if missing."""
    return "\\".join(str(direction) for direction in _directions(ds))


def is_upright(orientation: str) -> bool:
    r"""False if a frontal image is mirrored or turned: on a film that hangs, rows run to the Left, columns to the Foot.

    An orientation that is missing or cannot be understood counts as upright.
    """
    row, _, column = orientation.upper().partition("\\")
    known = set(row[:1]) | set(column[:1])
    if not row or not column or not known <= set("LRHFAP"):
        return True
    return row[0] == "L" and column[0] == "F"


def _by_position(ds: "Dataset") -> str:
    text = _text(ds, "ViewPosition").upper()
    if not text:
        return UNKNOWN
    if text in _POSITIONS:
        return _POSITIONS[text]
    return _view_in_text(text) or (OTHER if text in _OTHER_POSITIONS else UNKNOWN)


def _by_code(ds: "Dataset") -> str:
    try:
        items = items_of(ds, "ViewCodeSequence")
    except RefusedError:
        return UNKNOWN
    for item in items:
        view = _CODES.get(_text(item, "CodeValue")) or _view_in_text(_text(item, "CodeMeaning"))
        if view:
            return view
    return UNKNOWN


def _by_description(ds: "Dataset") -> str:
    return next((view for name in DESCRIPTIONS if (view := _view_in_text(_text(ds, name)))), UNKNOWN)


def _by_orientation(ds: "Dataset") -> str:
    """LATERAL if the rows run to the front or to the back of the patient, who is then seen from the side."""
    directions = _directions(ds)
    return LATERAL if len(directions) == 2 and str(directions[0]).strip().upper()[:1] in ("A", "P") else UNKNOWN


def _view_in_text(text: str) -> str:
    """The only view that a text names; "" if it names none, or several ("chest PA and lateral")."""
    text = text.replace("_", " ")
    found = {view for view, words in _WORDS if words.search(text) or words.search(text.lower())}
    return found.pop() if len(found) == 1 else UNKNOWN


def _directions(ds: "Dataset") -> list[object]:
    try:
        directions = parts_of(ds, "PatientOrientation")
    except RefusedError:
        return []
    return directions if len(directions) > 1 else []


def _text(ds: "Dataset", keyword: str) -> str:
    try:
        return text_of(ds, keyword)
    except RefusedError:
        return ""
