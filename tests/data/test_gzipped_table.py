"""Tables as data sets publish them: which files are refused, and in which words."""

import gzip
from pathlib import Path

import pytest

from tienet.data import gzipped_table
from tienet.data.gzipped_table import read_table
from tienet.errors import InputError


def refused(read, path: Path) -> str:
    with pytest.raises(InputError) as raised:
        read(path)
    message = str(raised.value)
    assert str(path) in message and "\n" not in message
    return message


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv.gz", b"", "is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("a.csv.gz", b"Image Index\n1.png\n", "not gzip"),
        ("a.csv.gz", gzip.compress(b"Image Index\n1.png\n" * 99, mtime=0)[:-12], "not a whole gzip file"),
        ("a.csv.gz", gzip.compress(b"Image Index\n1.png\n", mtime=0)[:-8] + bytes(8), "not a whole gzip file"),
        ("a.csv", b"\x1f\x8bno gzip", "not a whole gzip file"),
        ("a.csv.gz", gzip.compress(bytes(3000), mtime=0), "NUL byte"),
        ("a.csv", b"Image Index\n\xff\n", "not UTF-8 text"),
    ],
)
def test_files_that_are_not_whole(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    assert said in refused(read_table, path)


def test_a_gzip_file_that_grows_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(gzipped_table, "MAX_BYTES", 1000)
    path = write(tmp_path / "a.csv.gz", "image\n" + "1.png\n" * 1000)
    assert "more than 1,000 bytes when unpacked" in refused(read_table, path)


def test_problems_found_later_name_the_users_file(tmp_path):
    path = write(tmp_path / "a.csv.gz", "image\n1.png\n")
    table = read_table(path)
    table.problem(0, "image", "is odd")
    assert refused(lambda _: table.raise_problems(), path) == f"{path}, row 2, column image: is odd"
