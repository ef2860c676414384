"""The table of codes: a code for each label, without a slip of the pen."""

import pytest
from pydicom.sr._concepts_dict import concepts

from tienet.clinical import codes
from tienet.clinical.codes import Concept
from tienet.labels import LABELS

ALL = [
    *codes.LABEL_CODES.values(),
    *(value for name, value in vars(codes).items() if name.isupper() and isinstance(value, Concept)),
]


def times(a: int, b: int) -> int:
    """The product in the dihedral group: rotations are 0 to 4, reflections 5 to 9."""
    turned = a % 5 + (b % 5 if a < 5 else -b)
    return turned % 5 + 5 * ((a >= 5) != (b >= 5))


def has_check_digit(code: str) -> bool:
    """Whether the last digit of a SNOMED CT identifier is its check digit (Verhoeff)."""
    step, place = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4], list(range(10))
    total = 0
    for digit in reversed(code):
        total = times(total, place[int(digit)])
        place = [step[p] for p in place]
    return total == 0


def test_every_label_has_its_own_code():
    assert tuple(codes.LABEL_CODES) == LABELS
    assert len({concept.value for concept in ALL}) == len(ALL)
    assert all(len(concept.value) <= 16 or concept.scheme == codes.OWN_DESIGNATOR for concept in ALL)
    assert {c.scheme for c in (*codes.LABEL_CODES.values(), codes.CHEST_X_RAY)} == set(codes.FHIR_SYSTEMS)


@pytest.mark.parametrize("concept", [c for c in ALL if c.scheme == "SCT"], ids=lambda c: c.meaning)
def test_codes_of_snomed_have_their_check_digit(concept):
    assert has_check_digit(concept.value) and not has_check_digit(f"{concept.value[:-1]}{9 - int(concept.value[-1])}")


def test_dicoms_own_codes_mean_what_dicom_says():
    names = {value: meaning for found in concepts["DCM"].values() for value, (meaning, _) in found.items()}
    own = [c for c in ALL if c.scheme == "DCM"]
    assert own and all(names[c.value] == c.meaning for c in own)
    snomed = {value: meaning for found in concepts["SCT"].values() for value, (meaning, _) in found.items()}
    for label in ("Effusion", "Pneumothorax", "Edema"):  # those that DICOM's dictionary has, too
        assert snomed[codes.LABEL_CODES[label].value].lower().startswith(codes.LABEL_CODES[label].meaning.lower())
