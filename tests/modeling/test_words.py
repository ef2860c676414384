"""The words of a batch of reports: hidden, replaced, and those that should follow."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_network import E, V, batch_of, config_of

from tienet.data.text import END, OOV, START
from tienet.modeling import generate, words
from tienet.modeling.decoder import Decoder
from tienet.modeling.decoding import Decoding
from tienet.modeling.draws import Draws

DRAWS = Draws(0, np.zeros(2, np.int32))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_scheduled_sampling_replaces_words_and_nothing_else(evaluate, random, share):
    lengths = (60, 1, 30)
    arrays = batch_of(random, lengths, mode="caption")
    config = config_of("caption", scheduled_sampling=share)
    x = tf.constant(np.maximum(random.standard_normal((3, 4, 4, 8)), 0), tf.float32)
    ids, length = map(tf.constant, arrays[1:3])
    mixed = evaluate(words.sample_words(config, DRAWS, Decoder(config, V, E, x), ids, length))
    inside = (np.arange(60) > 0) & (np.arange(60) < np.array(lengths)[:, None])
    np.testing.assert_array_equal(mixed[~inside], arrays[1][~inside])
    changed = (mixed != arrays[1])[inside].mean()
    assert changed == 0 if share == 0 else share - 0.25 < changed <= share + 0.15
    assert mixed[inside].min() >= END and not (mixed[inside & (mixed != arrays[1])] == OOV).any()


@pytest.mark.parametrize(("unit", "share"), [("words", 1.0), ("reports", 1.0), ("words", 0.5)])
def test_report_drop_hides_words_or_reports(evaluate, random, unit, share):
    config = config_of("annotate-text", report_drop=share, report_drop_unit=unit, dropout=0.0)
    arrays = batch_of(random, lengths=(40, 40), mode="annotate-text")
    ids, lengths = evaluate(list(words.drop_text(config, DRAWS, tf.constant(arrays[0]), tf.constant(arrays[1]))))
    assert (ids[:, 0] == START).all()
    if unit == "reports":
        assert (lengths == 1).all()
    else:
        hidden = (ids[:, 1:] == OOV).mean()
        assert hidden == 1 if share == 1 else 0.3 < hidden < 0.7
        assert (lengths == 40).all()


def test_a_report_that_was_cut_has_no_end(evaluate, random):
    arrays = batch_of(random, (5,), mode="caption")
    decoder = Decoder(config_of("caption"), V, E, tf.ones([1, 4, 4, 8]))
    ids, length = map(tf.constant, arrays[1:3])
    weights, following = tf.ones_like(ids, tf.float32), []
    for max_words in (4, 5):
        config = config_of("caption", max_words=max_words)
        following.append(words.next_words(config, decoder, decoder.read(ids), ids, ids, length, weights))
    cut, whole = evaluate(following)
    assert list(whole.targets) == [*arrays[1][0, 1:], END] and list(cut.targets) == list(arrays[1][0, 1:])


def test_a_whole_report_of_max_words_words_keeps_its_end(evaluate, random):
    """Beside one that was cut there: the same words, and <END> behind those of the whole one, each with its weight."""
    arrays = batch_of(random, (5, 5, 3, 1), mode="caption", padding=1)
    arrays[1][1, 5] = END
    config = config_of("caption", max_words=4)
    decoder = Decoder(config, V, E, tf.ones([4, 4, 4, 8]))
    ids, length = map(tf.constant, arrays[1:3])
    weights = tf.constant(np.arange(24).reshape(4, 6), tf.float32)  # at each word that of the word that follows
    following = evaluate(words.next_words(config, decoder, decoder.read(ids), ids, ids, length, weights))
    cut, whole, short, empty = (list(following.targets[following.rows == n]) for n in range(4))
    assert cut == list(arrays[1][0, 1:5])
    assert whole == [*arrays[1][1, 1:5], END] and short == [*arrays[1][2, 1:3], END] and empty == []
    assert following.counts.tolist() == [4, 5, 3, 0]
    assert following.weights.tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 10, 12, 13, 14]


def test_in_training_reports_are_written_as_the_run_writes_them(graph, monkeypatch):
    """Greedily and as samples, each with the findings_penalty and the heading of the run."""
    decoding, seen = Decoding(max_words=7, findings_penalty=4.0, findings_words=20, impression=5), []

    def write(decoder, decoding, image_context, seed):
        seen.append(decoding)
        return SimpleNamespace(word_ids=tf.zeros([1, 1], tf.int32), word_len=tf.ones([1], tf.int32))

    monkeypatch.setattr(generate, "write", write)
    words.write_own_words(decoding, Draws(0, tf.constant([0, 0])), None, None)
    assert seen == [decoding, replace(decoding, method="sample")]
