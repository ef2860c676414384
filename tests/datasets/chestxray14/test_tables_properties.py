"""What holds of NIH's Finding Labels for any spelling, order and cell."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.label_cells import cells, labels, read, spellings, steady
from tienet.datasets.chestxray14.tables import read_entries
from tienet.errors import InputError
from tienet.labels import LABELS, canonical

HEADER = ["Image Index", "Finding Labels", "Patient ID"]


@steady
@given(st.lists(st.lists(spellings(), min_size=1, max_size=6), min_size=1, max_size=5))
def test_listed_labels_are_those_that_stand_between_the_bars(listed):
    rows = [[f"{n}.png", "|".join(written for _, written in cell), "7"] for n, cell in enumerate(listed)]
    entries = read(read_entries, [HEADER, *rows])
    for n, cell in enumerate(listed):
        assert {label for label in LABELS if entries[label].iloc[n] == 1} == {label for label, _ in cell}
    assert set(np.unique(entries[list(LABELS)])) <= {0.0, 1.0}


@steady
@given(st.lists(labels, min_size=1, max_size=6), st.randoms())
def test_order_and_repetition_of_listed_labels_do_not_matter(listed, random):
    shuffled = [*listed, listed[0]]
    random.shuffle(shuffled)
    entries = read(read_entries, [HEADER, *[[f"{n}.png", "|".join(names), "7"] for n, names in
                                            enumerate((listed, shuffled))]])  # fmt: skip
    assert (entries[list(LABELS)].iloc[0] == entries[list(LABELS)].iloc[1]).all()


@steady
@given(cells)
def test_any_listed_cell_is_read_or_refused_by_its_row(cell):
    names = cell.replace("\ufeff", "").strip().split("|")
    try:
        entries = read(read_entries, [HEADER, ["1.png", "Mass", "7"], ["2.png", cell, "7"]])
    except InputError as error:
        assert "row " in str(error)
        assert "\0" in cell or not all(canonical(name) for name in names)
    else:
        assert {label for label in LABELS if entries[label].iloc[1] == 1} == {canonical(name) for name in names}
