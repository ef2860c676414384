"""Uploads: the limits of size, time and memory, and nothing on the disk."""

import os
import sys

import httpx
import pytest

from tests.server import fakes
from tienet.server import uploads

PNG = fakes.png(fakes.xray(300, 200))


def test_too_large_uploads_are_refused_with_and_without_a_length(address):
    content = PNG + bytes(uploads.MAX_UPLOAD_BYTES + (1 << 20))
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


def test_the_limit_is_that_of_the_file_and_not_of_the_form_around_it(client, monkeypatch):
    for most, status in ((len(PNG), 200), (len(PNG) - 1, 413)):
        monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", most)
        assert fakes.post(client, PNG).status_code == status


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
    answer = fakes.post(client, PNG)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    monkeypatch.undo()
    assert fakes.post(client, PNG).status_code == 200  # what was counted for the other is free again


_written: list[str] | None = None


def _note(event: str, args: tuple) -> None:
    if event != "open" or _written is None or isinstance(args[0], int) or args[0] == os.devnull:
        return  # a process that reads DICOM is started without input and output, if none has been before
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
    large = fakes.png(fakes.xray(2000, 1500))
    assert len(large) > 2 << 20
    film = fakes.dicom(tmp_path)
    written.clear()
    for content in (large, film, b"text" * 500_000, fakes.png_bomb(100_000, 100_000)):
        fakes.post(client, content)
    client.post("/api/annotate", files={"image": ("a.png", large)}, data={"report": "x " * 40_000})
    assert written == []


def test_this_would_see_a_spooled_upload(client, written, monkeypatch):
    monkeypatch.setattr(uploads._MemoryParser, "spool_max_size", 1000)
    fakes.post(client, PNG)
    assert written
