"""The SavedModel's folder: what its signature takes and gives, and that nothing is left of one that failed."""

from pathlib import Path

import pytest

from tienet.errors import InputError
from tienet.folders import locks
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


def test_a_model_that_another_process_makes_or_has_made_is_left_alone(runs, tmp_path):
    out = tmp_path / "model"
    with (
        locks.hold(tmp_path / ".model.lock", out),
        pytest.raises(
            InputError, match=r"--out .*model: process \d+ has been writing it since .* choose another --out"
        ),
    ):
        saved_model.export(runs["annotate-text"], out)
    out.mkdir()
    with pytest.raises(InputError, match="is there already"):
        saved_model.export(runs["annotate-text"], out)
    assert [path.name for path in tmp_path.rglob("*")] == ["model"]


def test_a_folder_where_nothing_can_be_made_is_told_before_the_network_is_built(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "Predictor", None)
    for out in ("/proc/tienet-model", "/proc/self/tienet-model"):
        with pytest.raises(InputError, match=rf"--out {out}: cannot be written to \(No such file or directory\)"):
            saved_model.export(runs["annotate-text"], Path(out))


def test_a_temporary_folder_that_cannot_be_made_is_an_error_of_the_file_system(tmp_path, monkeypatch):
    mkdir = Path.mkdir

    def fail(path, *args, **kwargs):
        if path.suffix == ".tmp":
            raise PermissionError(13, "Permission denied", str(path))
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", fail)
    monkeypatch.setattr(saved_model, "Predictor", None)
    with pytest.raises(PermissionError):
        saved_model.export("run", tmp_path / "model")
