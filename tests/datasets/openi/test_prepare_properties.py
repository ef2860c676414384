"""What holds of a label file of OpenI for any order of columns and any cell."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.label_cells import cells, read, steady, values
from tienet.datasets.openi.prepare import read_labels
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING


@st.composite
def label_files(draw: Callable) -> tuple[list[str], list[list[str]]]:
    """Header (filename and the 14 findings in any order, with a column of its own) and up to four rows."""
    findings = draw(st.permutations(FINDINGS))
    header = ["filename", *findings, "remark"]
    count = draw(st.integers(1, 4))
    rows = [[f"CXR{n}", *draw(st.lists(values, min_size=14, max_size=14)), "x"] for n in range(count)]
    order = draw(st.permutations(range(len(header))))
    return [header[k] for k in order], [[row[k] for k in order] for row in rows]


@steady
@given(label_files())
def test_a_label_file_is_read_by_its_header(file):
    header, rows = file
    labels_of = read(read_labels, [header, *rows])
    assert list(labels_of) == [str(n) for n in range(len(rows))]
    for n, row in enumerate(rows):
        of_report = labels_of[str(n)]
        assert tuple(of_report) == LABELS
        cell_of = dict(zip(header, row, strict=True))
        expected = [float(cell_of[name]) if cell_of[name].strip() else np.nan for name in FINDINGS]
        np.testing.assert_array_equal([of_report[name] for name in FINDINGS], expected)
        # No_Finding by its words: no if one is there, yes if none is, else unknown
        none = 0.0 if 1.0 in expected else (1.0 if all(value == 0 for value in expected) else np.nan)
        np.testing.assert_array_equal(of_report[NO_FINDING], none)


@steady
@given(cells, st.sampled_from(FINDINGS))
def test_any_cell_of_a_label_file_is_1_0_unknown_or_refused_by_row_and_column(cell, finding):
    row = ["CXR1", *[cell if name == finding else "0" for name in FINDINGS]]
    try:
        labels_of = read(read_labels, [["filename", *FINDINGS], ["CXR0", *["1"] * 14], row])
    except InputError as error:
        assert "row 3" in str(error)
        assert "\0" in cell or f"column {finding}: " in str(error)
        assert cell.strip() not in ("1", "0", "", "1.0", "0.0")
    else:
        assert labels_of["1"][finding] in (0.0, 1.0) or not cell.strip()


@steady
@given(st.text(max_size=12))
def test_any_name_in_a_label_file_is_a_report_or_refused(name):
    try:
        labels_of = read(read_labels, [["filename", *FINDINGS], ["CXR0", *["0"] * 14], [name, *["1"] * 14]])
    except InputError as error:
        assert "row 3" in str(error)
        assert "\0" in name or name.strip().removeprefix("CXR") in ("", "0")
    else:
        assert len(labels_of) == 2 and labels_of["0"][NO_FINDING] == 1
