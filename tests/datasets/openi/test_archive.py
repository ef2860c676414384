"""NLM's archives: read as a whole before they are used, and unpacked once, into one folder and nowhere else."""

import contextlib
import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.datasets.openi.nlm import pack
from tienet.datasets.openi import archive
from tienet.errors import InputError

FILES = {f"{n}_IM-1-1.png": bytes([n]) * (100 + n) for n in range(5)}


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "NLMCXR_png.tgz"
    path.write_bytes(content)
    return path


def unpacked(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_whole_archive(tmp_path):
    path = write(tmp_path, pack({f"./NLMCXR_png/{name}": content for name, content in FILES.items()}))
    archive.check(path, ".png")
    archive.unpack_images(path, "a", tmp_path / "images")
    assert unpacked(tmp_path / "images") == FILES and archive.is_unpacked(tmp_path / "images", "a")
    with pytest.raises(InputError, match=r"no \.xml file in it"):
        archive.check(path, ".xml")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_archive_that_was_cut_off_or_changed_anywhere_is_refused(tmp_path, data):
    whole = pack(FILES)
    at = data.draw(st.integers(10, len(whole) - 1))  # the first ten bytes are a header with a time and a system
    if data.draw(st.booleans()):
        content = whole[:at]
    else:
        content = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with contextlib.suppress(OSError, EOFError, zlib.error):
        assume(gzip.decompress(content) != gzip.decompress(whole))  # bits that fill the last byte mean nothing
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=r"not a whole \.tgz archive, or a damaged one; get it again$"):
        archive.check(path, ".png")


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"\x1f\x8b"])
def test_what_is_no_archive(tmp_path, content):
    with pytest.raises(InputError, match=r"NLMCXR_png\.tgz: n"):
        archive.check(write(tmp_path, content), ".png")


def test_nothing_is_written_outside_of_the_folder(tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("../../1.png", "/etc/2.png", "a/../../3.png"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        for name, kind in (("4.png", tarfile.SYMTYPE), ("5.png", tarfile.LNKTYPE), ("6.png", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "../../secret"
            tar.addfile(member)
    folder = tmp_path / "a" / "images"
    archive.unpack_images(write(tmp_path, packed.getvalue()), "a", folder)
    assert unpacked(folder) == dict.fromkeys(("1.png", "2.png", "3.png"), b"x")
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["1.png", "2.png", "3.png"]


def test_two_files_of_one_name(tmp_path):
    path = write(tmp_path, pack({"a/1.png": b"x", "b/1.png": b"y"}))
    with pytest.raises(InputError, match=r"1\.png is there twice"):
        archive.unpack_images(path, "a", tmp_path / "images")


def test_after_a_stop_only_what_is_missing_is_written(tmp_path, monkeypatch):
    path, folder = write(tmp_path, pack(FILES)), tmp_path / "images"
    written = []
    copy = archive.shutil.copyfileobj

    def stopping(source: io.IOBase, target: io.IOBase) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(target.name)
        copy(source, target)

    monkeypatch.setattr(archive.shutil, "copyfileobj", stopping)
    with pytest.raises(KeyboardInterrupt):
        archive.unpack_images(path, "a", folder)
    assert len(unpacked(folder)) == 3 and not archive.is_unpacked(folder, "a")
    (folder / "0_IM-1-1.png").write_bytes(b"cut")  # shorter than it should be
    (folder / ".1_IM-1-1.png.77.abcd.tmp").write_bytes(b"left by a kill")
    monkeypatch.setattr(archive.shutil, "copyfileobj", copy)
    before = (folder / "1_IM-1-1.png").stat().st_mtime_ns
    archive.unpack_images(path, "a", folder)
    assert unpacked(folder) == FILES and (folder / "1_IM-1-1.png").stat().st_mtime_ns == before
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == [".unpacked.json"]


def test_the_images_of_another_archive_are_replaced(tmp_path):
    folder = tmp_path / "images"
    archive.unpack_images(write(tmp_path, pack(FILES)), "a", folder)
    other = {name: content[::-1].replace(content[:1], b"z") for name, content in FILES.items()}  # of the same size
    archive.unpack_images(write(tmp_path, pack(other)), "b", folder)
    assert unpacked(folder) == other
