"""Which studies go together, and that nothing about it depends on luck or on batch-mates."""

import numpy as np
import pytest

from tienet.data.dataflow import epoch_batches, evaluation_batches, pad
from tienet.data.text import PAD


@pytest.fixture
def lengths():
    return np.random.default_rng(1).integers(1, 100, 333)


def test_an_epoch_has_every_study_and_full_batches(lengths):
    batches = epoch_batches(lengths, 32, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == [32] * 11
    counts = np.bincount(np.concatenate(batches), minlength=333)
    assert counts.min() == 1
    assert counts.sum() == 352  # 19 come twice, to fill the last batch
    assert counts.max() == 2


def test_the_order_is_a_function_of_seed_and_epoch(lengths):
    def order(**arguments):
        return np.concatenate(epoch_batches(lengths, 32, **arguments)).tolist()

    assert order(seed=0, epoch=3) == order(seed=0, epoch=3)
    assert order(seed=0, epoch=3) != order(seed=0, epoch=4)
    assert order(seed=0, epoch=3) != order(seed=1, epoch=3)


def test_batches_are_of_similar_length(lengths):
    padded = sum(lengths[batch].max() * len(batch) for batch in epoch_batches(lengths, 32, 0, 0))
    unsorted = np.random.default_rng(0).permutation(333)[:320].reshape(-1, 32)
    assert padded < 0.7 * sum(lengths[batch].max() * len(batch) for batch in unsorted) * 352 / 320


def test_evaluation_sees_every_study_once_in_batches_of_one_shape(lengths):
    seen = []
    for indices, count in evaluation_batches(lengths, 50):
        assert len(indices) == 50
        seen += indices[:count].tolist()
    assert sorted(seen) == list(range(333))


def test_pad():
    padded = pad([np.array([1, 7], np.int32), np.array([1], np.int32)])
    assert padded.tolist() == [[1, 7], [1, PAD]]
    assert padded.dtype == np.int32
