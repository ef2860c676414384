"""Images and features that come to the GPU during the step before: each step still has its own batch."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import training
from benchmarks.gpu_plan import SMALL
from tienet.config import preset
from tienet.training import placement

tf1 = tf.compat.v1
UPDATES = 3


def weights_after_updates(studies, towers: int) -> list[np.ndarray]:
    with training.updates(studies, towers) as trainer:
        for _ in range(UPDATES):
            trainer.run_step()
        return trainer.sess.run(tf1.trainable_variables())


@pytest.mark.parametrize("towers", [1, 2])
def test_training_is_the_same_with_the_batch_of_a_step_there_before_it(monkeypatch, tmp_path, towers):
    config = preset("openi", "classify").replace(**SMALL["train/annotate"]["settings"])
    studies = training.studies_with_features(tmp_path, config, 8)  # two batches, so that one comes again
    different = np.random.default_rng(0).random(studies.features.shape, np.float32).astype(np.float16)
    (studies.features.folder / "features.f16").write_bytes(different.tobytes())
    found = []
    for staged in (False, True):
        monkeypatch.setattr(placement, "stages_inputs", lambda staged=staged: staged)
        found.append(weights_after_updates(studies, towers))
    for plain, ahead in zip(*found, strict=True):
        np.testing.assert_array_equal(ahead, plain)


def test_what_is_large_waits_where_it_is_needed_and_the_rest_on_the_processor():
    with tf.Graph().as_default(), tf.device("/device:GPU:1"):
        features, words = tf1.placeholder(tf.float16, [None, 2]), tf1.placeholder(tf.int32, [None])
        _, (first, second) = placement.staged([features, words], "place")
        assert (first.device, second.device) == ("/device:GPU:1", "/device:CPU:0")
        assert first.shape.as_list() == [None, 2] and second.dtype == tf.int32
