"""The choice of the next word, from scores made by hand. What comes of it in reports is in test_generate."""

import numpy as np
import tensorflow as tf

from tienet.data.text import OOV, PAD, START
from tienet.modeling import word_choice
from tienet.modeling.decoding import Decoding


def test_the_word_drawn_is_where_the_probabilities_up_to_it_pass_the_number(graph):
    p = np.array([0.0, 0.0, 0.25, 0.0, 0.5, 0.25])
    draws = np.array([0.0, 0.2499, 0.25, 0.7499, 0.75, np.nextafter(np.float32(1), np.float32(0))], np.float32)
    scores = np.where(p > 0, np.log(np.maximum(p, 0.1)), -1e30).astype(np.float32)[None].repeat(len(draws), 0)
    with tf.compat.v1.Session() as session:
        np.testing.assert_array_equal(
            session.run(word_choice.draw(tf.constant(scores), tf.constant(draws))), [2, 2, 4, 4, 5, 5]
        )


def test_pad_start_and_oov_are_forbidden_and_the_likeliest_of_the_others_is_chosen(graph):
    scores = np.array([[9.0, 8, 1, 7, 2, 3], [9, 8, 5, 7, 2, 3]], np.float32)
    with tf.compat.v1.Session() as session:
        never = session.run(word_choice.forbidden(tf.constant(scores)))
        chosen = session.run(word_choice.likeliest(tf.constant(scores + never)))
    assert set(np.flatnonzero(never)) == {PAD, START, OOV} and never.max() == 0
    assert chosen.tolist() == [5, 2]


def test_the_heading_loses_less_with_each_word_and_nothing_after_enough(graph):
    decoding = Decoding(findings_penalty=6.0, findings_words=3, impression=4)
    with tf.compat.v1.Session() as session:
        zeros = tf.zeros([1, 6])
        late = [word_choice.with_late_impression(tf.constant(t), zeros, decoding) for t in range(5)]
        scores = np.concatenate(session.run(late))
        assert word_choice.with_late_impression(0, zeros, Decoding(findings_penalty=6.0)) is zeros
    np.testing.assert_allclose(scores[:, 4], [-6, -4, -2, 0, 0])
    assert not np.delete(scores, 4, axis=1).any()


def test_the_word_that_would_end_a_sequence_again_is_forbidden(graph):
    """After 4 5 6 4 5 both 5 6 and 4 5 6 would come again; after 4 4 6 5 6 the pair 6 5 would, and no three words."""
    read = [[1, 4, 5, 6, 4, 5], [1, 4, 4, 6, 5, 6]]
    with tf.compat.v1.Session() as session:
        for n, expected in ((2, [{6}, {5}]), (3, [{6}, set()])):
            history = tf.constant([[PAD] * (n - 1) + words + [PAD] * 3 for words in read])
            scores = session.run(word_choice.repeated(history, len(read[0]) - 1, n, 8))
            assert scores.shape == (2, 8)
            assert [set(np.flatnonzero(row <= word_choice.NEVER)) for row in scores] == expected
            assert not scores[scores > word_choice.NEVER].any()
