"""Training reports in another order, and two at a time: the same words, and the labels of both."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tienet.config import Config
from tienet.data.augmentation import joined_images, joined_labels, partners, shuffled_sentences
from tienet.data.dataflow import Studies, TrainingBatches
from tienet.data.manifest import Manifest
from tienet.data.text import END, START, Vocab
from tienet.errors import InputError
from tienet.labels import K


def manifest_of(reports: list[str]) -> Manifest:
    N = len(reports)
    ids = [f"s{n}" for n in range(N)]
    labels = np.zeros((N, K), np.float32)
    return Manifest("d", Path("d.csv"), ids, ids, [None] * N, reports, np.array(["train"] * N), labels)


def test_shuffled_sentences_are_the_same_sentences_in_another_order():
    stop, report = 9, np.array([START, 11, 12, 9, 21, 9, 31, 32, 33, 9, 41], np.int32)
    orders = set()
    for seed in range(40):
        ids = shuffled_sentences(report, stop, [0, seed])
        np.testing.assert_array_equal(ids, shuffled_sentences(report, stop, [0, seed]))
        assert ids[0] == START and ids.dtype == np.int32 and sorted(ids) == sorted(report)
        text = " ".join(map(str, ids[1:]))
        assert all(part in text for part in ("11 12 9", "21 9", "31 32 33 9", "41"))
        orders.add(text)
    assert len(orders) > 15  # of 24
    assert shuffled_sentences(np.array([START], np.int32), stop, [0]).tolist() == [START]


def test_sentences_are_shuffled_in_training_alone_and_at_each_update_anew():
    reports = ["one a . two b . three c . four d . five e ."] * 4
    vocab = Vocab.from_reports(["one two three four five a b c d e ."] * 2)
    config = Config().replace(mode="annotate-text", shuffle_sentences=True)
    studies = Studies.from_manifest(config, manifest_of(reports), vocab)
    plain = [ids.tolist() for ids in studies.word_ids]
    every = np.arange(4)
    assert studies.batch(every)[0].tolist() == plain
    first, again, later = (studies.batch(every, step)[0].tolist() for step in (3, 3, 4))
    assert first == again != later and first != plain and len({tuple(ids) for ids in first}) > 1
    assert studies.batch(every, 3)[1].tolist() == studies.lengths.tolist()
    parts = [studies.batch(every[n : n + 1], 3)[0][0].tolist() for n in every]
    assert parts == first  # whatever the other studies of the part are


def test_the_labels_of_two_reports_that_are_read_as_one():
    nan, values = np.nan, (0.0, 1.0, np.nan)
    finding = {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 1, (1, nan): 1, (nan, 1): 1}  # all others are unknown
    no_finding = {(0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): 1, (0, nan): 0, (nan, 0): 0}
    for a in values:
        for b in values:
            joined = joined_labels(np.full(K, a, np.float32), np.full(K, b, np.float32))
            np.testing.assert_array_equal(joined[:-1], np.full(K - 1, finding.get((a, b), nan)))
            np.testing.assert_array_equal(joined[-1], no_finding.get((a, b), nan))
            assert joined.dtype == np.float32


def test_joined_reports_are_two_reports_with_the_labels_of_both():
    reports = ["one two", "three", "four five a", "b c d e"]
    vocab = Vocab.from_reports(["one two three four five a b c d e ."] * 2)
    manifest = manifest_of(reports)
    manifest.labels[:, :4] = np.eye(4)
    config = Config().replace(mode="annotate-text", join_reports=0.5, max_words=6)
    studies = Studies.from_manifest(config, manifest, vocab)
    alone, joined, whole = 0, 0, studies.batch(np.arange(4))[0]
    for step in range(50):
        word_ids, lengths, labels = studies.batch(np.arange(4), step)
        parts = [studies.batch(np.arange(4)[n : n + 1], step) for n in range(4)]  # as four towers take them
        assert all((part[2] == labels[n]).all() and part[1] == lengths[n] for n, part in enumerate(parts))
        for n in range(4):
            words, own = word_ids[n][: lengths[n]].tolist(), studies.word_ids[n].tolist()
            assert words[: len(own)] == own and not word_ids[n][lengths[n] :].any()
            parts = [other for other in range(4) if words == (own + studies.word_ids[other].tolist()[1:])[:7]]
            if words == own:
                alone += 1
                np.testing.assert_array_equal(labels[n], manifest.labels[n])
            else:
                joined += 1
                assert parts and np.array_equal(labels[n][:4], np.eye(4)[n] + np.eye(4)[parts[0]] > 0)
    assert 60 < joined < 140 and alone + joined == 200 and joined % 4 == 0
    np.testing.assert_array_equal(studies.batch(np.arange(4))[0], whole)
    np.testing.assert_array_equal(manifest.labels[:, :4], np.eye(4))


def test_joined_images_are_the_mean_of_both_in_their_type():
    whole, half = np.array([[3, 4], [255, 0]], np.uint8), np.array([[1.5, 0.25]], np.float16)
    np.testing.assert_array_equal(joined_images(whole, whole[::-1]), np.array([[129, 2], [129, 2]], np.uint8))
    mean = joined_images(half, np.float16(2) * half)
    np.testing.assert_array_equal(mean, np.array([[2.25, 0.375]], np.float16))
    assert mean.dtype == np.float16


@pytest.mark.usefixtures("four_cores")
def test_several_threads_join_images_as_one_does():
    random = np.random.default_rng(0)
    images, others = (random.normal(0, 50, (9, 3, 2)).astype(np.float16) for _ in range(2))
    mean = ((images.astype(np.float32) + others.astype(np.float32)) / 2).astype(np.float16)
    np.testing.assert_array_equal(joined_images(images, others), mean)


def test_a_report_that_fills_max_words_keeps_its_mark_behind_its_words():
    """With the next word as a second task a whole report of `max_words` words has <END> behind it."""
    vocab = Vocab.from_reports(["one two three four ."] * 2)
    config = Config().replace(mode="annotate-text", alpha=0.5, shuffle_sentences=True, max_words=6)
    studies = Studies.from_manifest(config, manifest_of(["one two . three four ."]), vocab)
    found = [studies.batch(np.array([0]), step)[0][0].tolist() for step in range(8)]
    assert (
        all(len(ids) == 8 and ids[-1] == END and END not in ids[:-1] for ids in found)
        and len(set(map(tuple, found))) == 2
    )


@pytest.mark.parametrize(("setting", "value"), [("join_reports", 0.3), ("shuffle_sentences", True)])
def test_reports_that_are_learnt_as_they_are_do_not_vary(setting, value):
    with pytest.raises(InputError, match=f"setting {setting}={value}: expected .*: mode report learns to write"):
        Config().replace(mode="report", **{setting: value})


def test_joined_studies_have_the_mean_of_both_images():
    reports = ["one", "one two", "one two three"]
    manifest = manifest_of(reports)
    manifest.images[:] = [Path("a.png"), Path("b.png"), Path("c.png")]
    rows = np.array([[2.0], [4.0], [16.0]], np.float16)
    config = Config().replace(mode="annotate", join_reports=1.0)
    vocab = Vocab.from_reports(["one two three"] * 2)
    studies = Studies.from_manifest(config, manifest, vocab, SimpleNamespace(take=lambda indices: rows[indices]))
    others = partners(config, np.arange(3), 3, step=7)
    images, _, lengths, _ = studies.batch(np.arange(3), step=7)
    np.testing.assert_array_equal(images, (rows + rows[others]) / 2)
    np.testing.assert_array_equal(lengths, [1 + (n + 1) + (m + 1) for n, m in enumerate(others)])
    assert (others != np.arange(3)).any()
    np.testing.assert_array_equal(studies.batch(np.arange(3))[0], rows)


def test_a_vocabulary_without_a_full_stop_is_named():
    vocab, config = Vocab.from_reports(["one two"] * 2), Config().replace(mode="annotate-text", shuffle_sentences=True)
    said = "the vocabulary has no full stop, so that shuffle_sentences changes nothing"
    assert said in Studies.from_manifest(config, manifest_of(["one two"]), vocab).notes
    assert said not in Studies.from_manifest(config, manifest_of(["one two"]), vocab, training=False).notes


def test_training_reads_them_so_and_a_resumed_one_reads_the_same():
    reports = [f"{word} a . {word} b . {word} c ." for word in ("one", "two", "three", "four")]
    vocab = Vocab.from_reports(["one two three four a b c ."] * 2)
    config = Config().replace(mode="annotate-text", shuffle_sentences=True, join_reports=0.5)
    studies = Studies.from_manifest(config, manifest_of(reports), vocab)
    batches = [next(iter(TrainingBatches(studies, 4, seed=0, first_step=step))) for step in range(6)]
    assert {batch[0].shape[1] for batch in batches} == {10, 19}  # alone, and joined
    plain = sorted(ids.tolist() for ids in studies.word_ids)
    assert all(sorted(batch[0].tolist()) != plain for batch in batches)
    endless = iter(TrainingBatches(studies, 4, seed=0))
    for batch in batches:
        for ours, theirs in zip(batch, next(endless), strict=True):
            np.testing.assert_array_equal(ours, theirs)
