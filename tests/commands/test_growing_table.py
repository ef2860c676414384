"""A table that grows: cut anywhere it has its whole rows, also with line breaks in their cells."""

import csv
import gzip
import io

import pytest

from tienet.commands.growing_table import GrowingTable
from tienet.commands.labels_row import line
from tienet.errors import InputError

HEADER = ["id", "label", "kept, one", 'kept\n"two"']
ROWS = [
    ["a", "1", "plain", ""],
    ["b", "", 'a "quote",\nand\r\nlines\n', "\r"],
    ["c", "0", "\n\n", '"'],
    ["d", "", " 007 ", "NaN"],
    ["e", "1", "ä" * 70_000, '""\n""' * 9],
]


@pytest.fixture(params=["out.csv", "out.csv.gz"])
def begin(request, tmp_path):
    return lambda: GrowingTable(tmp_path / request.param, HEADER, 2, request.param.endswith(".gz"))


def fill(table: GrowingTable) -> None:
    """Add the rows that are missing, two at a time."""
    have = list(table.rows())
    assert have == ROWS[: len(have)]
    for start in range(len(have), len(ROWS), 2):
        table.append("".join(line([], row) for row in ROWS[start : start + 2]))
    table.close()


def test_rows_come_back_as_they_were(begin):
    fill(begin())
    table = begin()
    assert not table.is_new and list(table.rows()) == ROWS
    table.close()
    data = table.path.read_bytes()
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    assert list(csv.reader(io.StringIO(data.decode(), newline=""))) == [HEADER, *ROWS]


def test_cut_anywhere_it_becomes_the_same_again(begin):
    fill(begin())
    path = begin().path
    whole = path.read_bytes()
    for size in [*range(0, 300, 3), *range(300, len(whole), 4999), len(whole) - 1]:
        path.write_bytes(whole[:size])
        table = begin()
        have = len(list(table.rows()))
        fill(table)
        if path.suffix != ".gz" or have % 2 == 0:  # the members of two rows
            assert path.read_bytes() == whole, size


@pytest.mark.parametrize(
    ("old", "new"), [(b"\nb,", b'\nb",'), (b"\na,1", b'\na,"1'), (b"\nd,", b"\nd,d,"), (b"a,1", b"\xff,1")]
)
def test_a_file_that_was_changed_is_refused_and_left_alone(tmp_path, old, new):
    path = tmp_path / "out.csv"
    fill(GrowingTable(path, HEADER, 2))
    assert old in path.read_bytes()
    path.write_bytes(changed := path.read_bytes().replace(old, new))
    with pytest.raises(InputError, match=r"out\.csv, row \d+: not what was written there; choose another --out"):
        fill(GrowingTable(path, HEADER, 2))
    assert path.read_bytes() == changed


def test_another_file_is_refused_and_left_alone(begin):
    path = begin().path
    packed = path.suffix == ".gz"
    for content in (b"my own notes", b"id,label\n1,2\n"):
        path.write_bytes(gzip.compress(content) if packed else content)
        before = path.read_bytes()
        with pytest.raises(InputError, match="has another header"):
            begin()
        assert path.read_bytes() == before
    path.write_bytes(b"my own notes")
    with pytest.raises(InputError, match="not what was written there" if packed else "has another header"):
        begin()
