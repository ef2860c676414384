"""What holds of the names of labels in any spelling."""

from hypothesis import given
from hypothesis import strategies as st

from tests.label_cells import labels, spellings, steady
from tienet.labels import LABELS, canonical


@steady
@given(spellings())
def test_every_spelling_is_its_label(spelling):
    label, written = spelling
    assert canonical(written) == label


@steady
@given(st.text(max_size=30))
def test_any_name_is_a_label_or_none_and_a_label_is_itself(name):
    label = canonical(name)
    assert label is None or (label in LABELS and canonical(label) == label)


@steady
@given(labels, st.text(alphabet="abcxyz0189", min_size=1, max_size=5))
def test_a_longer_name_is_no_label(label, more):
    assert canonical(label + more) is None
