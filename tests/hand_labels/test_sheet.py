"""A reader's sheet: what is written is read, and what is wrong in it is told by row and column."""

import numpy as np
import pytest

from tienet.errors import InputError
from tienet.hand_labels import sheet
from tienet.labels import LABELS


def test_what_is_written_is_read(tmp_path):
    answers = np.tile([1, 0, -1, np.nan, 1], 3)
    written = sheet.Sheet(
        tmp_path / "anna.csv",
        "anna",
        ["a,1", "b"],
        ["p", "q"],
        np.stack([answers, -answers]).astype(np.float32),
        np.array([2.54, np.nan]),
        ["", "a network"],
    )
    sheet.write(written)
    found = sheet.read(written.path)
    assert (found.reader, found.study_ids, found.patient_ids) == ("anna", ["a,1", "b"], written.patient_ids)
    np.testing.assert_array_equal(found.answers, written.answers)
    np.testing.assert_array_equal(found.seconds, [2.5, np.nan])
    assert found.assist == ["", "a network"]
    np.testing.assert_array_equal(sheet.known(found.answers)[0, :4], [1, 0, np.nan, np.nan])


def test_a_sheet_from_elsewhere_may_lack_the_last_columns_and_have_others(tmp_path):
    header = ["patient_id", "study_id", *LABELS, "remark"]
    (tmp_path / "ben.csv").write_text(",".join(header) + "\np,s," + "1.0," * 15 + "fine\n")
    found = sheet.read(tmp_path / "ben.csv")
    assert (
        found.reader == "ben" and found.assist == [""] and np.isnan(found.seconds).all() and (found.answers == 1).all()
    )


@pytest.mark.parametrize(
    ("study", "cell", "reader", "message"),
    [
        ("b", "2", "anna", "row 3, column Atelectasis: '2'; expected 1"),
        ("a", "1", "anna", "row 3, column study_id: 'a' is there already, at row 2"),
        ("", "1", "anna", "row 3, column study_id: is empty"),
        ("b", "1", "ben", "row 3, column reader: 'ben', and 'anna' in the first row"),
        ("b", "1", "", "row 3, column reader: is empty"),
    ],
)
def test_a_wrong_cell_is_told_by_its_row_and_column(tmp_path, study, cell, reader, message):
    rows = [["study_id", "patient_id", *LABELS, "reader"], ["a", "p", *["0"] * 15, "anna"]]
    rows.append([study, "p", cell, *["0"] * 14, reader])
    (tmp_path / "x.csv").write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(InputError, match=message):
        sheet.read(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", " a", "x" * 41, "a\nb"])
def test_a_name_that_is_no_name_of_a_file_is_refused(name):
    with pytest.raises(InputError, match="expected 1 to 40 letters"):
        sheet.check_reader(name)
    assert sheet.check_reader("Dr Ána-2") == "Dr Ána-2"
