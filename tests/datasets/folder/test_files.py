"""The files of a user's folder: which are images, which are texts, and the names that they have."""

from pathlib import Path

import pytest

from tests.data.dicom.dicom_files import without_meta
from tests.datasets.folder.toy_folder import film, load, png, reasons
from tienet.data.text import MAX_REPORT_CHARACTERS
from tienet.datasets.folder import files
from tienet.datasets.folder.matching import Film
from tienet.errors import InputError


def test_a_folder_of_texts(run, source, tmp_path):
    png(source / "a/1.png"), png(source / "b/1.png"), png(source / "2.png")
    for name in ("a/1", "b/1", "2"):
        path = tmp_path / "texts" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Report {name}.")
    _, out = run(reports=tmp_path / "texts")
    assert sorted(load(out).reports) == ["Report 2.", "Report a/1.", "Report b/1."]


def test_what_stands_for_nothing_is_no_report(run, source, tmp_path, capsys):
    for name in ("1", "2", "3"):
        png(source / f"{name}.png")
        (source / f"{name}.txt").write_text("NaN\n" if name == "2" else f"Report {name}.")
    status, out = run()
    assert status == 0 and sorted(load(out).reports) == ["Report 1.", "Report 3."]
    assert reasons(out) == ["image without a report"]
    (tmp_path / "r.csv").write_text("image,report\n1,None\n2,Clear.\n3,#N/A\n")
    capsys.readouterr()
    status, out = run(reports=tmp_path / "r.csv", out=tmp_path / "out" / "table")
    said = capsys.readouterr().err
    assert status == 0 and load(out).reports == ["Clear."] and reasons(out) == ["image without a report"] * 2
    assert "cells that stand for nothing are no reports: 1 x 'None', 1 x '#N/A'" in said


def test_links_that_lead_back(run, source):
    png(source / "a/1.png")
    (source / "a/loop").symlink_to(source)
    _, out = run()
    assert len(load(out)) == 1


def test_the_content_of_a_file_tells_its_kind_and_its_ending_where_the_content_is_none(source):
    png(source / "a.png"), film(source / "b", "1.2.1"), film(source / "c.png", "1.2.2")
    (source / "d.dcm").write_bytes(b"broken"), (source / "e.txt").touch(), (source / "f").touch()
    png(source / ".hidden.png"), png(source / "out/made.png")
    found = files.index(source, without=source / "out")
    assert {image.name: image.kind for image in found.sources} == {"a": "PNG", "b": "DICOM", "c": "DICOM", "d": "DICOM"}
    assert found.texts == [source / "e.txt"] and found.others == {"no ending": 1}


def test_a_dicom_file_without_a_preamble_is_one(run, source):
    path = film(source / "a", "1.2.1")
    path.write_bytes(without_meta(path.read_bytes()))
    _, out = run()
    assert len(load(out)) == 1


def test_of_several_files_of_one_name_one_counts(source):
    png(source / "s/a.jpg"), png(source / "s/a.png"), film(source / "s/a.dcm", "1.2.1")
    found = files.index(source, without=source / "out")
    (image,) = found.sources
    assert (image.path.name, image.name, image.stem, image.folder) == ("a.dcm", "s/a", "a", "s")
    assert [second.path.name for second in found.second] == ["a.png", "a.jpg"]


def test_it_is_known_which_values_were_found():
    named = files.NamedValues({"x/1": "one", "2": "two"}, "t.csv")
    film, other = (Film.of(Path("/img", name), name) for name in ("x/1", "3"))
    named.match([film, other])
    assert named.find(film.file) == "one" and named.find(other.file) is None
    assert named.unused() == ["2"]
    named.check([film, other])


def test_a_table_that_fits_no_file_says_which_part_differs():
    named = files.NamedValues({"p2/1": "one", "2": "two"}, "t.csv")
    films = [Film.of(Path("/img/p1/1.png"), "p1/1")]
    named.match(films)
    with pytest.raises(InputError) as told:
        named.check(films)
    none = "t.csv: none of the names in it (2) is that of an image (1 are here): "
    assert str(told.value).startswith(f"{none}'p2/1' and the file /img/p1/1.png differ in the folder; expected file")


def test_names_that_differ_only_by_their_ending_are_refused(source):
    table = source / "t.csv"
    table.write_text("image,who\na.png,A\nb.v2,B\nc,\n")
    assert files.read_column(table, "who") == {"a": "A", "b.v2": "B", "c": ""}
    table.write_text("image,who\na.png,A\na.dcm,B\n")
    with pytest.raises(InputError, match=r"row 3, column image: 'a\.dcm' is there already, at row 2"):
        files.read_column(table, "who")


def test_texts_that_are_not_read_have_a_reason(source):
    for name, content in {
        "a.txt": b"Clear.\n Normal.", "b.txt": b"\xe9t\xe9", "c.txt": b" ", "d.txt": b"x" * MAX_REPORT_CHARACTERS,
        "e.txt": b"x" * (MAX_REPORT_CHARACTERS + 1), "f.txt": b"x" * (files.MAX_TEXT_BYTES + 1), "g.dcm.txt": b"x",
        "g.TXT": b"y", "g.txt": b"z",
    }.items():  # fmt: skip
        (source / name).write_bytes(content)
    texts, refused = files.read_texts(files.text_files(source), source, "texts")
    assert {name: text[:14] for name, text in texts.values.items()} == {
        "a": "Clear. Normal.", "b": "", "c": "", "d": "x" * 14, "e": "", "f": "", "g": "y", "g.dcm": "x"
    }  # fmt: skip
    assert refused == {"b": files.BAD_TEXT, "e": files.TOO_LONG, "f": files.BAD_TEXT, "g": files.SECOND_TEXT}
