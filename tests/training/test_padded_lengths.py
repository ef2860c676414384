"""The lengths to which a training's reports are padded on a GPU."""

import itertools

import numpy as np
import pytest

from tienet.modeling.lstm.way import LENGTHS, STEP
from tienet.training.padded_lengths import MOST, WITHIN, _best, choose_lengths, lengths_for


@pytest.fixture
def counts():
    """About as long as OpenI's reports."""
    return np.clip(np.exp(np.random.default_rng(0).normal(np.log(38), 0.4, 2469)).astype(int), 2, 120)


@pytest.mark.parametrize(
    ("batch", "join_share", "expected"), [(32, 0.0, (96, 128)), (32, 0.3, (96, 160, 256)), (1, 0.0, (32, 48, 80, 128))]
)
def test_few_lengths_hold_every_batch(counts, batch, join_share, expected):
    chosen = choose_lengths(counts, batch, 400, join_share)
    assert chosen == expected and len(chosen) <= MOST and not any(length % STEP for length in chosen)
    longest = counts.max() * (2 if join_share else 1) + 1
    assert longest <= chosen[-1] < longest + STEP


def test_reports_of_one_length_and_reports_that_are_cut_have_one(counts):
    assert choose_lengths([5] * 10, 4, 400) == (16,)
    assert choose_lengths(counts, 32, 47) == (48,) and choose_lengths(counts, 32, 48) == (64,)
    assert choose_lengths([0], 4, 400) == (16,)


def test_one_long_report_does_not_make_all_others_long(counts):
    chosen = choose_lengths(np.r_[counts, 5000], 32, 10_000)
    assert chosen[-1] == 5008 and chosen[0] == 96


def test_the_best_lengths_have_the_fewest_steps():
    """Against all choices, on batches as a few longest reports."""
    longest, last = np.random.default_rng(0).integers(1, 97, 30), 96

    def steps(lengths: tuple[int, ...]) -> float:
        return float(np.mean([next(length for length in lengths if length >= T) for T in longest]))

    grid = range(STEP, last, STEP)
    for k in range(1, MOST + 1):
        found, lengths = _best(longest, last, k)
        assert found == pytest.approx(steps(lengths))
        assert found == pytest.approx(min(steps((*chosen, last)) for chosen in itertools.combinations(grid, k - 1)))


def test_fewer_lengths_are_taken_only_where_they_cost_little(counts):
    for batch in (1, 4, 16, 64):
        chosen = choose_lengths(counts, batch, 400)
        drawn = counts[np.random.default_rng(0).integers(len(counts), size=(400, batch))]
        longest = np.minimum(drawn, 400).max(axis=1) + 1
        fewest = min(_best(longest, chosen[-1], k)[0] for k in range(1, MOST + 1))
        assert _best(longest, chosen[-1], len(chosen))[0] <= WITHIN * fewest
        assert len(chosen) == 1 or _best(longest, chosen[-1], len(chosen) - 1)[0] > WITHIN * fewest


class Made:
    """Studies of three reports in a mode."""

    lengths = np.array([6, 9, 40])

    def __init__(self, config):
        self.config = config


def test_a_mode_without_reports_has_the_usual_ones():
    from tienet.config import Config

    assert lengths_for(Made(Config().replace(mode="classify"))) == LENGTHS
    assert lengths_for(Made(Config().replace(mode="annotate", batch=32))) == (48,)
