"""tienet annotate on archives: other columns, gzip, Parquet and pipes give the same rows, whatever happened."""

import csv
import gzip
import io
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.command_line import tienet
from tests.commands.predictions import prediction_with
from tests.conftest import ROOT
from tests.needs import need_pyarrow
from tienet.commands import annotate, annotate_job, flags, studies_of_table
from tienet.commands import parquet as parquet_files
from tienet.commands.labels_row import HEADER, NAMED, PASSED_OVER
from tienet.commands.main import dispatch
from tienet.errors import InputError
from tienet.interruption import Interrupted
from tienet.labels import LABELS, K
from tienet.predict import Annotator, Prediction

COLUMNS = ["accession", "study_id", "site, ward", "report", ""]
ROWS = [
    [f"00{n}", f"s{n:03d}", ["NaN", '"a"\nb,\r\nc', "", " x ", "\r"][n % 5], f"report {n}" * (n % 11 != 4), str(n)]
    for n in range(90)
]
KEPT = ["accession", "site, ward", ""]


class Network:
    """In the place of a network: probabilities that depend on the report alone."""

    needs_image, max_words, calibration = False, 30, None
    run = runs = None  # of the annotator, and of what is opened

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None: ...

    def find_fault(self, report: str) -> None: ...

    def count_unknown(self, words: list[str]) -> int:
        return 0

    def annotate(self, reports: list[str], images: None = None) -> list[Prediction]:
        draws = (np.random.default_rng(list(report.encode())).random(K, np.float32) for report in reports)
        return [prediction_with(probabilities=p, thresholds=p, labels=(p > 0.8).astype(np.float32)) for p in draws]


@pytest.fixture(autouse=True)
def network(monkeypatch) -> None:
    fake(monkeypatch)


def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `Network` in the place of every run."""
    network = Network()
    network.run = SimpleNamespace(runs=[])
    network.runs = [SimpleNamespace(config=SimpleNamespace(mode_parts=SimpleNamespace(image=False)))]
    monkeypatch.setattr(Annotator, "open_run", lambda load: network)
    monkeypatch.setattr(Annotator, "load", lambda opened: network)
    monkeypatch.setattr(annotate, "_identity", lambda opened: {"checkpoint": "x"})
    monkeypatch.setattr("tienet.checkpoint.together.image_px_of", lambda runs: 32)
    monkeypatch.setattr(flags, "start_tensorflow", lambda: None)
    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 16)


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "in.csv"
    path.write_bytes(csv_of(ROWS))
    return path


def csv_of(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def run(*words: object) -> int:
    return dispatch(["annotate", "--load", "run", *map(str, words), "--gpu", "cpu"])


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


@pytest.fixture
def expected(archive, tmp_path) -> list[dict[str, str]]:
    assert run(archive, "--out", tmp_path / "expected.csv", "--keep") == 1
    return table((tmp_path / "expected.csv").read_bytes())


def test_columns_are_kept_byte_for_byte_in_the_order_of_the_input(archive, expected):
    assert list(expected[0]) == [*HEADER, *KEPT]
    assert [[row["accession"], row["study_id"], row["site, ward"], row[""]] for row in expected] == [
        [*row[:3], row[4]] for row in ROWS
    ]
    for row, (*_, report, _n) in zip(expected, ROWS, strict=True):
        assert row[PASSED_OVER] == ("" if report else "no report")
        assert row[NAMED].split(";") == [label for label in LABELS if row[label] == "1"] or not row[NAMED]
        assert all((row[column] == "") == (not report) for column in HEADER[1:31])


def test_columns_are_chosen_by_name_and_a_clash_is_one_line(archive, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert run("--keep", '"site, ward",accession', archive, "--out", out) == 1
    assert list(table(out.read_bytes())[0]) == [*HEADER, "accession", "site, ward"]
    assert "kept: accession, site, ward; not read: (no name)" in capsys.readouterr().err
    with pytest.raises(InputError, match="has another header; choose another --out"):
        run(archive, "--out", out, "--keep", "accession")
    assert run("--out", tmp_path / "all.csv", "--keep", archive) == 1  # the last word is no column
    assert list(table((tmp_path / "all.csv").read_bytes())[0]) == [*HEADER, *KEPT]
    capsys.readouterr()
    for words, message in (
        (["--keep", "acession"], "no column acession; the columns are: accession, study_id, site, ward, report, "),
        (["--keep", "accession,,report"], "a name is empty"),
        (["--keep", "study_id"], "column study_id is one that the output has itself; rename it, or name"),
        (["--keep", "evidence"], "column evidence is one that the output has itself"),
        (["--keep", "report,report"], "column report is there twice"),
    ):
        assert tienet("annotate", "--load", "run", archive, "--out", tmp_path / "no.csv", *words) == 2
        said = capsys.readouterr().err
        assert f"--keep{' ' + words[1] if 'empty' in message else ''}: {message}" in said and said.count("\n") == 1
    archive.write_text("study_id,report,Mass\n1,clear,0\n")
    assert tienet("annotate", "--load", "run", archive, "--out", tmp_path / "no.csv", "--keep") == 2
    assert "column Mass is one that the output has itself" in capsys.readouterr().err
    assert not list(tmp_path.glob("no.csv*"))


def rows_of(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".gz":
        return table(gzip.decompress(path.read_bytes()))
    if path.suffix == ".csv":
        return table(path.read_bytes())
    from pyarrow import parquet

    def cell(name: str, value: object) -> str:
        return "" if value is None else str(np.float32(value)) if name.endswith("_probability") else str(value)

    return [{name: cell(name, value) for name, value in row.items()} for row in parquet.read_table(path).to_pylist()]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_every_format_has_the_same_rows_however_often_it_was_stopped(archive, expected, tmp_path, ending, monkeypatch):
    need_pyarrow()
    packed = tmp_path / "packed.data"
    packed.write_bytes(gzip.compress(archive.read_bytes()))
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    assert run(packed, "--out", whole, "--keep") == 1
    assert rows_of(whole) == expected
    annotated, calls = Network.annotate, itertools.count()

    def and_sometimes_a_signal(self, reports, images=None):
        if next(calls) % 3 == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return annotated(self, reports, images)

    with monkeypatch.context() as patched:
        patched.setattr(Network, "annotate", and_sometimes_a_signal)
        stops = 0
        while True:
            try:
                assert run(packed, "--out", out, "--keep") == 1
            except Interrupted:
                stops += 1
            else:
                break
    assert stops == 2 and out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("out*")) == [
        out.name, f"{out.name}.errors.csv", f"{out.name}.run.json"
    ]  # fmt: skip
    packed.write_bytes(packed.read_bytes() + gzip.compress(b"1,more,here,clear,2\r\n"))  # the input has grown
    assert run(packed, "--out", out, "--keep") == 1
    assert rows_of(out)[:-1] == expected and rows_of(out)[-1]["study_id"] == "more"


def test_parquet_keeps_its_types_and_ids_become_text(tmp_path):
    need_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    kept = {
        "n": pa.array([None if n % 7 == 2 else n for n in range(90)], pa.int32()),
        "when": pa.array([n * 10**15 for n in range(90)], pa.timestamp("ns")),
        "codes": pa.array([[n, None] for n in range(90)]),
    }
    reports = pa.array([row[3] or None for row in ROWS]).dictionary_encode()
    source, out = tmp_path / "in.dat", tmp_path / "out.pq"
    parquet.write_table(
        pa.table({"uid": list(range(10**15, 10**15 + 90)), **kept, "report": reports}), source, row_group_size=25
    )
    assert run(source, "--out", out, "--keep") == 1
    found = parquet.read_table(out)
    assert found["study_id"].to_pylist() == [str(10**15 + n) for n in range(90)]
    for name, column in kept.items():
        assert found[name].combine_chunks().equals(column)
    passed = [not row[3] for row in ROWS]
    for name, kind in (("Mass_probability", pa.float32()), ("Mass", pa.int8()), (NAMED, pa.string())):
        assert found.schema.field(name).type == kind
        assert [value is None for value in found[name].to_pylist()] == passed
    assert [value is not None for value in found[PASSED_OVER].to_pylist()] == passed
    assert run(source, "--out", tmp_path / "out.csv", "--keep") == 1
    texts = rows_of(tmp_path / "out.csv")
    assert [texts[2][name] for name in kept] == ["", "1970-01-24 03:33:20.000000000", "[2, null]"]


def test_whole_ids_that_became_floats_are_whole_again(tmp_path):
    need_pyarrow()
    import pyarrow as pa

    numbers = [12345678901.0, 20200101123456.0, -3.0, 0.1, None, float("nan"), 1e300]
    texts = parquet_files.as_text(pa.array(numbers, pa.float64()))
    assert texts == ["12345678901", "20200101123456", "-3", "0.1", "", "nan", "1e+300"]
    assert parquet_files.as_text(pa.array([0.1, 7.0], pa.float32())) == ["0.1", "7"]


def test_parquet_that_is_cut_off_and_parquet_without_pyarrow(tmp_path, capsys, monkeypatch):
    need_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    source = tmp_path / "in.parquet"
    parquet.write_table(pa.table({"study_id": ["a"], "report": ["clear"]}), source)
    whole = source.read_bytes()
    for content, message in (
        (whole[:-9], "the Parquet file is damaged or cut off; get it again"),
        (whole[:20] + b"\xff" * 60 + whole[80:], "the Parquet file is damaged or cut off; get it again"),
    ):
        source.write_bytes(content)
        assert tienet("annotate", "--load", "run", source, "--out", tmp_path / "out.csv") == 2
        assert capsys.readouterr().err == f"tienet annotate: {source}: {message}\n"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for words in ([source, "--out", "out.csv"], [tmp_path, "--out", tmp_path / "out.parquet"]):
        assert tienet("annotate", "--load", "run", *words) == 2
        said = capsys.readouterr().err
        assert said == "tienet annotate: Parquet needs pyarrow, which is not installed; pip install 'tienet[parquet]'\n"


class Pipe:
    """Standard input that gives these bytes in small pieces."""

    def __init__(self, content: bytes, monkeypatch: pytest.MonkeyPatch, then: Callable = lambda pipe: None) -> None:
        reading, writing = os.pipe()
        threading.Thread(target=self._write, args=(writing, content, then)).start()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=os.fdopen(reading, "rb")))

    def _write(self, writing: int, content: bytes, then: Callable) -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            for start in range(0, len(content), 701):
                file.write(content[start : start + 701])
            then(self)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_gives_the_same_rows_and_nothing_else(expected, monkeypatch, capfdbinary, pack):
    monkeypatch.setattr(studies_of_table, "_RECENT", 7)
    Pipe(pack(csv_of([*ROWS, ["x", "s003", "", "again", ""]])), monkeypatch)
    assert run("-", "--out", "-", "--keep") == 1
    said = capfdbinary.readouterr()
    *rows, again = table(said.out)
    assert rows == expected and again[PASSED_OVER] == "study_id that is there already"
    assert b"standard output: 82 studies" in said.err and b"each named in column passed_over: 8 x no report" in said.err
    os.write(1, b"restored")
    assert capfdbinary.readouterr().out == b"restored"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "standard input is empty; expected a CSV file with a header"),
        (b"study_id,report\n", "standard input: there is no row under the header"),
        (b"study_id\n", "standard input, row 1: no column report"),
        (gzip.compress(csv_of(ROWS))[:-30], r"standard input, after row 14\d: the gzip file is cut off or damaged"),
        (csv_of(ROWS) + b'"', "standard input, row 146: not CSV"),
        (b"PAR1....", "standard input: Parquet cannot be read from a pipe; give the file's name"),
    ],
)
def test_what_is_wrong_in_a_pipe_is_one_line_and_the_rows_before_it_are_there(
    content, message, monkeypatch, capfdbinary
):
    Pipe(content, monkeypatch)
    assert tienet("annotate", "--load", "run", "-", "--out", "-") == 2
    said = capfdbinary.readouterr()
    assert re.match(f"tienet annotate: {message}", said.err.decode().splitlines()[-1])
    assert len(table(said.out)) == (0 if len(content) < 100 else len(ROWS) - 3 if content[0] == 31 else len(ROWS))


def test_a_pipe_into_a_file_cannot_be_gone_on_with(archive, tmp_path, monkeypatch, expected):
    out = tmp_path / "out.csv"
    Pipe(csv_of(ROWS), monkeypatch)
    assert run("-", "--out", out, "--keep") == 1
    assert rows_of(out) == expected
    Pipe(csv_of(ROWS), monkeypatch)
    with pytest.raises(InputError, match="is there, and a run cannot go on with a pipe; choose another --out"):
        run("-", "--out", out, "--keep")
    with pytest.raises(InputError, match="the input has changed"):
        run(archive, "--out", out, "--keep")
    assert rows_of(out) == expected
    os.mkfifo(tmp_path / "fifo")
    threading.Thread(target=lambda: (tmp_path / "fifo").write_bytes(csv_of(ROWS))).start()
    assert run(tmp_path / "fifo", "--out", tmp_path / "2.csv", "--keep") == 1
    assert rows_of(tmp_path / "2.csv") == expected


def test_other_things_that_cannot_be(archive, tmp_path, capsys):
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(archive.read_bytes())[:-20])
    for words, message in (
        (
            [archive, "--out", tmp_path / "a.xlsx"],
            ".xlsx is another format; expected .csv, .csv.gz or",
        ),
        ([archive, "--out", tmp_path / "a.parquet.gz"], "a Parquet file is packed in itself; leave .gz out"),
        ([cut, "--out", tmp_path / "a.csv"], "the gzip file is cut off or damaged; get it again"),
        ([tmp_path, "--out", tmp_path / "a.csv", "--keep"], "is a folder, which has no columns; leave it out"),
        (["gone.csv", "--out", "-"], "gone.csv does not exist; expected a CSV or Parquet file, a folder, or -"),
        (["--out", "-", "--keep", "accession"], "the following arguments are required: FILE|FOLDER|-"),
    ):
        assert tienet("annotate", "--load", "run", *words) == 2
        said = capsys.readouterr()
        assert message in said.err and said.err.count("\n") == 1 and said.out == ""
    assert not list(tmp_path.glob("a.*"))


def test_rows_come_before_the_input_ends_and_a_signal_ends_the_wait(monkeypatch, capfdbinary):
    def and_a_signal(pipe: Pipe) -> None:
        while b"s15," not in (said := capfdbinary.readouterr()).out:  # the first window
            before.append(said.err)
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 64)
    monkeypatch.setattr(annotate_job, "FIRST_PIPED_WINDOW", 16)
    before: list[bytes] = []
    rows = [[f"{n}", f"s{n}", "", "clear", ""] for n in range(20)]
    with pytest.raises(Interrupted, match="stopped by SIGTERM") as stopped:
        Pipe(csv_of(rows), monkeypatch, and_a_signal)
        run("-", "--out", "-")
    said = capfdbinary.readouterr()
    assert stopped.value.status == 0 and b"s16" not in said.out
    assert b"standard output: 16 studies, and then it was stopped" in said.err


CHILD = """
import sys
import pytest
from tests.commands.test_annotate_archives import fake
from tienet.commands import main
with pytest.MonkeyPatch.context() as patch:
    fake(patch)
    sys.argv = ["tienet", "annotate", "--load", "run", "-", "--out", "-", "--gpu", "cpu"]
    main.main()
"""


def test_a_reader_that_goes_away_ends_it_quietly():
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        child.stdin.write(csv_of(ROWS[:1]))
        child.stdin.flush()
        assert child.stdout.readline().startswith(b"study_id,")
        child.stdout.close()
        child.stdin.write(csv_of(ROWS)[60:])
        child.stdin.close()
        assert child.wait(60) == 0
        assert child.stderr.read().splitlines()[-1].startswith(b"passed over: row")
