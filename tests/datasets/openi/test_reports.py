"""OpenI's XML: what is read of a report, and what is refused by name."""

import io
import lzma
import random
import tarfile
import time
from pathlib import Path

import pytest

from tienet.datasets.openi.reports import MAX_DEPTH, MAX_XML_BYTES, Report, read_reports
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


def archive_of(*headers: bytes) -> bytes:
    """A tar archive of these headers, each with its content, and then of report 1."""
    file, content = io.BytesIO(), REPORT.format(uid=1).encode()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("1.xml")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return b"".join(headers) + file.getvalue()


def header(kind: bytes = b"0", size: int = 0, content: bytes = b"", name: str = "2.xml") -> bytes:
    """A header of a tar archive with any size, and its content."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" + size.to_bytes(11, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    block[156:157], block[148:156] = kind, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % 512)


def pax(record: bytes) -> bytes:
    line = b"%d " % (len(record) + 3) + record
    return header(b"x", len(line), line)


DAMAGED = {
    "a size below 0": archive_of(header(size=-512)),
    "a size of pax below 0": archive_of(pax(b"size=-5\n")),
    "a name as long as memory": archive_of(header(b"L", 2**62)),
    "headers in one another": archive_of(*[header(b"L", 2, b"a\0")] * 2000),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_an_archive_with_numbers_that_cannot_be_is_one_line(tmp_path, what):
    path = tmp_path / "x.tar"
    path.write_bytes(DAMAGED[what])
    with pytest.raises(InputError) as told:
        read_reports(path)
    assert str(told.value) == f"--reports {path}: not a whole tar archive, or a damaged one; get it again"


def test_an_archive_of_xz_that_is_damaged_in_its_middle(tmp_path):
    noise = random.Random(0).randbytes(100_000).hex().encode()
    packed = bytearray(lzma.compress(archive_of(header(b"0", len(noise), noise, "noise")), preset=0))
    packed[len(packed) // 2 : len(packed) // 2 + 1000] = b"\xff" * 1000
    (tmp_path / "x.tar.xz").write_bytes(packed)
    with pytest.raises(InputError, match="not a whole tar archive, or a damaged one"):
        read_reports(tmp_path / "x.tar.xz")


def test_a_member_s_name_is_one_line_of_utf_8(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("two\nlines\udcf6.xml"))
    with pytest.raises(InputError) as told:
        read_reports(tmp_path / "x.tar")
    expected = rf"{tmp_path}/x.tar, two lines\xf6.xml: not XML (line 1, column 1); get the file again"
    assert str(told.value) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<a>\n<b></a>", "not XML (line 2, column 6); get the file again"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "get the file again"),
        (b'<?xml version="1.0" encoding="utf-32"?><a/>', "get the file again"),
        (REPORT.format(uid="1&#10;").encode(), "no <uId"),
    ],
)
def test_what_is_wrong_with_xml_is_said_in_words_of_ours(folder, content, said):
    (folder / "9.xml").write_bytes(content)
    if said == "no <uId":  # the white space around an id does not count
        said = "report CXR1 is there already in another file, "
    with pytest.raises(InputError) as told:
        read_reports(folder)
    message = str(told.value)
    assert message.startswith(f"{folder}/") and said in message and "\n" not in message
    assert not any(word in message for word in ("encoding:", "codec", "multi-byte", "tag"))


@pytest.mark.parametrize("tag", ["a", 'AbstractText Label="FINDINGS"'])
def test_elements_that_lie_too_deep_in_one_another(folder, tag):
    for depth, said in ((MAX_DEPTH - 1, None), (200_000, "elements in one another more than 100 deep")):
        text = f"<eCitation><uId id='7'/>{f'<{tag}>' * depth}x{f'</{tag.split()[0]}>' * depth}</eCitation>"
        (folder / "7.xml").write_text(text)
        if said is None:
            assert read_reports(folder)["7"].text == ("" if tag == "a" else "findings : " + " ".join("x" * depth))
            continue
        began = time.process_time()
        with pytest.raises(InputError, match=said):
            read_reports(folder)
        assert time.process_time() - began < 2
