"""Which studies go together in a batch, which must depend on nothing but the seed and the epoch."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tienet.config import Config
from tienet.data.batch_split import BatchSplit
from tienet.data.dataflow import Studies, TrainingBatches, epoch_batches, evaluation_batches, pad
from tienet.data.manifest import Manifest
from tienet.data.text import END, PAD, START, Vocab
from tienet.errors import InputError
from tienet.labels import K


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


def test_training_batches_say_what_each_word_counts(tmp_path):
    """Beside each word that is read the weight of the word that follows, whatever the other studies of the batch."""
    reports = ["one . two .", "one . a b c .", "", "one . b"]
    vocab = Vocab.from_reports(["one two a b c ."] * 2)
    ids, labels = [f"s{n}" for n in range(4)], np.zeros((4, K), np.float32)
    manifest = Manifest("d", Path("d.csv"), ids, ids, [Path("d.png")] * 4, reports, np.array(["train"] * 4), labels)
    features = SimpleNamespace(take=lambda indices: np.zeros((len(indices), 1), np.float16))
    config = Config().replace(mode="caption", sentence_power=1.0, max_words=5)
    studies = Studies.from_manifest(config, manifest, vocab, features)
    _, word_ids, lengths, _, weights = studies.batch(np.arange(4), 0)
    mean = (3 * 2 / 3 + 2 + 3 + 1) / 12  # three times "one .", each word a third; "two .", "a b c" as it is cut, "b"
    common = 1 / 3 / mean
    assert weights.shape == word_ids.shape and weights.dtype == np.float32
    assert lengths.tolist() == [5, 6, 1, 4]
    rows = [[common] * 2 + [1 / mean] * 2 + [1], [common] * 2 + [1 / mean] * 3 + [1], [1], [common] * 2 + [1 / mean, 1]]
    for row, expected in zip(weights, rows, strict=True):
        np.testing.assert_allclose(row, expected + [0] * (len(row) - len(expected)), rtol=1e-6)
    for n in range(4):
        np.testing.assert_array_equal(studies.batch(np.array([n]), 7)[-1][0], weights[n][: lengths[n]])
    assert len(studies.batch(np.arange(4))) == 4  # nothing counts outside of training
    plain = Studies.from_manifest(config.replace(sentence_power=0.0), manifest, vocab, features)
    assert len(plain.batch(np.arange(4), 0)) == 4


def test_pad():
    padded = pad([np.array([1, 7], np.int32), np.array([1], np.int32)])
    assert padded.tolist() == [[1, 7], [1, PAD]]
    assert padded.dtype == np.int32


def manifest_of(reports: list[str]) -> Manifest:
    N = len(reports)
    ids = [f"s{n}" for n in range(N)]
    labels = np.zeros((N, K), np.float32)
    return Manifest("d", Path("d.csv"), ids, ids, [None] * N, reports, np.array(["train"] * N), labels)


def text_studies(reports: list[str], **settings) -> Studies:
    return Studies.from_manifest(
        Config().replace(mode="annotate-text", **settings),
        manifest_of(reports),
        Vocab.from_reports(["heart clear"] * 2),
    )


def test_a_report_of_5000_words_is_cut_and_named():
    studies = text_studies(["clear", "heart " * 5000])
    assert studies.lengths.tolist() == [2, 301]
    assert len(studies.notes) == 1
    assert "1 of 2 reports have more than 300 words" in studies.notes[0]
    assert "s1" in studies.notes[0]
    assert text_studies(["heart " * 5000], max_words=5000).notes == []


def test_an_empty_report_is_start_alone_and_counted():
    studies = text_studies(["clear", ""])
    assert studies.word_ids[1].tolist() == [START]
    assert "1 of 2 reports are empty (the first is s1)" in studies.notes[0]


def test_modes_say_what_the_data_lack():
    with pytest.raises(InputError, match="no study has a report"):
        text_studies(["", ""])
    with pytest.raises(InputError, match="no image"):
        Studies.from_manifest(
            Config().replace(mode="annotate"), manifest_of(["clear"]), Vocab.from_reports(["clear"] * 2)
        )


def test_training_goes_on_with_the_batch_where_it_stopped():
    studies = text_studies(["heart " * n for n in range(40)])

    def first(count, **arguments):
        stream = iter(TrainingBatches(studies, 8, seed=0, **arguments))
        return [next(stream)[0].tolist() for _ in range(count)]

    straight = first(12)
    assert first(5, first_step=7) == straight[7:]
    halves = first(24, batch_split=BatchSplit(towers=2))
    width = [max(map(len, half)) for half in halves]
    for n, whole in enumerate(straight):
        rows = [row[: max(w for w in width[2 * n : 2 * n + 2])] for row in whole]
        parts = [row + [PAD] * (len(rows[0]) - len(row)) for half in halves[2 * n : 2 * n + 2] for row in half]
        assert parts == rows


@pytest.mark.parametrize("layout", [(4, 1, 1), (1, 4, 1), (1, 1, 4), (2, 2, 1), (1, 2, 2), (2, 1, 2), (2, 2, 2)])
def test_all_layouts_share_the_same_batch_and_no_part_is_taken_twice(layout):
    accumulate, workers, towers = layout
    studies = text_studies(["heart " * n for n in range(1, 41)])
    whole = TrainingBatches(studies, 8, seed=0).parts_of(7)[0]
    divisions = [BatchSplit(accumulate, workers, worker, towers) for worker in range(workers)]
    streams = [TrainingBatches(studies, 8, seed=0, batch_split=batch_split, first_step=7) for batch_split in divisions]
    parts = {}
    for batch_split, stream in zip(divisions, streams, strict=True):
        batches = iter(stream)
        for number, indices in zip(batch_split.own_parts(), stream.parts_of(7), strict=True):
            *arrays, draw = next(batches)
            assert draw.tolist() == [7, number] and number not in parts
            parts[number] = indices
            assert arrays[1].tolist() == studies.lengths[indices].tolist()
    assert np.concatenate([parts[n] for n in range(accumulate * workers * towers)]).tolist() == whole.tolist()


def test_fewer_studies_than_parts_are_refused():
    with pytest.raises(InputError, match="2 training studies cannot be shared by 4 parts"):
        TrainingBatches(text_studies(["a", "b"]), 8, seed=0, batch_split=BatchSplit(towers=4))


def test_a_whole_report_of_max_words_words_is_marked_by_its_end_where_reports_are_written():
    """The mark does not count as a word, and no other report has one."""
    reports = ["clear " * n for n in (3, 4, 5)]
    manifest = manifest_of(reports)
    manifest = replace(manifest, images=[Path("x.png")] * 3)
    vocab = Vocab.from_reports(["clear clear"])
    for mode, marked in (("caption", True), ("annotate-text", False)):
        studies = Studies.from_manifest(Config().replace(mode=mode, max_words=4), manifest, vocab)
        assert studies.cut == {2} and studies.lengths.tolist() == [4, 5, 5]
        studies = replace(studies, features=SimpleNamespace(take=lambda indices: np.zeros(len(indices))))
        *_, word_ids, word_len, _ = studies.batch(np.arange(3))
        clear = vocab.ids["clear"]
        expected = [[START, *[clear] * 3, PAD], [START, *[clear] * 4], [START, *[clear] * 4]]
        if marked:
            expected = [row + [behind] for row, behind in zip(expected, (PAD, END, PAD), strict=True)]
        assert word_ids.tolist() == expected
        assert word_len.tolist() == [4, 5, 5] and word_ids.dtype == np.int32
