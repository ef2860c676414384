"""What happens between the steps: weights that differ between the workers are found and named."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tienet.errors import InputError
from tienet.training import callbacks
from tienet.training.callbacks import SyncWeights

tf1 = tf.compat.v1


def checksums(*values: np.ndarray) -> list[int]:
    """Of variables of any shape and type."""
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [tf1.get_variable(f"v{n}", initializer=value) for n, value in enumerate(values)]
        session.run(tf1.global_variables_initializer())
        return [int(one) for one in session.run([callbacks._checksum(variable) for variable in variables])]


def test_the_checksum_is_of_all_bits():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(40, 3)).astype(np.float32)
    changed = [value.copy() for _ in range(32)]
    for bit, other in enumerate(changed):
        other.view(np.uint32)[bit, 1] ^= np.uint32(1 << bit)
    first, same, *others = checksums(value, value.copy(), *changed)
    assert first == same and first not in others


def test_the_checksum_sees_an_exchange_a_sign_of_zero_and_nan():
    value = np.arange(1, 9, dtype=np.float32)
    swapped, nan = value[[1, 0, 2, 3, 4, 5, 6, 7]], value.copy()
    nan[3] = np.nan
    assert len(set(checksums(value, swapped, nan, value[::-1].copy()))) == 4
    assert len(set(checksums(np.float32(0.0), np.float32(-0.0)))) == 2


def test_the_checksum_of_a_large_variable_wraps_around_and_still_sees_a_bit():
    """200,000 values of the largest int32: their weighted sum is above 2**63."""
    value = np.full(200_000, np.iinfo(np.int32).max, np.int32)
    other = value.copy()
    other[-1] -= 1
    whole, changed = checksums(value, other)
    assert whole % 2**64 == int((value.astype(object) * (np.arange(200_000) % 65521 + 1)).sum()) % 2**64
    assert whole != changed


def test_weights_that_are_no_longer_equal_are_named():
    class Alike:
        options = None

        def exit_if_worker_lost(self):
            return tf1.name_scope("guarded")

        def broadcast_from_chief(self, variable):
            return variable.initializer

        def differs_between_workers(self, values):
            return tf.constant([False, True, False])

    with tf.Graph().as_default(), tf1.Session() as session:
        for name in "cab":
            tf1.get_variable(name, [])
        callback = SyncWeights(Alike())
        callback.trainer = SimpleNamespace(sess=session, epoch_num=3, loop=SimpleNamespace(epoch_num=3))
        callback._setup_graph()
        with pytest.raises(InputError, match=r"no longer equal after epoch 3: b$"):
            callback._trigger_epoch()
