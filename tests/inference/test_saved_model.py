"""The SavedModel's folder: what its signature takes and gives, and that nothing is left of one that failed."""

import pytest

from tienet.inference import saved_model
from tienet.modes import MODES

LABELS = {"probabilities", "thresholds", "labels"}
REPORT = {"word_ids", "word_len", "log_probability", "words", "report"}
GIVEN = {
    "annotate": LABELS | {"g", "a", "a_ws"},
    "annotate-text": LABELS | {"g"},
    "classify": LABELS,
    "caption": REPORT | {"a"},
    "report": LABELS | REPORT | {"g", "a", "a_ws"},
}


def names(lines, start):
    return {line.removeprefix(start).split(":")[0].strip() for line in lines if line.startswith(start)}


@pytest.mark.parametrize("mode", MODES)
def test_the_signature_takes_and_gives_what_the_mode_has(runs, tmp_path, mode):
    lines = saved_model.export(runs[mode], tmp_path / "model")
    report = {"word_ids", "word_len"} if mode.startswith("annotate") else set()
    assert names(lines, "takes") == report | ({"image"} if MODES[mode].image else set())
    assert names(lines, "gives") == GIVEN[mode]
    assert (tmp_path / "model" / "saved_model.pb").is_file()


def test_a_model_that_cannot_be_written_leaves_nothing(runs, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(saved_model.tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        saved_model.export(runs["annotate-text"], tmp_path / "model")
    assert not list(tmp_path.iterdir())
