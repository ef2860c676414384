"""Uploaded images: files that are none, broken, or made to do harm, and what is kept of a good one."""

import os

import numpy as np
import pytest
from pydicom import uid

from tests.data.dicom import dicom_files
from tests.server import fakes
from tienet.data import image
from tienet.errors import InputError
from tienet.server import images

PNG = fakes.png(fakes.xray(300, 200))
JPEG_START = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"


def refused(client, content: bytes, name: str = "chest.png") -> str:
    answer = fakes.post(client, content, name)
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
    content = fakes.dicom(tmp_path, BurnedInAnnotation="YES", PatientOrientation=["R", "F"])
    answer = fakes.post(client, content, "a.dcm").json()
    assert (answer["height"], answer["width"]) == (40, 30) and answer["picture"].startswith("data:image/jpeg")
    assert len(answer["notes"]) == 2 and "burned into" in answer["notes"][0] and "mirrored" in answer["notes"][1]
    assert fakes.post(client, fakes.dicom(tmp_path, ViewPosition="LL")).json()["notes"] == [
        "The file says that this is a lateral view; the networks know frontal ones."
    ]


def test_a_dicom_file_without_a_preamble_is_read(client, tmp_path):
    whole = fakes.dicom(tmp_path)
    assert fakes.post(client, dicom_files.without_meta(whole), "a").json() == fakes.post(client, whole, "a").json()


def test_dicom_bombs_and_cut_dicom_files_are_refused(client, tmp_path):
    assert "1000000000 pixels" not in refused(client, fakes.dicom(tmp_path, Rows=40_000, Columns=25_000))
    assert "25000 x 40000 pixels; the most" in refused(client, fakes.dicom(tmp_path, Rows=40_000, Columns=25_000))
    whole = fakes.dicom(tmp_path)
    for length in (140, 300, len(whole) - 100):
        refused(client, whole[:length], "cut.dcm")
    frame = dicom_files.with_frame(dicom_files.dataset(), b"\xff\x4f\xff\x51" + bytes(500), uid.JPEG2000Lossless)
    refused(client, dicom_files.save(tmp_path / "j2k.dcm", frame).read_bytes())
    assert fakes.post(client, whole).status_code == 200  # the process that decodes DICOM goes on


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\films\\a.png", "x" * 500, "a\nb\x00.png", "<b>.png", "ü.png"]
)
def test_a_files_name_is_only_shown(client, name):
    answer = fakes.post(client, b"text", name)
    assert answer.status_code == 400
    start = answer.json()["detail"].split(" is no PNG")[0]
    assert len(start) <= 80 and "/" not in start and "\\" not in start and start.isprintable()


@pytest.mark.parametrize("lacks", ["call", "proc"])
def test_a_system_without_files_in_memory_is_told_before_anything_is_loaded(lacks, monkeypatch):
    from tienet import cli
    from tienet.commands import serve

    if lacks == "call":  # macOS, Windows
        monkeypatch.delattr(os, "memfd_create")
    else:  # no /proc
        monkeypatch.setattr(images.os, "getpid", lambda: 0)
    parser = cli.Parser()
    serve.add_arguments(parser)
    with pytest.raises(InputError, match=r"needs Linux with /proc.*tienet report --out") as error:
        serve.run(parser.parse_args(["--load", "runs/any", "--port", "0"]))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="needs Linux"):
        images.ImageDecoder()


def test_what_is_kept_of_a_file_is_what_was_asked_for():
    gray = fakes.xray(300, 200)
    decoder = images.ImageDecoder()
    try:
        decoded = decoder.submit(fakes.png(gray), "chest.png", 64, with_data_uri=True).result(20)
        bare = decoder.submit(fakes.png(gray), "chest.png", None, with_data_uri=False).result(20)
    finally:
        decoder.close()
    np.testing.assert_array_equal(decoded.pixels, image.resize(gray, 64))
    assert (decoded.height, decoded.width) == (300, 200) and decoded.data_uri.startswith("data:image/jpeg;base64,")
    assert bare.pixels is bare.data_uri is None and (bare.height, bare.width) == (300, 200)
