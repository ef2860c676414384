"""The lengths to which a training's reports are padded on a GPU."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tienet.config import Config
from tienet.data.batch_split import BatchSplit
from tienet.data.dataflow import Studies, TrainingBatches
from tienet.data.manifest import Manifest
from tienet.data.text import Vocab
from tienet.labels import K
from tienet.modeling.lstm.way import LENGTHS, STEP
from tienet.training.padded_lengths import MOST, WITHIN, _best, choose_lengths, lengths_for

VOCAB = Vocab.from_reports(["heart lung ."] * 2)


def studies_of(counts, mode="annotate-text", **settings) -> Studies:
    """Studies whose reports have so many words."""
    ids, reports = [f"s{n}" for n in range(len(counts))], ["heart " * n for n in counts]
    images = [None if mode == "annotate-text" else Path("a.png")] * len(counts)
    labels = np.zeros((len(counts), K), np.float32)
    manifest = Manifest("toy", "toy.csv", ids, ids, images, reports, np.full(len(counts), "train"), labels)
    features = SimpleNamespace(take=lambda indices: np.zeros((len(indices), 1, 1, 1), np.float16))
    config = Config().replace(mode=mode, **settings)
    return Studies.from_manifest(config, manifest, VOCAB, None if mode == "annotate-text" else features)


@pytest.fixture(scope="module")
def counts():
    """About as long as OpenI's reports."""
    return np.clip(np.exp(np.random.default_rng(0).normal(np.log(38), 0.4, 2469)).astype(int), 2, 120)


def mean_steps(lengths, longest) -> float:
    return float(np.mean([next(length for length in lengths if length >= T) for T in longest]))


# ---- how long the reports of a part of a batch are ----


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"join_reports": 0.5},
        {"join_reports": 0.5, "max_words": 31},
        {"mode": "caption", "max_words": 31},
        {"max_words": 31, "alpha": 0.5},  # a whole report of 31 words has a mark behind it
        {"mode": "report", "sentence_power": 0.5},
    ],
)
def test_the_longest_reports_are_those_of_the_batches_that_come(settings):
    studies = studies_of([*range(1, 30), 31, 31, 40], **settings)
    for split in (BatchSplit(), BatchSplit(accumulate=2, towers=2)):
        batches = TrainingBatches(studies, 8, 3, split)
        of_words = studies.config.mode_parts.image  # the place of the word ids in a batch
        made = [arrays[of_words].shape[1] for arrays in itertools.islice(batches, 9 * split.parts)]
        assert batches.longest_reports(9).tolist() == made  # more than an epoch, which has 4 updates
        assert max(made) <= studies.longest_possible()
    assert max(made) == studies.longest_possible() or studies.config.join_reports


def test_all_workers_choose_the_same(counts):
    studies = studies_of(counts)
    splits = [BatchSplit(workers=2, worker=worker) for worker in range(2)]
    first, second = (lengths_for(studies, TrainingBatches(studies, 32, 0, split)) for split in splits)
    assert first == second


# ---- which lengths are chosen ----


def test_they_fit_the_batches_of_a_training(counts):
    """A batch has reports of similar lengths: lengths for batches drawn at random would be half as long again."""
    studies = studies_of(counts)
    batches = TrainingBatches(studies, 32, 0)
    chosen, longest = lengths_for(studies, batches), batches.longest_reports(batches.steps_per_epoch)
    assert chosen[-1] >= 121 > chosen[-1] - STEP and not any(length % STEP for length in chosen)
    assert mean_steps(chosen, longest) < 1.3 * longest.mean()
    assert mean_steps(chosen, longest) < mean_steps(LENGTHS, longest)
    at_random = [counts[np.random.default_rng(n).integers(len(counts), size=32)].max() + 1 for n in range(400)]
    assert mean_steps(choose_lengths(at_random, 121), longest) > 1.5 * mean_steps(chosen, longest)


def test_what_the_network_writes_itself_is_read_with_few_steps_too(counts):
    """The reports that it writes are not sorted by length: half of a batch has nearly always one of 60 words."""
    studies = studies_of(counts, "report", classify_on="half", written_words=60)
    assert 64 in lengths_for(studies, TrainingBatches(studies, 32, 0))
    short = studies_of([4] * 8, "report", classify_on="own")
    assert lengths_for(short, TrainingBatches(short, 4, 0)) == (16, 112)  # it may write 100 words


def test_reports_of_one_length_have_one():
    assert choose_lengths([6] * 10, 6) == (16,)
    assert choose_lengths([48] * 10, 48) == (48,)
    assert choose_lengths([49] * 10, 49) == (64,)
    assert choose_lengths([2], 2) == (16,)


def test_one_long_report_does_not_make_all_others_long(counts):
    studies = studies_of(np.r_[counts, 5000], max_words=10_000)
    chosen = lengths_for(studies, TrainingBatches(studies, 32, 0))
    assert chosen[-1] == 5008 and chosen[0] <= 64


@pytest.mark.parametrize("seed", range(3))
def test_the_best_lengths_have_the_fewest_steps(seed):
    """Against all choices, on batches as a few longest reports."""
    longest, last = np.random.default_rng(seed).integers(1, 145, 40), 144
    best = _best(np.bincount(-(-longest // STEP), minlength=last // STEP + 1)[1:], MOST)
    assert len(best) == MOST
    for k, (mean, lengths) in enumerate(best, start=1):
        lengths = [STEP * length for length in lengths]
        assert len(lengths) <= k and lengths == sorted(set(lengths)) and lengths[-1] == last
        assert STEP * mean == pytest.approx(mean_steps(lengths, longest))
        others = itertools.combinations(range(STEP, last, STEP), k - 1)
        assert STEP * mean == pytest.approx(min(mean_steps((*chosen, last), longest) for chosen in others))


@pytest.mark.parametrize("batch", [1, 4, 16, 64])
def test_fewer_lengths_are_taken_only_where_they_cost_little(counts, batch):
    longest = TrainingBatches(studies_of(counts), batch, 0).longest_reports(400)
    chosen = choose_lengths(longest, 121)
    best = _best(np.bincount(-(-longest // STEP), minlength=chosen[-1] // STEP + 1)[1:], MOST)
    assert mean_steps(chosen, longest) <= WITHIN * STEP * best[-1][0]
    assert len(chosen) == 1 or STEP * best[len(chosen) - 2][0] > WITHIN * STEP * best[-1][0]


def test_a_mode_without_reports_has_the_usual_ones():
    studies = SimpleNamespace(config=Config().replace(mode="classify"))
    assert lengths_for(studies, None) == LENGTHS
