"""tienet export --format onnx: onnxruntime gives the network's probabilities, or nothing is kept."""

import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from tests.needs import need
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.calibration import save as save_calibration
from tienet.checkpoint.run_folder import load_run, locate
from tienet.commands.main import dispatch
from tienet.config import Config
from tienet.data.dataflow import pad
from tienet.data.image import read_gray, resize
from tienet.data.text import START
from tienet.errors import InputError
from tienet.inference import onnx_model
from tienet.labels import LABELS, K
from tienet.modes import MODES
from tienet.predict import Annotator, Reporter

MISSING = [name for name in onnx_model.PACKAGES if find_spec(name) is None]


@pytest.fixture
def onnxruntime():
    """The package."""
    need(not MISSING, f"{', '.join(MISSING)}: pip install -e '.[onnx]'")
    import onnxruntime

    return onnxruntime


def export(load, out, *flags) -> int:
    return dispatch(["export", "--load", str(load), "--out", str(out), "--format", "onnx", *flags])


@pytest.fixture
def calibrated(runs, tmp_path):
    """Makes a copy of the run of a mode whose temperatures differ from label to label."""

    def copy(mode):
        run = tmp_path / f"run-{mode}"
        shutil.copytree(runs[mode], run)
        unknown = np.full((2, K), np.nan, np.float32)
        calibration = Calibration(
            np.linspace(0.5, 3, K, dtype=np.float32), np.full(K, 0.3, np.float32), "f1", *unknown, {}, {}, 9, {}, {}
        )
        save_calibration(locate(run)[1], calibration)
        return run

    return copy


def test_reports_of_any_length_have_the_networks_probabilities(calibrated, phantom, tmp_path, onnxruntime, capsys):
    run, out = calibrated("annotate-text"), tmp_path / "model"
    capsys.readouterr()
    assert export(run, out) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-4:] == [
        "takes  word_ids: int32 [?, ?]",
        "takes  word_len: int32 [?]",
        "gives  probabilities: float32 [?, 15]",
        str(out),
    ]
    session = onnxruntime.InferenceSession(str(out / "model.onnx"))
    vocab, reports = load_run(run).vocab, ["", *(" ".join(phantom.reports[n % 8].split()[: n + 1]) for n in range(19))]
    ids = [np.array([START, *vocab.encode(report)[:-1][:30]], np.int32) for report in reports]
    lengths = np.array([len(one) for one in ids], np.int32)
    assert len(set(lengths)) > 10
    with Annotator.load(run) as annotator:
        expected = np.stack([found.probabilities for found in annotator.annotate(reports)])
    (together,) = session.run(None, {"word_ids": pad(ids), "word_len": lengths})
    np.testing.assert_allclose(together, expected, atol=1e-5)
    for n in (0, 5):  # alone, without padding
        (alone,) = session.run(None, {"word_ids": ids[n][None], "word_len": lengths[n : n + 1]})
        np.testing.assert_allclose(alone, expected[n : n + 1], atol=1e-5)
    facts = json.loads((out / "tienet.json").read_text())
    assert facts["labels"] == list(LABELS) and facts["thresholds"] == [0.3] * K and facts["calibrated"]
    in_model = session.get_modelmeta().custom_metadata_map
    assert {name: json.loads(value) for name, value in in_model.items()} == facts
    assert (out / "vocab.txt").read_text() == (run / "vocab.txt").read_text()


def test_images_have_the_networks_probabilities(calibrated, phantom, tmp_path, onnxruntime):
    run, out = calibrated("classify"), tmp_path / "model"
    assert export(run, out) == 0
    session = onnxruntime.InferenceSession(str(out / "model.onnx"))
    images = [resize(read_gray(path), 256) for path in phantom.images[:4]]
    with Reporter.load(run) as reporter:
        expected = np.stack([found.probabilities for found in reporter.report(images)])
    for rows in (slice(0, 4), slice(2, 3)):
        (found,) = session.run(None, {"image": np.stack(images[rows])})
        np.testing.assert_allclose(found, expected[rows], atol=1e-5)
    assert {path.name for path in out.iterdir()} == {"model.onnx", "tienet.json"}


@pytest.mark.parametrize("mode", sorted(set(MODES) - set(onnx_model.MODES)))
def test_other_modes_say_why_they_cannot(mode):
    with pytest.raises(InputError, match=f"a run of mode {mode} cannot be exported to ONNX, which has no operator"):
        onnx_model.check_mode(Config().replace(mode=mode))


def test_what_is_missing_is_named(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model, "find_spec", lambda name: None if name == "tf2onnx" else name)
    with pytest.raises(InputError, match=r"--format onnx needs tf2onnx; pip install -e '\.\[onnx\]'"):
        export(runs["annotate-text"], tmp_path / "model")
    monkeypatch.undo()
    monkeypatch.setattr(onnx_model, "check_installed", lambda: None)
    with pytest.raises(InputError, match="--gpu 0: --format onnx converts the network as a CPU has it"):
        export(runs["annotate-text"], tmp_path / "model", "--gpu", "0")


def test_a_model_with_other_probabilities_is_not_kept(runs, tmp_path, monkeypatch, onnxruntime):
    lstm_weights = onnx_model._lstm_weights

    def in_tensorflows_order(frozen):
        weights = lstm_weights(frozen)
        i, o, f, g = np.split(weights["R"], 4, axis=1)
        return weights | {"R": np.concatenate([i, f, o, g], axis=1)}

    monkeypatch.setattr(onnx_model, "_lstm_weights", in_tensorflows_order)
    with pytest.raises(
        InputError, match=r"annotate-text: not exported: the ONNX model gives .* differ by .* than 1e-05"
    ):
        onnx_model.export(runs["annotate-text"], tmp_path / "model")
    assert not list(tmp_path.iterdir())
