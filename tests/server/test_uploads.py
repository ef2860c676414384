"""Uploads: files that are none, broken, or made to do harm; limits; and nothing on the disk."""

import os
import sys

import httpx
import pytest
from pydicom import uid

from tests.data.dicom import dicom_files
from tests.server import fakes
from tienet.server import uploads

PNG = fakes.png(fakes.picture(300, 200))
JPEG_START = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"


def dicom(tmp_path, **elements) -> bytes:
    return dicom_files.save(tmp_path / "chest.dcm", dicom_files.dataset(**elements)).read_bytes()


def post(client, content: bytes, name: str = "chest.png"):
    return client.post("/api/report?maps=false&picture=true", files={"image": (name, content)})


def refused(client, content: bytes, name: str = "chest.png") -> str:
    answer = post(client, content, name)
    detail = answer.json()["detail"]
    assert answer.status_code == 400 and "\n" not in detail and "/proc" not in detail and len(detail) < 400
    return detail


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "chest.png is empty"),
        (b"this is a text file, renamed", "chest.png is no PNG, JPEG or DICOM file"),
        (PNG[:200], "chest.png: truncated PNG"),
        (PNG[:8], "chest.png: truncated PNG"),
        (PNG[:-20], "truncated PNG"),
        (PNG[:90] + b"\xff" + PNG[91:], "corrupted PNG"),
        (JPEG_START, "truncated JPEG"),
        (b"GIF89a" + bytes(100), "no PNG, JPEG or DICOM"),
        (fakes.png_bomb(100_000, 100_000), "100000 x 100000 pixels; the most that is read is 100,000,000"),
        (fakes.png_bomb(10_000, 10_000, 16, 6), "decoded it has 800,000,000 bytes; the most"),
        (fakes.png_bomb(0, 5), "0 x 5 pixels"),
        (fakes.png_bomb(9_000, 9_000), "cannot be decoded"),  # 81 million pixels that are not there
        (bytes(128) + b"DICM", "chest.png: "),
        (bytes(128) + b"DICM" + bytes(1000), "chest.png: "),
    ],
)
def test_what_gives_no_picture_is_refused_in_one_line(client, content, said):
    assert said in refused(client, content)


def test_a_dicom_file_is_read_and_its_notes_are_passed_on(client, tmp_path):
    answer = post(client, dicom(tmp_path, BurnedInAnnotation="YES", PatientOrientation=["R", "F"]), "a.dcm").json()
    assert (answer["height"], answer["width"]) == (40, 30) and answer["picture"].startswith("data:image/jpeg")
    assert len(answer["notes"]) == 2 and "burned into" in answer["notes"][0] and "mirrored" in answer["notes"][1]
    assert post(client, dicom(tmp_path, ViewPosition="LL")).json()["notes"] == [
        "The file says that this is a lateral view; the networks know frontal ones."
    ]


def test_dicom_bombs_and_cut_dicom_files_are_refused(client, tmp_path):
    assert "1000000000 pixels" not in refused(client, dicom(tmp_path, Rows=40_000, Columns=25_000))
    assert "25000 x 40000 pixels; the most" in refused(client, dicom(tmp_path, Rows=40_000, Columns=25_000))
    whole = dicom(tmp_path)
    for length in (140, 300, len(whole) - 100):
        refused(client, whole[:length], "cut.dcm")
    frame = dicom_files.with_frame(dicom_files.dataset(), b"\xff\x4f\xff\x51" + bytes(500), uid.JPEG2000Lossless)
    refused(client, dicom_files.save(tmp_path / "j2k.dcm", frame).read_bytes())
    assert post(client, whole).status_code == 200  # the reader goes on


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\films\\a.png", "x" * 500, "a\nb\x00.png", "<b>.png", "ü.png"]
)
def test_a_files_name_is_only_shown(client, name):
    answer = post(client, b"text", name)
    assert answer.status_code == 400
    start = answer.json()["detail"].split(" is no PNG")[0]
    assert len(start) <= 80 and "/" not in start and "\\" not in start and start.isprintable()


def test_too_large_uploads_are_refused_with_and_without_a_length(address):
    content = PNG + bytes(uploads.MAX_UPLOAD_BYTES)
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    sent = 0

    def chunks():
        nonlocal sent
        yield start
        for _ in range(70):
            sent += 1
            yield bytes(1 << 20)

    for how in ({"files": {"image": ("a.png", content)}}, {"content": chunks()}):
        headers = {"Content-Type": "multipart/form-data; boundary=x"} if "content" in how else {}
        answer = httpx.post(f"{address}/api/report", headers=headers, timeout=30, **how)
        assert answer.status_code == 413 and "more than 64 MB" in answer.json()["detail"]
    assert sent == 70


def test_a_slow_upload_is_given_up(address, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UPLOAD_SECONDS", 0.3)
    with httpx.Client(timeout=5) as client:

        def chunks():
            import time

            yield b"--x\r\n"
            time.sleep(1)

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post(f"{address}/api/report", content=chunks(), headers=headers)
    assert answer.status_code == 408


def test_uploads_share_a_bound_of_memory(client, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_BYTES_AT_ONCE", 10_000)
    answer = post(client, PNG)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    monkeypatch.undo()
    assert post(client, PNG).status_code == 200  # what was counted for the other is free again


_written: list[str] | None = None


def _note(event: str, args: tuple) -> None:
    if event != "open" or _written is None or isinstance(args[0], int):
        return
    if args[2] is not None and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _written.append(str(args[0]))


sys.addaudithook(_note)  # it cannot be taken away, only be quiet


@pytest.fixture
def written():
    """The files that are opened for writing."""
    global _written
    _written = []
    yield _written
    _written = None


def test_nothing_is_written_to_disk(client, written, tmp_path):
    large = fakes.png(fakes.picture(2000, 1500))
    assert len(large) > 2 << 20
    film = dicom(tmp_path)
    written.clear()
    for content in (large, film, b"text" * 500_000, fakes.png_bomb(100_000, 100_000)):
        post(client, content)
    client.post("/api/annotate", files={"image": ("a.png", large)}, data={"report": "x " * 40_000})
    assert written == []


def test_this_would_see_a_spooled_upload(client, written, monkeypatch):
    monkeypatch.setattr(uploads._MemoryParser, "spool_max_size", 1000)
    post(client, PNG)
    assert written
