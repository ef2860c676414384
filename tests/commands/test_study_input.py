"""Studies from a CSV and from a folder: what is taken, what is passed over, what is refused, how much is kept."""

import csv
import itertools
import os
import shutil
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from tienet.commands import table_rows
from tienet.commands.study_input import Fault, Needs, StudyInput, open_studies
from tienet.data.text import MAX_REPORT_CHARACTERS, report_text
from tienet.errors import InputError

TEXT, BOTH, IMAGE = Needs(image=False, report=True), Needs(image=True, report=True), Needs(image=True, report=False)


def table(folder: Path, *rows: list[str]) -> Path:
    path = folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path, needs: Needs) -> list[StudyInput]:
    studies = open_studies(path, needs)
    found = list(studies)
    assert len(found) == studies.total == len(list(studies))
    return found


@pytest.mark.parametrize("name", ["study_id", "Study ID", "study", "image", "Image Index"])
@pytest.mark.parametrize("text", ["report", "TEXT"])
def test_columns_go_by_several_names(tmp_path, name, text):
    (study,) = read(table(tmp_path, [text, "other", name], ["Clear.", "x", " a "]), TEXT)
    assert (study.study_id, study.report, study.row, study.fault) == ("a", "Clear.", 2, None)


def test_sections_become_one_report(tmp_path):
    rows = [
        ["study", "findings", "impression"],
        ["1", "Clear  lungs.", "Normal."],
        ["2", "", "Normal."],
        ["3", " ", ""],
    ]
    first, second, third = read(table(tmp_path, *rows), TEXT)
    assert first.report == report_text("Clear  lungs.", "Normal.") and second.report == "impression : Normal."
    assert third.fault.kind == "no report"


def test_images_lie_beside_the_table_or_anywhere(tmp_path):
    rows = [["study_id", "image", "report"], ["1", "x/a.png", "a"], ["2", "/far/b.png", "b"], ["3", "", "c"]]
    first, second, third = read(table(tmp_path, *rows), BOTH)
    assert (first.image, second.image) == (tmp_path / "x/a.png", Path("/far/b.png"))
    assert third.fault.kind == "no image"


def test_rows_are_named_by_the_line_where_they_start_and_bad_ones_are_passed_over(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text('study_id,report\n1,"two\nlines"\n\n2,a,b\n,c\n3,\n1,again\n"4\n5",x\n6\n', encoding="utf-8-sig")
    studies = read(path, TEXT)
    assert [study.row for study in studies] == [2, 5, 6, 7, 8, 9, 11]
    kinds = [study.fault.kind if study.fault else None for study in studies]
    assert kinds == [
        None, "row with a wrong number of cells", "no study_id", "no report", "study_id that is there already",
        "study_id of several lines", "row with a wrong number of cells",
    ]  # fmt: skip
    assert "at row 2" in studies[4].fault.message
    assert all("\n" not in study.study_id for study in studies)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected a CSV"),
        (b"study_id,report\n", "no row under the header"),
        (b"study_id,image\n1,a\n", "row 1: no column report"),
        (b"report\nclear\n", "row 1: no column study_id"),
        (b"study_id,report,Report\n1,a,b\n", "column report is there 2 times"),
        (b"study_id;report\n1;a\n", "no column study_id.*are cells separated by commas"),
        (b"study_id\treport\n1\ta\n", "no column study_id.*The header has tabs"),
        (b'study_id,report\n1,a\n2,"a"b\n', "row 3: not CSV"),
        (b'study_id,report\n1,a\n2,"never closed\n3,b\n', "row 3: not CSV"),
        (b"study_id,report\n1,caf\xe9\n", "not UTF-8 text"),
        (b"\x1f\x8b\x08\x00rest", "after row 1: the gzip file is cut off or damaged"),
        (b"PK\x03\x04\xff", "not UTF-8 text"),
        (b"study_id,report\n1," + b"a" * 300 + b"\n", "row 2: not CSV"),
    ],
)
def test_what_is_no_such_table_is_refused_before_anything_is_done(tmp_path, content, message, monkeypatch):
    monkeypatch.setattr(table_rows, "MAX_CELL_CHARACTERS", 299)
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_studies(tmp_path / "in.csv", TEXT)


def test_a_cell_that_stands_for_nothing_is_nothing_and_is_counted(tmp_path):
    rows = [["1", "NaN", "x"], ["2", " None ", "x"], ["3", "#N/A", "x"], ["4", "None seen.", "x"]]
    rows += [["NULL", "Clear.", "x"], ["6", "Clear.", "NA"]]
    studies = read(table(tmp_path, ["study_id", "report", "image"], *rows), BOTH)
    assert [study.fault and study.fault.kind for study in studies] == [
        "no report", "no report", "no report", None, "no study_id", "no image",
    ]  # fmt: skip
    assert studies[1].fault.message == "the report is 'None', which stands for nothing"
    assert not any(study.report for study in studies if study.fault and study.fault.kind == "no report")


def test_a_section_that_stands_for_nothing_is_left_out_and_this_is_noted(tmp_path):
    rows = [["1", "nan", "Normal."], ["2", "Clear.", "nan"], ["3", "nan", "NULL"], ["4", "Clear.", "n/a"]]
    inputs = open_studies(table(tmp_path, ["study", "findings", "impression"], *rows), TEXT)
    for _ in range(2):
        studies = list(inputs)
        assert inputs.notes == ["cells that stand for nothing were read as empty: 2 x 'nan', 1 x 'n/a'"]
    assert [study.report for study in studies] == ["impression : Normal.", "findings : Clear.", "", "findings : Clear."]
    assert studies[2].fault.message == "the report is 'nan', which stands for nothing"


def test_a_report_that_is_too_long_does_not_stop_the_table(tmp_path):
    sizes = [MAX_REPORT_CHARACTERS, MAX_REPORT_CHARACTERS + 1, 1_300_000, 10]
    studies = read(table(tmp_path, ["study", "text"], *([str(n), "a" * n] for n in sizes)), TEXT)
    kinds = [study.fault and study.fault.kind for study in studies]
    assert kinds == [None, "report that is too long", "report that is too long", None]
    assert "1,300,000 characters; the most that is read is 100,000" in studies[2].fault.message
    assert studies[2].report == ""  # a window keeps thousands of studies


def kaggle(folder: Path, *header: str) -> Path:
    rows = [["1", "Xray Chest PA and Lateral", "Clear."], ["2", "Xray Chest PA and Lateral", "Normal."],
            ["3", "Chest, 2 views", "Mass."]]  # fmt: skip
    return table(folder, list(header), *rows)


def test_kaggles_reports_go_by_their_uid(tmp_path):
    path = kaggle(tmp_path, "uid", "image", "findings")
    studies = read(path, TEXT)
    assert [(study.study_id, study.fault) for study in studies] == [("1", None), ("2", None), ("3", None)]
    said = f"{path}: study_id from column uid, report from column findings; not read: image"
    assert open_studies(path, TEXT).columns_taken == said


def test_a_column_image_that_names_no_files_does_not_name_the_studies(tmp_path):
    with pytest.raises(
        InputError, match=r"column image does not name the studies: of 3 cells 3 are no file names, the f"
    ):
        open_studies(kaggle(tmp_path, "number", "image", "findings"), TEXT)
    views = table(tmp_path, ["image", "report"], *([view, "Clear."] for view in ("PA", "AP", "PA", "PA")))
    with pytest.raises(InputError, match=r"no column study_id .* of 4 cells 2 repeat others; add a column study_id"):
        open_studies(views, TEXT)
    rows = [["PA", "1.png", "Clear."], ["PA", "2.png", "Clear."]]
    studies = read(table(tmp_path, ["image", "Image Index", "report"], *rows), TEXT)
    assert [study.study_id for study in studies] == ["1.png", "2.png"]
    files = [[name, "Clear."] for name in ("1.png", "my chest.png", "1.png", "2")]  # one of them twice
    kinds = [study.fault and study.fault.kind for study in read(table(tmp_path, ["image", "report"], *files), TEXT)]
    assert kinds == [None, None, "study_id that is there already", None]


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv does not exist"):
        open_studies(tmp_path / "none.csv", TEXT)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """The second pass keeps nothing; the first 8 bytes a row."""

    def peak(count: int) -> int:
        with (tmp_path / "in.csv").open("w") as file:
            file.write("study_id,report\n")
            file.writelines(f"{n},{'the lungs are clear . ' * 20}\n" for n in range(count))
        tracemalloc.start()
        for _ in open_studies(tmp_path / "in.csv", TEXT):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(1_000), peak(20_000)  # 9 MB of text
    assert large - small < 19_000 * 30


def folder_of(tmp_path: Path, names: list[str]) -> Path:
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text(f"report of {path.stem}")
        else:
            cv2.imwrite(str(path), np.full((8, 8), 90, np.uint8))
    return tmp_path / "in"


def test_a_folder_of_images_with_texts(tmp_path):
    folder = folder_of(tmp_path, ["b.png", "b.txt", "a/1.jpg", "a/1.txt", "c.png", "b.jpg", "README.txt"])
    studies = read(folder, BOTH)
    assert [study.study_id for study in studies] == ["a/1", "b", "c", "b"]
    assert [study.report for study in studies[:2]] == ["report of 1", "report of b"]
    assert [study.fault and study.fault.kind for study in studies] == [
        None, None, "no report", "image of a name that is there already",
    ]  # fmt: skip
    assert [study.fault for study in read(folder, IMAGE)][:3] == [None] * 3


@pytest.mark.parametrize("needs", [BOTH, IMAGE])
def test_a_second_image_of_a_name_says_which_one_has_it(tmp_path, needs):
    folder = folder_of(tmp_path, ["b.png", "b.txt", "b.jpg"])
    second = read(folder, needs)[-1]
    message = f"{folder / 'b.jpg'}: has the same name as {folder / 'b.png'} without the ending; rename one of them"
    assert second.fault == Fault("image of a name that is there already", message)


def test_images_of_other_kinds_in_a_folder_are_counted(tmp_path):
    folder = folder_of(tmp_path, ["b.png", "b.txt", "c.txt"])
    assert open_studies(folder, BOTH).notes == []
    for name in ("c.TIF", "x/d.tif", "e.webp", "f.jp2", ".g.bmp", "h.md", "SHA256SUMS"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"II*\0")
    shutil.copy(folder / "b.png", folder / "png.tif")  # what it holds says what it is
    inputs = open_studies(folder, BOTH)
    assert [study.study_id for study in inputs] == ["b", "png.tif"]
    left_out = "1 x .jp2, 2 x .tif, 1 x .webp; convert them to PNG, JPEG or DICOM"
    assert inputs.notes == [f"{folder}: image files that were left out: {left_out}"]
    assert open_studies(folder, TEXT).notes == []  # where no image is read none is missed


def test_a_folder_of_texts_alone(tmp_path):
    folder = folder_of(tmp_path, ["2.txt", "1.txt", "x/3.txt"])
    (folder / "4.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "5.txt").write_text(" \n")
    (folder / "6.txt").write_text("NaN\n")
    (folder / "7.txt").write_text("a" * (MAX_REPORT_CHARACTERS + 1))
    (folder / "8.txt").write_text("a" * 1_100_000)
    studies = read(folder, TEXT)
    assert [study.study_id for study in studies] == ["1", "2", "4", "5", "6", "7", "8", "x/3"]
    kinds = [study.fault and study.fault.kind for study in studies]
    assert kinds == [
        None, None, "report that cannot be read", "no report", "no report", "report that is too long",
        "report that is too long", None,
    ]  # fmt: skip
    assert studies[4].fault.message.startswith(str(folder / "6.txt"))


@pytest.mark.parametrize(("needs", "message"), [(TEXT, "no .txt file"), (BOTH, "no PNG, JPEG or DICOM file")])
def test_a_folder_without_anything_is_refused(tmp_path, needs, message):
    with pytest.raises(InputError, match=message) as caught:
        open_studies(tmp_path, needs)
    assert "--" not in str(caught.value)


def test_many_repeated_names_are_all_found(tmp_path):
    names = [str(n % 7) for n in range(50)]
    studies = read(table(tmp_path, ["study", "text"], *([name, "x"] for name in names)), TEXT)
    assert [study.fault is None for study in studies] == [n < 7 for n in range(50)]
    assert list(itertools.islice((study.study_id for study in studies), 8)) == names[:8]


def test_an_image_that_is_no_file_is_passed_over_and_never_read(tmp_path):
    """A pipe or a device would be read without an end."""
    os.mkfifo(tmp_path / "pipe.png")
    rows = [["1", "pipe.png"], ["2", "/dev/zero"], ["3", "."], ["4", "a" * 300 + ".png"], ["5", "gone.png"]]
    studies = read(table(tmp_path, ["study_id", "image"], *rows), IMAGE)
    assert [study.fault and study.fault.kind for study in studies] == ["image that cannot be read"] * 3 + [None] * 2
    assert studies[1].fault.message == "'/dev/zero' is not a file"


def test_a_column_s_name_of_two_lines_is_named_in_one(tmp_path):
    path = table(tmp_path, ["study_id", "report", "a\nb", "A\nb"], ["1", "x", "", ""])
    with pytest.raises(InputError, match=r"row 1: column a b is there 2 times; keep one$"):
        open_studies(path, TEXT)
