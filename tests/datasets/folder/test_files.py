"""The files of a user's folder: which are images, which are texts, and the names that they have."""

import pytest

from tests.data.dicom.dicom_files import without_meta
from tests.datasets.folder.toy_folder import film, load, png
from tienet.datasets.folder import files
from tienet.errors import InputError


def test_a_folder_of_texts(run, source, tmp_path):
    png(source / "a/1.png"), png(source / "b/1.png"), png(source / "2.png")
    for name in ("a/1", "b/1", "2"):
        path = tmp_path / "texts" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Report {name}.")
    _, out = run(reports=tmp_path / "texts")
    assert sorted(load(out).reports) == ["Report 2.", "Report a/1.", "Report b/1."]


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
    named = files.NamedValues({"x/1": "one", "2": "two"}, {"1": "x/1"})
    assert named.find(["", "gone", "1", "2"]) == "one" and named.find(["gone"]) is None
    assert named.unused() == ["2"]


def test_names_that_differ_only_by_their_ending_are_refused(source):
    assert files.by_plain_name({"a.png": 1, "b.v2": 2}, source) == {"a": 1, "b.v2": 2}
    with pytest.raises(InputError, match="two rows for 'a'"):
        files.by_plain_name({"a.png": 1, "a.dcm": 2}, source)
