"""`tienet vocabulary`, which build_vocab.sh runs: the vocabulary's folder from a manifest, and what can be wrong."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.command_line import tienet
from tests.conftest import ROOT
from tienet.data import manifest as manifests
from tienet.data.text import SPECIALS, Vocab
from tienet.labels import LABELS

REPORTS = {
    "train": ["findings : heart normal . impression : normal .", "findings : clear lungs .", "findings : clear heart"],
    "val": ["findings : heart enlarged"],
    "test": ["findings : clear", ""],
}


@pytest.fixture
def data_root(tmp_path) -> Path:
    """A data root with the data set `tiny`."""
    return make(tmp_path / "data", REPORTS)


def make(data_root: Path, reports: dict[str, list[str]]) -> Path:
    rows = []
    for split, texts in reports.items():
        for i, text in enumerate(texts):
            image = "" if text else "image.png"
            label = dict.fromkeys(LABELS, 0.0) | {LABELS[0]: float(i == 0)}
            rows.append(
                dict(study_id=f"{split}{i}", patient_id=f"{split}{i}", image=image, report=text, split=split, **label)
            )
    (data_root / "tiny").mkdir(parents=True, exist_ok=True)
    (data_root / "tiny" / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(32))
    manifests.write(data_root / "tiny" / "manifest.csv", pd.DataFrame(rows))
    return data_root


@pytest.fixture
def build(data_root):
    """Runs the command on `tiny` and returns stats.json."""

    def run(*flags: object) -> dict:
        assert tienet("vocabulary", "--data", "tiny", "--data-root", data_root, "--dim", 6, *flags) == 0
        return json.loads((data_root / "tiny" / "vocab" / "stats.json").read_text())

    return run


@pytest.fixture
def refused(data_root, capsys):
    """Runs the command on `tiny` with what it must refuse, and returns the one line under its bars."""

    def run(*flags: object) -> str:
        capsys.readouterr()
        assert tienet("vocabulary", "--data", "tiny", "--data-root", data_root, "--dim", 6, *flags) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error.splitlines()[-1]

    return run


def test_the_folder_holds_words_of_the_training_reports_only(build, data_root):
    stats = build()
    vocab = Vocab.load(data_root / "tiny" / "vocab" / "vocab.txt")
    assert vocab.words == [*SPECIALS, ":", ".", "findings", "clear", "heart", "normal"]
    matrix = np.load(data_root / "tiny" / "vocab" / "embeddings.npy")
    assert matrix.shape == (len(vocab), 6)
    assert matrix.dtype == np.float32
    assert not matrix[0].any()
    assert matrix[1:].any(axis=1).all()
    assert stats["vocab_fingerprint"] == vocab.fingerprint()
    assert stats["manifest_fingerprint"] == manifests.load("tiny", data_root).fingerprint()
    assert not [path for path in (data_root / "tiny" / "vocab").iterdir() if path.name.startswith(".")]


def test_the_figures_are_right(build):
    stats = build()
    assert stats["reports"] == {"train": 3, "val": 1, "test": 1}
    assert stats["vocabulary"] == 10
    # "lungs" and "impression" of 18 words in training, "enlarged" of 4 in val, none of 3 in test
    assert stats["oov_rate"] == {"train": pytest.approx(2 / 18, abs=1e-6), "val": 0.25, "test": 0.0}
    # reports of 4, 5 and 9 words
    assert stats["report_words"] == {"p50": 5.0, "p90": pytest.approx(8.2), "p99": pytest.approx(8.92), "max": 9}
    assert stats["coverage_of_vocabulary"] == 1.0
    assert stats["coverage_of_running_words"] == pytest.approx(16 / 18, abs=1e-6)
    assert (stats["dim"], stats["min_count"], stats["seed"]) == (6, 2, 0)


def test_vectors_from_a_file_and_the_rest_drawn(build, refused, data_root, tmp_path):
    values = np.array([[1, 2, 3], [1.5, 2.5, 2]], np.float32)
    np.savez(tmp_path / "v.npz", words=np.array(["heart", "clear"]), vectors=values)
    assert "have 3 numbers, and --dim says 6" in refused("--vectors", tmp_path / "v.npz")
    stats = build("--vectors", tmp_path / "v.npz", "--dim", 3)
    vocab = Vocab.load(data_root / "tiny" / "vocab" / "vocab.txt")
    matrix = np.load(data_root / "tiny" / "vocab" / "embeddings.npy")
    np.testing.assert_array_equal(matrix[[vocab.ids["heart"], vocab.ids["clear"]]], values)
    assert stats["coverage_of_vocabulary"] == pytest.approx(2 / 6, abs=1e-6)
    assert stats["coverage_of_running_words"] == pytest.approx(4 / 18, abs=1e-6)
    assert stats["vectors"]["method"] == "file"
    assert len(stats["vectors"]["sha256"]) == 64


def test_the_files_dimension_is_taken_where_none_is_given(data_root, tmp_path):
    np.savez(tmp_path / "v.npz", words=np.array(["heart", "clear"]), vectors=np.eye(2, 7, dtype=np.float32))
    assert tienet("vocabulary", "--data", "tiny", "--data-root", data_root, "--vectors", tmp_path / "v.npz") == 0
    assert np.load(data_root / "tiny" / "vocab" / "embeddings.npy").shape[1] == 7


def test_a_corpus_is_told_and_without_one_a_line_says_so(build, tmp_path, capsys):
    build()
    assert "word2vec learns from the 3 training reports alone" in capsys.readouterr().out
    corpus = tmp_path / "pubmed.txt.gz"
    corpus.write_bytes(gzip.compress(b"heart and lungs\n" * 30))
    stats = build("--corpus", corpus, "--corpus", corpus)
    assert [c["file"] for c in stats["vectors"]["corpora"]] == [str(corpus)] * 2
    assert stats["vectors"]["corpora"][0]["words"] == 90
    out = capsys.readouterr().out
    assert "alone" not in out
    assert "pubmed.txt.gz (30 lines, 90 words)" in out


def test_a_failed_run_leaves_the_old_folder(build, refused, data_root):
    build()
    folder = data_root / "tiny" / "vocab"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "no word is left with min_count 99" in refused("--min-count", 99)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def shell(*flags: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    command = ["bash", str(ROOT / "data_prep" / "build_vocab.sh"), *map(str, flags)]
    environment = {**os.environ, "PYTHON": sys.executable, **environment}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_from_any_folder_and_in_any_process_the_same(data_root, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    outputs = []
    for cwd, flags, seed in ((data_root.parent, (), "1"), (elsewhere, ("--data-root", data_root), "2")):
        done = shell("--data", "tiny", "--dim", 5, *flags, cwd=cwd, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        folder = data_root / "tiny" / "vocab"
        outputs.append([(folder / name).read_bytes() for name in ("vocab.txt", "embeddings.npy", "stats.json")])
    assert outputs[0] == outputs[1]


def test_the_wrapper_picks_the_python(tmp_path):
    """$PYTHON, else the active environment's, else the checkout's .venv, else python3; arguments kept whole."""
    checkout = tmp_path / "check out"
    (checkout / "data_prep").mkdir(parents=True)
    script = checkout / "data_prep" / "build_vocab.sh"
    script.write_bytes((ROOT / "data_prep" / "build_vocab.sh").read_bytes())
    pythons = {}
    for name in ("mine", "active/bin/python", "check out/.venv/bin/python", "path/python3"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/bash\nprintf "%s|" "{name}" "$@"\n')
        path.chmod(0o755)
        pythons[name] = str(path)

    def picked(**environment: str) -> list[str]:
        environment = {"PATH": f"{tmp_path}/path:/usr/bin:/bin", **environment}
        done = subprocess.run(
            ["bash", script, "--data", "a b"], env=environment, capture_output=True, text=True, check=True, cwd="/"
        )
        return done.stdout.split("|")[:-1]

    arguments = [str(checkout / "data_prep" / "build_vocab.py"), "--data", "a b"]
    active = str(tmp_path / "active")
    assert picked(PYTHON=pythons["mine"], VIRTUAL_ENV=active) == ["mine", *arguments]
    assert picked(VIRTUAL_ENV=active) == ["active/bin/python", *arguments]
    assert picked() == ["check out/.venv/bin/python", *arguments]
    Path(pythons["check out/.venv/bin/python"]).unlink()
    assert picked() == ["path/python3", *arguments]


def test_bad_input_is_one_line_and_status_2_from_the_shell(data_root):
    done = shell("--data", "tiny", "--data-root", data_root, "--min-count", 99)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no word is left with min_count 99" in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--corpus", "gone.txt"], "gone.txt: there is no such file"),
        (["--corpus", "."], ".: there is no such file"),
        (["--vectors", "gone.bin"], "gone.bin: there is no such file"),
        (["--dim", "0"], "--dim 0: it must be 1 or more"),
        (["--min-count", "0"], "--min-count 0: it must be 1 or more"),
        (["--epochs", "0"], "--epochs 0: it must be 1 or more"),
        (["--seed", "-1"], "--seed -1: it must be 0 or more"),
        (["--seed", "4294967296"], "--seed 4294967296: it must be less than 2^32"),
        (["--corpus", __file__, "--vectors", __file__], "--corpus and --vectors: choose one"),
    ],
)
def test_bad_flags(flags, message, capsys):
    assert tienet("vocabulary", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("name", "flag", "message"),
    [
        ("cut.txt.gz", "--corpus", "damaged"),
        ("v.bin", "--vectors", "no word vectors could be read"),
        ("v.pdf", "--vectors", ".npz, .bin"),
    ],
)
def test_bad_files(name, flag, message, refused, tmp_path):
    (tmp_path / name).write_bytes(gzip.compress(os.urandom(4000).hex().encode())[:-1000])
    assert message in refused(flag, tmp_path / name)


def test_a_data_set_without_reports(refused, data_root):
    make(data_root, {"train": ["", ""], "test": ["heart"]})
    assert "no training study has a report" in refused()


def test_a_missing_data_set_names_those_that_are_there(refused):
    assert "tiny" in refused("--data", "chestxray14")
