r"""Which view of the chest a DICOM file shows, and whether it is stored the way a film hangs.

Many files do not fill ViewPosition, so the view is looked for in one place after the other:
ViewPosition, ViewCodeSequence, the descriptions that the technician or the machine wrote, PatientOrientation.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

FRONTAL = ("PA", "AP")
LATERAL, OTHER, UNKNOWN = "LATERAL", "OTHER", ""
"""OTHER: a view that is named and neither frontal nor lateral, such as an oblique one."""

DESCRIPTIONS = ("SeriesDescription", "AcquisitionDeviceProcessingDescription", "ProtocolName", "StudyDescription")

_POSITIONS = {
    "PA": "PA", "AP": "AP", "LL": LATERAL, "RL": LATERAL, "LAT": LATERAL, "LATERAL": LATERAL, "LLAT": LATERAL,
    "RLAT": LATERAL, "ML": LATERAL, "LM": LATERAL,
}  # fmt: skip
_CODES = {  # SNOMED-RT and SNOMED CT, of DICOM's context group 4010
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
    """ "PA", "AP", "LATERAL", "OTHER", or "" where no place names one view only."""
    return _position(ds) or _code(ds) or _description(ds) or _side(ds)


def orientation_of(ds: "Dataset") -> str:
    r"""PatientOrientation as it is written, such as L\F: where the rows and the columns run to; "" if not given."""
    return "\\".join(str(part) for part in _parts(ds))


def is_upright(orientation: str) -> bool:
    r"""False where a frontal image is mirrored or turned: as a film hangs, rows run to the Left, columns to the Foot.

    An orientation that is missing or not understood counts as upright.
    """
    row, _, column = orientation.upper().partition("\\")
    known = set(row[:1]) | set(column[:1])
    if not row or not column or not known <= set("LRHFAP"):
        return True
    return row[0] == "L" and column[0] == "F"


def _position(ds: "Dataset") -> str:
    text = str(ds.get("ViewPosition") or "").strip().upper()
    if not text:
        return UNKNOWN
    if text in _POSITIONS:
        return _POSITIONS[text]
    return _named(text) or (OTHER if text in ("LLD", "RLD", "LAO", "RAO", "LPO", "RPO", "LLO", "RLO") else UNKNOWN)


def _code(ds: "Dataset") -> str:
    for item in ds.get("ViewCodeSequence") or ():
        view = _CODES.get(str(item.get("CodeValue") or "").strip()) or _named(str(item.get("CodeMeaning") or ""))
        if view:
            return view
    return UNKNOWN


def _description(ds: "Dataset") -> str:
    return next((view for name in DESCRIPTIONS if (view := _named(str(ds.get(name) or "")))), UNKNOWN)


def _side(ds: "Dataset") -> str:
    """Rows that run forwards or backwards: seen from the side."""
    parts = _parts(ds)
    return LATERAL if len(parts) == 2 and str(parts[0]).strip().upper()[:1] in ("A", "P") else UNKNOWN


def _named(text: str) -> str:
    """The only view that a text names; "" where it names none or several ("chest PA and lateral")."""
    text = text.replace("_", " ")
    found = {view for view, words in _WORDS if words.search(text) or words.search(text.lower())}
    return found.pop() if len(found) == 1 else UNKNOWN


def _parts(ds: "Dataset") -> list[object]:
    value = ds.get("PatientOrientation")
    return [] if value is None or isinstance(value, str) else list(value)
