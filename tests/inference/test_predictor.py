"""The network of a checkpoint: it gives what training saw, from cached features or images, or says why it cannot."""

import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf

from tests.small_run import state_of
from tienet.checkpoint.run_folder import open_run
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.text import IMPRESSION
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.inference.predictor import padded_batch, predict_all
from tienet.modeling import outputs
from tienet.modeling.decoding import Decoding
from tienet.modes import MODES
from tienet.predict import Predictor
from tienet.training.choice import Choice, describe_writing

tf1 = tf.compat.v1


@pytest.mark.parametrize("mode", MODES)
def test_what_is_loaded_is_what_was_trained(runs, data_root, mode):
    """The score that training saw on validation comes out again from the checkpoint, and the predictions twice."""
    manifest = manifests.load("phantom", data_root)
    val = manifest.split("val")
    with Predictor(runs[mode] / "checkpoints" / state_of(runs[mode], "best")["checkpoint"]) as network:
        studies = network.studies(val)
        predictions, again = network.predict(studies), network.predict(studies)
    assert predictions.reports == again.reports
    auc = writing = None
    if MODES[mode].writes:
        words = np.array([len(report.split()) for report in predictions.reports])
        writing = describe_writing(val.reports, predictions.reports, words, network.config.written_words)
    if MODES[mode].classifies:
        np.testing.assert_array_equal(predictions.probabilities, again.probabilities)
        auc = evaluate_auc(predictions.probabilities, val.labels, val.patient_ids, resamples=0)["avg"]
    else:
        assert predictions.probabilities is None
    score = Choice(manifest.split("train"), val).score(auc, writing)
    assert score == pytest.approx(state_of(runs[mode], "best")["best_score"], abs=1e-9)


@pytest.mark.parametrize("mode", ["annotate", "classify"])
def test_features_off_gives_the_same_scores(runs, data_root, mode):
    """From images, in the network's own graph: float32 instead of the cache's float16."""
    part = manifests.load("phantom", data_root).split("val").take(np.arange(4))
    scores = []
    for features in ("cache", "off"):
        with Predictor(runs[mode], features) as network:
            scores.append(network.probabilities(network.studies(part)))
    np.testing.assert_allclose(*scores, atol=2e-3)


def test_a_mode_without_a_classifier_has_no_probabilities(runs, data_root):
    with Predictor(runs["caption"]) as network, pytest.raises(InputError, match="no classifier"):
        network.probabilities(network.studies(manifests.load("phantom", data_root).split("val")))


@pytest.mark.parametrize("name", ["seed[1]", "best * run?", "Röntgen 'a' \"b\"", "x" * 250], ids=ascii)
def test_a_run_is_loaded_whatever_its_path(runs, data_root, tmp_path, name):
    part = manifests.load("phantom", data_root).split("val").take(np.arange(2))
    scores = []
    for run in (runs["annotate-text"], shutil.copytree(runs["annotate-text"], tmp_path / name)):
        with Predictor(run) as network:
            scores.append(network.probabilities(network.studies(part)))
    np.testing.assert_array_equal(*scores)


def test_a_run_without_its_feature_statistics_is_refused(runs, tmp_path):
    shutil.copytree(runs["classify"], tmp_path / "run")
    (tmp_path / "run" / "feature_norm.npy").unlink()
    with pytest.raises(InputError, match="put it back"):
        Predictor(tmp_path / "run")


def test_a_vocabulary_of_another_run_is_refused(runs, tmp_path):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    words = (tmp_path / "run" / "vocab.txt").read_text().splitlines()
    (tmp_path / "run" / "vocab.txt").write_text("\n".join([*words[:-1], "aardvark"]) + "\n")
    with pytest.raises(InputError, match="vocabulary"):
        Predictor(tmp_path / "run")


def test_a_checkpoint_of_another_mode_is_refused_with_what_is_missing(runs, tmp_path):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    config = Config.load(tmp_path / "run" / "config.json").replace(mode="annotate")
    config.save(tmp_path / "run" / "config.json")
    with pytest.raises(InputError, match="does not fit this network"):
        Predictor(tmp_path / "run")


def test_a_findings_penalty_is_refused_where_no_report_has_the_heading(runs):
    run = open_run(runs["caption"])
    del run.vocab.ids[IMPRESSION]
    with pytest.raises(InputError, match=r"findings_penalty is 4.0, but no report .* has the heading 'impression'"):
        Predictor(run, decoding=Decoding(findings_penalty=4.0))


def test_a_damaged_or_missing_checkpoint_is_refused(runs, tmp_path):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").glob("best-*"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="checkpoint"):
        Predictor(tmp_path / "run")
    with pytest.raises(InputError, match="not the folder of a run"):
        Predictor(tmp_path)
    with pytest.raises(InputError, match="no checkpoint there"):
        Predictor(tmp_path / "nothing")


def test_rows_come_in_the_order_of_the_studies(runs, data_root):
    """Batches are made by length; whatever the batch, a study's row is its own."""
    part = manifests.load("phantom", data_root).split("val").take(np.arange(5))
    with Predictor(runs["annotate-text"]) as network:
        rows = network.fetch(network.studies(part), [outputs.LOGITS, outputs.G])
        for n in range(5):
            (alone,) = network.fetch(network.studies(part.take([n])), [outputs.LOGITS])[outputs.LOGITS]
            np.testing.assert_allclose(rows[outputs.LOGITS][n], alone, atol=1e-5)


def test_the_frozen_graph_gives_the_same_without_a_variable(runs, data_root):
    part = manifests.load("phantom", data_root).split("val").take(np.arange(3))
    with Predictor(runs["annotate-text"]) as network:
        batch = network.studies(part).batch(np.arange(3))
        expected = network.run_batch([outputs.LOGITS], batch)[outputs.LOGITS]
        frozen = network.freeze([outputs.LOGITS])
        names = list(network.inputs)
    assert names == ["word_ids", "word_len", "labels"]
    assert not [node.name for node in frozen.node if node.op in ("VarHandleOp", "VariableV2")]
    with tf.Graph().as_default(), tf1.Session() as session:
        feed = {f"{name}:0": array for name, array in zip(names[:2], batch, strict=False)}
        tf1.import_graph_def(frozen, name="")
        np.testing.assert_array_equal(session.run(f"{outputs.LOGITS}:0", feed), expected)


def test_the_next_batches_are_read_while_one_is_computed():
    """The network waits in its first call until the second batch was read; read afterwards, it would wait for ever."""
    lengths, second = np.array([3, 1, 2, 5, 4]), threading.Event()

    class Studies:
        def __init__(self):
            self.lengths, self.read = lengths, []

        def __len__(self):
            return len(lengths)

        def batch(self, indices):
            self.read.append(indices.tolist())
            if len(self.read) == 2:
                second.set()
            return [lengths[indices]]

    studies, calls = Studies(), []

    def predict(arrays):
        assert second.wait(60)
        calls.append(len(studies.read))
        return {"double": 2 * arrays[0]}

    rows = predict_all(studies, 2, predict)
    assert rows["double"] == [6, 2, 4, 10, 8]  # in the order of the studies
    assert studies.read == [[1, 2], [0, 4], [3, 3]] and len(calls) == 3


def test_a_network_asks_for_the_features_that_it_was_trained_on(runs):
    with Predictor(runs["classify"]) as network:
        assert network.feature_key.dtype == "float16"
        network.config = network.config.replace(feature_dtype="int8", backbone_dtype="bfloat16")
        assert (network.feature_key.dtype, network.feature_key.backbone_dtype) == ("int8", "bfloat16")


@pytest.mark.parametrize(
    ("batch", "studies", "expected"),
    [(16, 8, 16), (256, 1, 256), (257, 1, 256), (60_000, 8, 256), (60_000, 300, 300), (512, 2_000, 512)],
)
def test_only_a_large_batch_is_not_filled_up(batch, studies, expected):
    assert padded_batch(batch, studies) == expected
