"""The table of labels: whole lines, in order, never of two runs."""

import csv
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tienet import files
from tienet.commands.labels_file import LabelsFile
from tienet.commands.labels_row import HEADER
from tienet.commands.study_input import Fault, StudyInput
from tienet.errors import InputError
from tienet.labels import LABELS, K

IDENTITY = {"checkpoint": "abc", "thresholds_or_temperatures": [None, None], "input": {}}
LABEL_CELLS = np.array([1, 0, np.nan] * 5, np.float32)
STUDIES = [
    StudyInput(n + 2, f"s{n}", fault=Fault("no report", "it is empty") if n in (1, 4) else None) for n in range(7)
]


def work(path: Path, studies: list[StudyInput] = STUDIES, identity: dict = IDENTITY) -> int:
    """Write what is missing; returns how many rows that were."""
    done = 0
    with LabelsFile(path, identity, path) as out:
        missing = [study for study in studies if not out.has(study)]
        for study in missing:
            if study.fault:
                out.pass_over(study)
            else:
                probabilities = np.full(K, study.row / 100, np.float32)
                out.write(study, probabilities, LABEL_CELLS, None, 1.25, ["The image is odd."])
                done += 1
        out.finish()
        assert sum(out.reasons.values()) == sum(study.fault is not None for study in studies)
        assert out.written == sum(study.fault is None for study in studies)
    return done


def test_the_table(tmp_path):
    assert work(tmp_path / "out.csv") == 5
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == HEADER and len(set(HEADER)) == 1 + 2 * K + 4 == 35
    assert HEADER[1] == "Atelectasis_probability" and HEADER[16:31] == LABELS
    assert rows[1] == ["s0", *["0.02"] * K, *["1", "0", ""] * 5, ";".join(LABELS[::3]), "", "1.25", "The image is odd."]
    assert rows[2] == ["s1", *[""] * (2 * K + 1), "no report", "", ""]
    assert [row[0] for row in rows[1:]] == [f"s{n}" for n in range(7)]
    errors = (tmp_path / "out.csv.errors.csv").read_text().splitlines()
    assert errors == ["row,study_id,reason,message", "3,s1,no report,it is empty", "6,s4,no report,it is empty"]


def test_probabilities_come_back_bit_for_bit(tmp_path):
    """At six decimals 3e-7 would be 0, and a user's own threshold would name other studies than the label cell does."""
    probabilities = np.exp(-20 * np.random.default_rng(0).random(K)).astype(np.float32)
    with LabelsFile(tmp_path / "out.csv", IDENTITY, tmp_path / "in.csv") as out:
        out.write(StudyInput(1, "a"), probabilities, np.zeros(K, np.float32))
        out.flush()
    cells = (tmp_path / "out.csv").read_text().splitlines()[1].split(",")[1 : K + 1]
    np.testing.assert_array_equal(np.array(cells, np.float32), probabilities)


def test_cut_anywhere_it_becomes_the_same_again(tmp_path):
    path = tmp_path / "out.csv"
    work(path)
    whole, errors = path.read_bytes(), path.with_name("out.csv.errors.csv").read_bytes()
    for size in [*range(0, len(whole), 37), len(whole) - 1, len(whole)]:
        path.write_bytes(whole[:size])
        work(path)
        assert path.read_bytes() == whole, size
        assert path.with_name("out.csv.errors.csv").read_bytes() == errors
    for size in range(len(errors)):
        path.with_name("out.csv.errors.csv").write_bytes(errors[:size])
        assert work(path) == 0
        assert path.with_name("out.csv.errors.csv").read_bytes() == errors, size
    assert path.read_bytes() == whole
    assert work(path) == 0


def test_no_errors_no_file(tmp_path):
    work(tmp_path / "out.csv", [study for study in STUDIES if not study.fault])
    assert not (tmp_path / "out.csv.errors.csv").exists()


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({**IDENTITY, "checkpoint": "other"}, "begun with another checkpoint"),
        ({**IDENTITY, "thresholds_or_temperatures": [["0.5"] * 15, None]}, "another thresholds or temperatures"),
        ({**IDENTITY, "input": {"bytes": 3, "sha256": "x"}}, "the input has changed"),
    ],
)
def test_another_run_is_refused(tmp_path, identity, message):
    work(tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()
    with pytest.raises(InputError, match=message):
        work(tmp_path / "out.csv", identity=identity)
    assert (tmp_path / "out.csv").read_bytes() == before


def test_other_files_and_other_studies_are_refused_and_left_alone(tmp_path):
    foreign = tmp_path / "mine.csv"
    foreign.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="did not begin it"):
        work(foreign)
    assert foreign.read_text() == "a,b\n1,2\n"
    path = tmp_path / "out.csv"
    work(path)
    with pytest.raises(InputError, match=r"has 's0' where the input has 's2' \(row 4\)"):
        work(path, STUDIES[2:])
    with pytest.raises(InputError, match=r"has 's5', which the input does not have"):
        work(path, STUDIES[:5])
    path.write_text("study_id,x\n1,2\n")
    with pytest.raises(InputError, match="another header"):
        work(path)
    assert path.read_text() == "study_id,x\n1,2\n"
    path.with_name("out.csv.run.json").write_text("[1]")
    with pytest.raises(InputError, match="not what was written there"):
        work(path)


def test_an_error_before_the_first_row_leaves_nothing_of_a_new_table(tmp_path):
    """Such as a network that cannot be loaded; the next command may name another one."""
    path = tmp_path / "out.csv"
    with pytest.raises(ZeroDivisionError), LabelsFile(path, IDENTITY, tmp_path):
        1 / 0  # noqa: B018
    assert not list(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError), LabelsFile(path, IDENTITY, tmp_path) as out:
        out.write(STUDIES[0], np.full(K, 0.5, np.float32), np.ones(K, np.float32))
        out.flush()
        1 / 0  # noqa: B018
    begun = path.read_bytes()
    with pytest.raises(ZeroDivisionError), LabelsFile(path, IDENTITY, tmp_path):
        1 / 0  # noqa: B018
    assert path.read_bytes() == begun and work(path) == 4


def test_two_at_once_are_refused(tmp_path):
    with (
        LabelsFile(tmp_path / "out.csv", IDENTITY, tmp_path),
        pytest.raises(InputError, match=rf"--out .*: process {os.getpid()} has been writing it since .*; wait"),
    ):
        work(tmp_path / "out.csv")


def test_an_input_that_has_grown_goes_on(tmp_path):
    source = tmp_path / "in.csv"
    from tienet.commands.study_input import sha256_of_start

    identities = []
    for text in ("one\n", "one\ntwo\n", "One\ntwo\n"):
        source.write_text(text)
        identities.append(IDENTITY | {"input": {"bytes": len(text), "sha256": sha256_of_start(source)}})
    source.write_text("one\ntwo\n")
    for identity in identities[:2]:
        with LabelsFile(tmp_path / "out.csv", identity, source):
            pass
    source.write_text("One\ntwo\n")
    with pytest.raises(InputError, match="input has changed"), LabelsFile(tmp_path / "out.csv", identities[2], source):
        pass


def test_a_disk_that_is_full_at_the_start_leaves_nothing_in_the_way(tmp_path, monkeypatch):
    def fail(path, value):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_json", fail)
        with pytest.raises(OSError, match="No space left"):
            work(tmp_path / "out.csv")
        assert not list(tmp_path.iterdir())
    assert work(tmp_path / "out.csv") == 5
    before = (tmp_path / "out.csv").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(files, "write_json", fail)
        with pytest.raises(OSError, match="No space left"):
            work(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == before
    assert work(tmp_path / "out.csv") == 0


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "[]", "{}", '{"input": 3}', '{"input": "abc"}', '{"input": {"bytes": "9", "sha256": "x"}}',
     '{"input": {"bytes": 9}}'],
)  # fmt: skip
def test_a_run_json_that_was_changed_is_refused(tmp_path, content):
    path = tmp_path / "out.csv"
    work(path)
    path.with_name("out.csv.run.json").write_text(content)
    with pytest.raises(InputError, match=r"out\.csv\.run\.json: not what was written there; choose another --out"):
        work(path)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.errors.csv"])
@pytest.mark.parametrize("row", [b"\n", b"s0\n", b"\xff\n", b'"' + b"x" * 200_000 + b"\n"])
def test_a_row_that_was_changed_is_refused(tmp_path, name, row):
    work(tmp_path / "out.csv")
    path = tmp_path / name
    header, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(header + b"\n" + row + rest)
    with pytest.raises(InputError, match=f"{name}, row 2: not what was written there; choose another --out"):
        work(tmp_path / "out.csv")


def test_the_text_of_evidence_stays_as_it_is(tmp_path):
    """A sentence is found by its place in the report, with all of its white space."""
    evidence = [{"label": "Mass", "text": 'a  mass,\n"round"\u2028and\tlarge'}]
    path = tmp_path / "out.csv"
    for rows in (1, 2):  # the second time the first row is read again
        with LabelsFile(path, IDENTITY, path, evidence=True) as out:
            for study in [study for study in STUDIES[2:4][:rows] if not out.has(study)]:
                out.write(study, np.full(K, 0.5, np.float32), np.ones(K, np.float32), evidence)
            (lines,) = out.finish()
        lines = lines.read_text(encoding="utf-8")
        assert [json.loads(line) for line in lines.removesuffix("\n").split("\n")] == [
            {"study_id": study.study_id, "evidence": evidence} for study in STUDIES[2:4][:rows]
        ]
