"""The columns of a table: which are taken for what, and what is said where one is missing."""

from pathlib import Path

import pytest

from tienet.commands.study_columns import Columns, Needs, is_file_name
from tienet.errors import InputError

TEXT, BOTH, IMAGE = Needs(image=False, report=True), Needs(image=True, report=True), Needs(image=True, report=False)
KAGGLE = ["uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression"]


def columns_of(header: list[str], needs: Needs = TEXT) -> Columns:
    return Columns.from_header(Path("in.csv"), header, needs)


@pytest.mark.parametrize(
    ("header", "needs", "taken"),
    [
        (["report", "study"], TEXT, "study_id from column study, report from column report"),
        (KAGGLE, TEXT, "study_id from column uid, report from column findings and impression; "
                       "not read: MeSH, Problems, image, indication, comparison"),
        (["Image Index", " Text "], BOTH, "study_id from column Image Index, image from column Image Index, "
                                          "report from column Text"),
        (["image", "", "text"], IMAGE, "study_id from column image, image from column image; "
                                      "not read: (no name), text"),
        (["study_id", "Impression"], TEXT, "study_id from column study_id, report from column Impression"),
    ],
)  # fmt: skip
def test_which_column_is_taken_for_what_is_one_line(header, needs, taken):
    assert columns_of(header, needs).describe() == taken


def test_of_many_columns_the_first_are_named():
    said = columns_of(["study", "text", *(f"c{n}" for n in range(30))]).describe()
    assert said.endswith("c18, c19, 10 more")


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (["study_id;report"], "are cells separated by commas? The header has semicolons; save the file as CSV"),
        (["study_id\treport"], "The header has tabs"),
        (["study_id|report"], "The header has bars"),
        (["study_id;report", "comment"], "The header has semicolons"),
        (["sep=", ""], "the first line is a mark for Excel; remove it"),
    ],
)
def test_a_header_with_another_separator_gives_a_hint(header, hint):
    with pytest.raises(
        InputError, match=r"row 1: no column study_id \(or study, uid or image\), no column rep"
    ) as error:
        columns_of(header)
    assert hint in str(error.value) and "\n" not in str(error.value)


def test_a_header_of_commas_gives_none():
    with pytest.raises(InputError, match=r"the columns are: a, b$"):
        columns_of(["a", "b"])


@pytest.mark.parametrize("name", ["1.png", "my chest 1.JPG", "a/b c/1.dcm", "00000001_000", "1.2.840.1", ""])
def test_names_of_files(name):
    assert is_file_name(name)


@pytest.mark.parametrize("name", ["Xray Chest PA and Lateral", "PA view"])
def test_what_is_no_name_of_a_file(name):
    assert not is_file_name(name)
