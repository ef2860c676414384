"""tienet export: plain TensorFlow, where this package cannot be imported, gives the checkpoint's numbers."""

import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from tests.command_line import tienet
from tests.conftest import XLA_BY_DEFAULT
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.calibration import save as save_calibration
from tienet.checkpoint.run_folder import load_run, locate
from tienet.commands.main import dispatch
from tienet.data.dataflow import pad
from tienet.data.image import read_gray, resize
from tienet.data.text import START
from tienet.errors import InputError
from tienet.labels import LABELS, K
from tienet.modes import MODES
from tienet.predict import Annotator, Reporter

PLAIN = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tienet", "tensorpack", "cv2"):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Blocker())
try:
    import tienet
except ImportError:
    pass
else:
    raise SystemExit("tienet was found")
import numpy as np
import tensorflow as tf
for folder in sys.argv[1:]:
    given = np.load(folder + "-in.npz")
    signature = tf.saved_model.load(folder).signatures["serving_default"]
    answer = signature(**{name: tf.constant(value) for name, value in given.items()})
    np.savez(folder + "-out.npz", **{name: value.numpy().astype("U") if value.dtype == tf.string else value.numpy()
                                     for name, value in answer.items()})
"""


def run(load, out) -> int:
    return dispatch(["export", "--load", str(load), "--out", str(out)])


@pytest.fixture(scope="module")
def answers(runs, phantom, tmp_path_factory) -> dict[str, tuple[dict, list]]:
    """Mode -> what plain TensorFlow gave for three studies, and the predictions; `report` is calibrated."""
    folder = tmp_path_factory.mktemp("models")
    images, reports = [read_gray(path) for path in phantom.images[:3]], ["", *phantom.reports[1:3]]
    predictions = {}
    for mode in MODES:
        shutil.copytree(runs[mode], folder / f"run-{mode}")
        if mode == "report":
            unknown = np.full((2, K), np.nan, np.float32)
            calibration = Calibration(
                np.linspace(0.5, 3, K, dtype=np.float32), np.full(K, 0.3, np.float32), "f1", *unknown, {}, {}, 9, {}, {}
            )
            save_calibration(locate(folder / "run-report")[1], calibration)
        assert run(folder / f"run-{mode}", folder / mode) == 0
        given = {"image": np.stack([resize(image, 256) for image in images])} if MODES[mode].image else {}
        if mode.startswith("annotate"):
            vocab = load_run(runs[mode]).vocab
            ids = [np.array([START, *vocab.encode(report)[:-1][:30]], np.int32) for report in reports]
            given |= {"word_ids": pad(ids), "word_len": np.array([len(one) for one in ids], np.int32)}
            with Annotator.load(folder / f"run-{mode}") as annotator:
                predictions[mode] = annotator.annotate(reports, images if MODES[mode].image else None, maps=True)
        else:
            with Reporter.load(folder / f"run-{mode}") as reporter:
                predictions[mode] = reporter.report(images, maps=True)
        np.savez(folder / f"{mode}-in.npz", **given)
    shutil.rmtree(folder / "run-report")  # nothing of it is needed
    command = [sys.executable, "-c", PLAIN, *(str(folder / mode) for mode in MODES)]
    environment = {**os.environ, **XLA_BY_DEFAULT}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {mode: (dict(np.load(folder / f"{mode}-out.npz")), predictions[mode]) for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
def test_plain_tensorflow_gives_the_same_numbers(answers, mode):
    found, predictions = answers[mode]
    for n, prediction in enumerate(predictions):
        T = len(prediction.words)
        if MODES[mode].classifies:
            np.testing.assert_allclose(found["probabilities"][n], prediction.probabilities, atol=1e-5)
            np.testing.assert_array_equal(found["thresholds"][n], prediction.thresholds)
            assert found["labels"].tolist() == list(LABELS)
        for name in ("g", "a"):
            assert (name in found) == (getattr(prediction, name) is not None)
            if name in found:
                np.testing.assert_allclose(found[name][n, :T], getattr(prediction, name), atol=1e-5)
        assert ("a_ws" in found) == (prediction.a_ws is not None)
        if "a_ws" in found:
            np.testing.assert_allclose(found["a_ws"][n], prediction.a_ws, atol=1e-5)
        if MODES[mode].writes:
            assert found["report"][n] == prediction.report
            assert found["words"][n, :T].tolist() == prediction.words and not any(found["words"][n, T:])
            assert found["word_len"][n] == T
            assert found["log_probability"][n] == pytest.approx(prediction.log_probability, abs=1e-4)
    assert {"probabilities", "word_ids"} & set(found)


def test_the_files_say_what_a_caller_needs(runs, opened, tmp_path, capsys):
    folder = runs["annotate-text"]
    opened.clear()
    run(folder, tmp_path / "deep" / "model")
    assert opened == [folder]
    said = capsys.readouterr().out
    assert "takes  word_ids: int32 [?, ?]" in said and "gives  probabilities: float32 [?, 15]" in said
    assets = tmp_path / "deep" / "model" / "assets"
    facts = json.loads((assets / "tienet.json").read_text())
    assert facts["labels"] == list(LABELS) and facts["mode"] == "annotate-text" and facts["image_px"] is None
    assert len(facts["thresholds"]) == K and facts["max_words"] == 30 and "not a medical device" in facts["note"]
    assert (assets / "vocab.txt").read_text() == (runs["annotate-text"] / "vocab.txt").read_text()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]  # no temporary folder is left


def test_no_python_and_no_weights_outside_are_left_in_the_graph(runs, tmp_path):
    run(runs["report"], tmp_path / "model")
    model = saved_model_pb2.SavedModel.FromString((tmp_path / "model" / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    assert len(nodes) > 100 and not [node.name for node in nodes if "PyFunc" in node.op]
    assert not [node.name for node in nodes if "_gradient_op_type" in node.attr or node.op.startswith("Resource")]


def test_what_is_there_is_left_alone(runs, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(InputError, match="is there already"):
        run(runs["classify"], tmp_path / "model")
    with pytest.raises(InputError, match=r"no run\.json"):
        run(tmp_path, tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["model"] and not list((tmp_path / "model").iterdir())


def test_a_full_disk_is_one_line_and_leaves_nothing(runs, tmp_path, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        status = tienet("export", "--load", runs["annotate-text"], "--out", tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err
    assert status == 2 and "disk full; free some space" in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", ["x" * 264, "y" * 250, "file/model", "/proc/tienet-model"])
def test_a_folder_that_cannot_be_made_is_one_line(runs, tmp_path, capsys, out):
    (tmp_path / "file").write_text("")
    run = runs["annotate-text"]
    capsys.readouterr()  # what training it has printed, if it was not there yet
    assert tienet("export", "--load", run, "--out", tmp_path / out) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "choose" in said and "Errno" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["[1]", "model?", "*", "a\\b"])
def test_a_path_from_which_tensorflow_loads_no_model_is_refused(runs, tmp_path, name):
    with pytest.raises(InputError, match=r"TensorFlow loads no model from a path with \* \? \[ or"):
        run(runs["classify"], tmp_path / name)
    assert not list(tmp_path.iterdir())
