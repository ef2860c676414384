"""OpenI's XML: what is read of a report, and what is refused by name."""

import io
import tarfile
from pathlib import Path

import pytest

from tienet.datasets.openi.reports import MAX_XML_BYTES, Report, read_reports
from tienet.errors import InputError

REPORT = """<eCitation><uId id=" CXR{uid}"/><AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="FINDINGS">A <b>mass</b>\n is seen.</AbstractText>
<AbstractText Label="IMPRESSION">Mass.</AbstractText>
<MeSH><major>Mass/lung</major><major/></MeSH></eCitation>"""
BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<eCitation><uId id="CXR9"/>&b;</eCitation>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "1.xml").write_text(REPORT.format(uid=1))
    (folder / "notes.txt").write_text("no report")
    return folder


def pack(folder: Path, **how: object) -> Path:
    path = folder.with_suffix(".tgz")
    with tarfile.open(path, "w:gz", **how) as tar:
        tar.add(folder, "r")
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_reads_text_and_majors(folder, packed):
    expected = Report("findings : A mass is seen. impression : Mass.", ("Mass/lung", ""))
    assert read_reports(pack(folder) if packed else folder) == {"1": expected}


@pytest.mark.parametrize("packed", [False, True])
def test_hidden_files_are_skipped(folder, packed):
    (folder / "below" / "._1.xml").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (folder / ".Trash").mkdir()
    (folder / ".Trash" / "9.xml").write_text("no XML")
    assert list(read_reports(pack(folder) if packed else folder)) == ["1"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "declares no entities"),
        ('<!DOCTYPE x SYSTEM "http://example.org/x.dtd"><x>&y;</x>', "9.xml"),
        ("<eCitation><uId", "not XML"),
        ("", "not XML"),
        ("<eCitation/>", "no <uId"),
        ('<eCitation><uId id="CXR"/></eCitation>', "no <uId"),
        (REPORT.format(uid=1), "CXR1 is there already"),
        ("<!--" + "x" * MAX_XML_BYTES + "-->", "10,000,007 bytes"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_bad_xml_is_named(folder, content, said, packed):
    (folder / "notes" / "9.xml").parent.mkdir()
    (folder / "notes" / "9.xml").write_text(content)
    with pytest.raises(InputError) as told:
        read_reports(pack(folder, compresslevel=1) if packed else folder)
    message = str(told.value)
    assert "9.xml" in message and said in message and "\n" not in message


def test_an_archive_that_is_not_whole(tmp_path, folder):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder, "r")
    for content in (packed.getvalue()[:-200], b"no archive", b""):
        (tmp_path / "x.tgz").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.tgz: not a whole tar archive"):
            read_reports(tmp_path / "x.tgz")


def test_no_report_there(tmp_path):
    with pytest.raises(InputError, match=r"no \.xml file in it"):
        read_reports(tmp_path)
    with pytest.raises(FileNotFoundError, match="gone"):
        read_reports(tmp_path / "gone")
