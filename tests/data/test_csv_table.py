"""CSV files: rows are named as an editor counts lines."""

import csv

import pytest

from tienet.data.csv_table import Table
from tienet.errors import InputError


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_does(tmp_path, end):
    path = tmp_path / "x.csv"
    path.write_bytes(end.join(["a,b", '1,"two', 'lines"', "", "2,3", '4,"x""y"']).encode())
    table = Table(path, ("b",))
    assert table.lines == [2, 5, 6]
    assert table.cells("a") == ["1", "2", "4"] and table.cells("b", strip=False) == [f"two{end}lines", "3", 'x"y']


def test_problems_come_in_the_order_of_rows_and_columns(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    table = Table(path, ("a", "b"))
    table.raise_problems()
    table.problem(1, "b", "second")
    table.problem(1, "a", "first")
    table.problem_of_file("last")
    with pytest.raises(InputError) as error:
        table.raise_problems()
    expected = [f"{path}: 3 problems", "row 3, column a: first", "row 3, column b: second", "last"]
    assert str(error.value).splitlines() == expected


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.csv does not exist"):
        Table(tmp_path / "gone.csv", ("a",))
    with pytest.raises(InputError, match="is a folder"):
        Table(tmp_path, ("a",))


def test_cells_longer_than_csvs_own_limit(tmp_path):
    path, limit = tmp_path / "x.csv", csv.field_size_limit()
    path.write_text(f"a,b\n1,{'x' * 200_000}\n")
    assert len(Table(path, ("b",)).cells("b")[0]) == 200_000 and csv.field_size_limit() == limit
    with pytest.raises(InputError):
        Table(path, ("c",))
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
@pytest.mark.parametrize("columns", [(), ("a",)])
def test_another_separator_is_named(tmp_path, separator, name, columns):
    path = tmp_path / "x.csv"
    path.write_text(separator.join("ab") + "\n1,5" + separator + "2\n")
    with pytest.raises(InputError) as told:
        Table(path, columns)
    hint = f"are cells separated by commas? The header has {name}; save the file as CSV with commas"
    assert str(told.value) == f"{path}, row 1: the header has one cell only: {hint}"


def test_the_hint_stays_where_the_header_has_a_comma_too(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("image;report;findings, impression\n1;2;3,4\n")
    assert "The header has semicolons" in Table(path, ()).hint
    with pytest.raises(
        InputError, match=r"column image is missing.*; are cells separated by commas\? The header has semi"
    ):
        Table(path, ("image",))
    path.write_text("image,report\n1,2\n")
    assert Table(path, ()).hint == ""


@pytest.mark.parametrize("mark", ["sep=,", "SEP=;", "sep=\t"])
def test_a_mark_for_excel_is_no_header(tmp_path, mark):
    path = tmp_path / "t.csv"
    path.write_text(f"{mark}\na,b\n1,2\n")
    with pytest.raises(InputError, match=r"t\.csv, row 1: .* the first line is a mark for Excel; remove it"):
        Table(path, ("a",))


def test_a_line_break_in_a_column_s_name_or_a_cell_is_a_space_in_a_message(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('"Patient\n ID",b\n"two\nlines",2\n')
    table = Table(path, ("Patient ID",))
    assert table.header == ["Patient ID", "b"] and table.cells("Patient ID") == ["two\nlines"]
    table.problem(0, "Patient ID", f"{table.cells('Patient ID')[0]} is no number")
    with pytest.raises(InputError, match=r"row 3, column Patient ID: two lines is no number$"):
        table.raise_problems()


@pytest.mark.parametrize("row", ['1,"never closed', '1,"a"b'])
def test_what_is_no_csv_is_said_in_words_of_ours(tmp_path, row):
    path = tmp_path / "x.csv"
    path.write_text(f"a,b\n{row}\n")
    with pytest.raises(InputError) as told:
        Table(path, ("a",))
    assert str(told.value) == (
        f"{path}, row 2: not CSV: a quote inside a quoted cell is written twice; a quote that is never closed swallows "
        "what follows"
    )


def test_what_a_spreadsheet_writes_around_a_table_is_no_part_of_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('name,text,,\nx,one,,\n,,,\n"", , ,\ny,two,,\n,,,\n')
    table = Table(path, ["name", "text"])
    assert (table.header, table.lines) == (["name", "text"], [2, 5])
    assert (table.cells("name"), table.cells("text")) == (["x", "y"], ["one", "two"])
    path.write_text("name,text,,\nx,one,,\ny,two\n")
    assert Table(path, ["name"]).cells("text") == ["one", "two"]


def test_a_column_without_a_name_that_has_cells_is_named_in_words(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("name,text,\nx,one,?\n")
    table = Table(path, ["name"])
    table.note_other_columns(but=["text"])
    assert table.notes == ["columns that are not part of the contract are ignored: one without a name"]
    path.write_text("name,,,text\nx,1,2,one\n")
    with pytest.raises(InputError, match="column without a name is there 2 times"):
        Table(path, ["name"])
    path.write_text('name\nx\n""\n')
    assert Table(path, ["name"]).cells("name") == ["x", ""]
