"""The vocabulary of a run: which folder it comes from, and that it was built from the training reports."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.small_run import config_of
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.data.text import SPECIALS
from tienet.data.vocabulary import read_vocab, scaled
from tienet.errors import InputError
from tienet.training import train as training

CONFIG = config_of("annotate-text")


@pytest.fixture
def root(data_root, tmp_path) -> Path:
    """A data root with a copy of the phantom data set."""
    shutil.copytree(data_root / "phantom", tmp_path / "data" / "phantom", ignore=shutil.ignore_patterns("features"))
    return tmp_path / "data"


@pytest.fixture
def phantom(root) -> Manifest:
    return manifests.load("phantom", root)


@pytest.fixture
def other_reports(root) -> Manifest:
    """The phantom data set with one training report changed after its vocabulary was made."""
    path = root / "phantom" / "manifest.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace(" : ", " : changed ", 1)
    path.write_text("".join(lines))
    return manifests.load("phantom", root)


def test_the_vocabulary_beside_the_manifest(phantom, capsys):
    vocab, vectors = read_vocab(phantom, CONFIG, None)
    folder = phantom.path.parent / "vocab"
    assert vocab.words == (folder / "vocab.txt").read_text().split() and capsys.readouterr().err == ""
    assert vectors.shape == (len(vocab), 12) and vectors.dtype == np.float32
    saved = np.load(folder / "embeddings.npy")
    np.testing.assert_array_equal(vectors, saved)


def test_word_vectors_are_scaled_over_all_words():
    vectors = np.random.default_rng(0).normal(0, 3, (40, 6)).astype(np.float32)
    found = scaled(vectors, 0.25)
    assert found[len(SPECIALS) :].std() == pytest.approx(0.25)
    np.testing.assert_allclose(found * (vectors[5, 0] / found[5, 0]), vectors, rtol=1e-4)
    assert scaled(vectors, None) is vectors
    none = np.zeros((len(SPECIALS), 1), np.float32)
    np.testing.assert_array_equal(scaled(none, 0.25), none)  # a mode that reads no report


def test_a_mode_that_reads_no_report_needs_none(phantom):
    shutil.rmtree(phantom.path.parent / "vocab")
    vocab, vectors = read_vocab(phantom, config_of("classify"), None)
    assert tuple(vocab.words) == SPECIALS and vectors.shape == (len(SPECIALS), 1)


def test_files_that_do_not_fit(phantom):
    folder = phantom.path.parent / "vocab"
    np.save(folder / "embeddings.npy", np.zeros((7, 12), np.float32))
    with pytest.raises(InputError, match=r"embeddings.npy has shape \(7, 12\), but vocab.txt has \d+ words"):
        read_vocab(phantom, CONFIG, None)
    (folder / "embeddings.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"embeddings.npy: not a NumPy array"):
        read_vocab(phantom, CONFIG, None)


def test_a_vocabulary_of_other_reports_is_refused(other_reports, root, tmp_path):
    message = r"was built from other reports .*'bash data_prep/build_vocab.sh --data"
    with pytest.raises(InputError, match=message):
        read_vocab(other_reports, CONFIG, None)
    with pytest.raises(InputError, match=message):
        training.train(CONFIG, training.Places(root, tmp_path / "run", backbone_weights="random"), [])


def test_a_vocabulary_that_was_named_is_only_told_of(other_reports, root, tmp_path, capsys):
    vocab, _ = read_vocab(other_reports, CONFIG, other_reports.path.parent / "vocab")
    assert len(vocab) > len(SPECIALS) and "built from other reports" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"elsewhere/vocab.txt: no vocabulary there"):
        training.train(CONFIG, training.Places(root, tmp_path / "run", tmp_path / "elsewhere", "random"), [])


def test_a_vocabulary_without_its_origin_is_told_of(other_reports, capsys):
    (other_reports.path.parent / "vocab" / "stats.json").unlink()
    read_vocab(other_reports, CONFIG, None)
    assert "does not say what it was built from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"), [("[1]", None), ("[" * 100_000, "not a JSON file"), ("", "not a JSON")]
)
def test_a_broken_note_on_its_origin_is_one_line(phantom, capsys, content, message):
    (phantom.path.parent / "vocab" / "stats.json").write_text(content)
    if message is None:
        read_vocab(phantom, CONFIG, None)
        assert "does not say what it was built from" in capsys.readouterr().err
        return
    with pytest.raises(InputError, match=message):
        read_vocab(phantom, CONFIG, None)
