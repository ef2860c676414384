"""Rows in groups: how many groups, every row once and in its place, and the network's results whatever they are."""

import numpy as np
import pytest
import tensorflow as tf

from tienet import cpu, devices
from tienet.config import Config
from tienet.data.text import END
from tienet.modeling import generate
from tienet.modeling.decoder import Decoder
from tienet.modeling.decoding import ALONE, Decoding
from tienet.modeling.lstm import loop
from tienet.modeling.lstm.groups import in_groups, number_of_groups

tf1 = tf.compat.v1


@pytest.fixture
def machine(monkeypatch):
    """machine(cores, gpu): what the groups are made for."""

    def set_machine(cores, gpu=False):
        monkeypatch.setattr(cpu, "cores", lambda: cores)
        monkeypatch.setattr(devices, "gpu_computes", lambda: gpu)

    return set_machine


@pytest.mark.parametrize(
    ("cores", "B", "max_rows", "expected"),
    [
        (2, 32, 4, 8),
        (2, 33, 4, 10),
        (2, 32, None, 2),
        (2, 1, 4, 1),
        (2, 3, 4, 2),
        (8, 5, 4, 5),
        (1, 9, 4, 3),
        (3, 0, 4, 1),
    ],
)
def test_how_many(evaluate, machine, cores, B, max_rows, expected):
    machine(cores)
    assert evaluate(number_of_groups(tf.constant(B), max_rows)) == expected


@pytest.mark.parametrize("max_rows", [4, None])
def test_a_gpu_has_all_rows_together(machine, max_rows):
    machine(8, gpu=True)
    assert number_of_groups(tf.constant(32), max_rows) is None
    assert in_groups(lambda rows, more: (rows, more), ("all rows", "more"), None, None) == ("all rows", "more")


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_every_row_is_in_one_group_and_comes_back_in_its_place(evaluate, n):
    """`sizes` says of each row how many there were in its group."""
    rows, pair = tf.range(7), (tf.range(7.0)[:, None], tf.range(7, 14))

    def function(rows, pair):
        size = tf.shape(rows)
        return {
            "rows": rows + 1,
            "sum": pair[0] + tf.cast(pair[1], tf.float32)[:, None],
            "sizes": tf.fill(size, size[0]),
        }

    specs = {
        "rows": tf.TensorSpec([None], tf.int32),
        "sum": tf.TensorSpec([None, 1]),
        "sizes": tf.TensorSpec([None], tf.int32),
    }
    found = evaluate(in_groups(function, (rows, pair), specs, tf.constant(n)))
    np.testing.assert_array_equal(found["rows"], np.arange(1, 8))
    np.testing.assert_array_equal(found["sum"][:, 0], np.arange(7, 21, 2))
    assert set(found["sizes"]) == {7 // n, -(-7 // n)}


B, T, D, C, V, E = 7, 4, 3, 6, 9, 5
SMALL = {"backbone_end": "res4f", "image_px": 256, "transition_channels": C, "attention_units": 4, "lstm_units": 7}


def results(cores, group_bytes, monkeypatch, machine):
    """A report that is read, its weights' gradients, and reports that are written, with a number of groups."""
    machine(cores)
    monkeypatch.setattr(loop, "GROUP_BYTES", group_bytes)
    rng = np.random.default_rng(1)
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        x = tf.constant(3 * rng.standard_normal((B, D, D, C)), tf.float32)
        decoder = Decoder(Config().replace(mode="caption", **SMALL), V, E, x)
        read = decoder.read(tf.constant(rng.integers(0, V, (B, T)), tf.int32))
        loss = tf.reduce_sum(read.h**3) + tf.reduce_sum(read.a**2)
        weights = tf1.trainable_variables("lstm")
        gradients = [tf.convert_to_tensor(gradient) for gradient in tf1.gradients(loss, weights)]
        written = [generate.write(decoder, Decoding(method, 6)) for method in ALONE]
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            session.run([tf1.assign(v, 3 * v) for v in tf1.trainable_variables()])  # so that reports differ
            session.run([tf1.assign(v, -0.5 * tf.one_hot(END, V)) for v in tf1.trainable_variables("word_softmax/b")])
            return session.run([read, gradients, written])


def test_how_many_groups_there_are_changes_nothing(monkeypatch, machine):
    row = 4 * D * D * (C + 4)
    whole = results(1, B * row, monkeypatch, machine)
    for cores, rows in ((1, 2), (3, 1)):
        groups = results(cores, rows * row, monkeypatch, machine)
        for one, other in zip(tf.nest.flatten(whole), tf.nest.flatten(groups), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for written in whole[2]:
        assert len(set(written.word_len)) > 1
