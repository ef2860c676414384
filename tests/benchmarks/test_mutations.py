"""Broken files of all kinds give a sane result or one line; and a reader that does not is found."""

import faulthandler
import random
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import mutations
from benchmarks.measuring import peak_memory
from benchmarks.mutated_bytes import mutate
from benchmarks.mutated_texts import OF_JSON
from benchmarks.mutation_kinds import Seed, demand
from benchmarks.mutations import KINDS, Finding, Limits, counts_of, read_kind, read_step, table, write_findings
from tienet.errors import InputError

FILES = 500
ROOM = 1 << 30  # bytes that broken files may take beside what these tests have taken before


@pytest.fixture(autouse=True)
def alarms_as_before() -> Iterator[None]:
    """Each file has an alarm of its own; afterwards a stray one shows where it comes from again."""
    yield
    faulthandler.unregister(signal.SIGALRM)
    faulthandler.register(signal.SIGALRM)


@pytest.mark.parametrize("kind", KINDS)
def test_broken_files(reader, kind):
    count = counts_of(FILES, KINDS)[kind]
    row = read_kind(kind, KINDS[kind][0], range(count), 0, reader, Limits(memory_bytes=peak_memory() + ROOM))
    assert [(found.number, found.name, found.ways, found.what) for found in row.findings] == []
    assert row.files == count == row.read + row.refused
    assert row.refused > 0.1 * count and len(row.messages) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_not_broken_are_read(reader, tmp_path, kind):
    for seed in KINDS[kind][0](tmp_path, reader):
        path = tmp_path / seed.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seed.content)
        for step in seed.steps:
            assert read_step(step, path, seed.problems, Limits()) == (None, None), seed.name


def test_there_are_dicom_files_of_six_syntaxes_with_sequences_nested_300_deep(reader, tmp_path):
    names = [seed.name for seed in KINDS["dicom"][0](tmp_path, reader)]
    plain = [name for name in names if f"{name.removesuffix('.dcm')}-nested.dcm" in names]
    assert len(plain) >= 6 and 2 * len(plain) == len(names)


# ---- the harness finds faults ----


def raising(error: Exception):
    def step(path: Path) -> None:
        raise error

    return step


def in_a_chain(path: Path) -> None:
    try:
        float("no number")
    except ValueError as error:
        raise InputError(f"{path}: broken ({error})") from None


def warned(path: Path) -> None:
    warnings.warn("overflow encountered in cast", RuntimeWarning, stacklevel=1)


FAULTS = {
    "ZeroDivisionError": lambda path: 1 / 0,
    "RecursionError": raising(RecursionError()),
    "took more than 0.2 s: test_mutations.py": lambda path: time.sleep(5),
    "insane: a number that is not finite": lambda path: demand(np.isfinite(np.nan), "a number that is not finite"),
    "a message of 2 lines": raising(InputError("x.csv\nis broken")),
    "an empty message": raising(InputError("")),
    "a line of 9,000 characters": raising(FileNotFoundError("x" * 9000)),
    "control characters": raising(FileNotFoundError("\x1b[2J is no name")),
    "words of Python": raising(InputError("x.csv: KeyError: 'a'")),
    "the text of ValueError": in_a_chain,
    "a warning: overflow": warned,
    "printed: Traceback": lambda path: print("Traceback (most recent call last)", file=sys.stderr),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_reader_with_a_fault_is_found(what, tmp_path):
    _, found = read_step(FAULTS[what], tmp_path / "x.csv", False, Limits(seconds=0.2))
    assert what in found


def test_a_sane_result_and_a_line_that_helps_are_none(tmp_path):
    assert read_step(lambda path: 1, tmp_path / "x", False, Limits()) == (None, None)
    message = f"{tmp_path / 'x.csv'}, row 2: not CSV; save it again"
    assert read_step(raising(InputError(message)), tmp_path / "x", False, Limits()) == (message, None)
    problems = "x.csv: 2 problems\nrow 2, column a: is empty\nrow 3, column a: is empty"
    assert read_step(raising(InputError(problems)), tmp_path / "x", True, Limits()) == (problems, None)
    assert "lines" in read_step(raising(InputError(problems)), tmp_path / "x", False, Limits())[1]


def of_one_seed(step):
    return lambda folder, reader: [Seed("a.json", b'{"a": 1}', (step,), OF_JSON)]


def test_a_file_that_is_left_behind_and_memory_that_is_too_much_are_found():
    left = read_kind("json", of_one_seed(lambda path: (path.parent / "b").touch()), range(2), 0, None, Limits())
    assert [found.what for found in left.findings] == ["left behind: b"]
    large = read_kind("json", of_one_seed(lambda path: None), [7], 0, None, Limits(memory_bytes=1 << 20))
    assert large.findings[0].what.endswith("bytes of memory")


def test_a_finding_is_repeated_by_its_number_and_its_file_is_kept(tmp_path):
    def read(path: Path) -> None:
        demand(path.stat().st_size % 2, f"{path.stat().st_size} bytes")

    many = read_kind("json", of_one_seed(read), range(30), 5, None, Limits())
    again = read_kind("json", of_one_seed(read), [many.findings[-1].number], 5, None, Limits())
    assert again.findings == many.findings[-1:]
    write_findings(tmp_path, again.findings, 5)
    name = f"json-{again.findings[0].number}-a.json"
    assert (tmp_path / name).read_bytes() == again.findings[0].content
    assert f"--only json --at {again.findings[0].number} --seed 5" in (tmp_path / "findings.txt").read_text()
    assert f"| json | 30 | {many.read} | 0 |" in table([many]) and f"{len(many.findings)} findings" in table([many])


def test_a_file_is_always_changed_and_always_in_the_same_way():
    for n in range(200):
        content, ways = mutate(b'{"a": [1, 2.5, "x"]}', OF_JSON, random.Random(n))
        assert content != b'{"a": [1, 2.5, "x"]}' and ways
        assert mutate(b'{"a": [1, 2.5, "x"]}', OF_JSON, random.Random(n)) == (content, ways)


def test_all_files_are_shared_out():
    assert sum(counts_of(10_000, KINDS).values()) == 10_000 and min(counts_of(10_000, KINDS).values()) > 500
    assert counts_of(7, ["xml"]) == {"xml": 7}


def test_the_command(monkeypatch, capsys, tmp_path):
    found = Finding("xml", 3, "reports/1.xml", "flip_bits", "insane: x", b"<")
    rows = [mutations.Row("xml", 4, 1, 3)]
    monkeypatch.setattr(mutations, "run", lambda args: rows)
    monkeypatch.setattr(sys, "argv", ["mutations", "--only", "xml", "--out", str(tmp_path)])
    assert mutations.main() == 0 and not list(tmp_path.iterdir())
    rows[0].findings.append(found)
    assert mutations.main() == 1 and (tmp_path / "xml-3-reports_1.xml").read_bytes() == b"<"
    assert "findings.txt" in capsys.readouterr().out
