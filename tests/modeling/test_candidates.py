"""The candidates of an image: the greedy one as by itself, samples that depend on the image and the seed alone."""

import numpy as np
import pytest
import tensorflow as tf
from small_writer import MAX, B, Net, V

from tienet.data.text import END, PAD, START
from tienet.modeling import generate
from tienet.modeling.candidates import Candidates, image_keys, uniform_draws, write_candidates
from tienet.modeling.decoding import Decoding

W = 5
LATE = {"findings_penalty": 3.0, "findings_words": 5, "impression": 7}  # 7 is the most frequent word of greedy reports
DECODING = Decoding("consistent", MAX, candidates=W, temperature=0.8, **LATE)
KEYS = np.array([3, 1_000_003, 77, 2**30, 9])


class Writer:
    """The candidates of images with these keys, in one graph for all tests."""

    def __init__(self):
        self.net = Net()
        with self.net.graph.as_default():
            self._keys = tf.compat.v1.placeholder(tf.int64, [None])
            self.net.set("word_softmax/b", -1.0 * tf.one_hot(END, V))  # else most reports are empty
            self._written = write_candidates(self.net.decoder, DECODING, self._keys)

    def write(self, rows=slice(None)) -> Candidates:
        return self.net.run(self._written, {self.net.x: self.net.images[rows], self._keys: KEYS[rows]})


@pytest.fixture(scope="module")
def writer():
    writer = Writer()
    with writer.net.graph.as_default():
        yield writer
    writer.net.close()


def words_of(found: Candidates, n: int, w: int) -> list[int]:
    return list(found.word_ids[n, w, 1 : found.word_len[n, w]])


def test_the_first_is_the_greedy_report(writer):
    found, greedy = writer.write(), writer.net.write(Decoding(max_words=MAX, **LATE))
    plain = writer.net.write(Decoding(max_words=MAX))
    for n in range(B):
        assert words_of(found, n, 0) == list(greedy.word_ids[n, 1 : greedy.word_len[n]])
    np.testing.assert_allclose(found.log_probability[:, 0], greedy.log_probability, rtol=1e-4)
    assert not np.array_equal(greedy.word_ids, plain.word_ids)  # else the penalty would not be seen


def test_the_others_are_sampled_one_by_one_from_their_numbers(writer):
    """Each word is the first of which the sum of the probabilities up to it is larger than the number drawn.

    The penalty of the heading counts for them as for the greedy report.
    """
    found, net = writer.write(), writer.net
    draws = net.run(uniform_draws(tf.constant(KEYS), DECODING.seed, W, MAX + 1))
    forbidden = np.isin(np.arange(V), [0, 1, 3])
    for n in range(B):
        for w in range(1, W):
            (h, c), word, total = net.start(n), START, 0.0
            for t, following in enumerate([*words_of(found, n, w), END]):
                log_p, h, c = net.step(n, word, h, c)
                if t == MAX:
                    break
                scores = np.array(log_p, np.float64)
                scores[LATE["impression"]] -= LATE["findings_penalty"] * max(0, 1 - t / LATE["findings_words"])
                p = np.where(forbidden, 0, np.exp(scores / DECODING.temperature))
                assert following == np.flatnonzero(np.cumsum(p) / p.sum() > draws[n, w, t])[0]
                word, total = following, total + log_p[following]
            np.testing.assert_allclose(found.log_probability[n, w], total, rtol=1e-4)
    assert max(len({tuple(words_of(found, n, w)) for w in range(W)}) for n in range(B)) > 2


def test_the_candidates_of_an_image_do_not_depend_on_the_images_beside_it(writer):
    whole, turned = writer.write(), writer.write(slice(None, None, -1))
    assert (whole.word_ids[:, :, 0] == START).all()
    assert ((whole.word_ids != PAD).sum(-1) == whole.word_len).all()
    for n in range(B):
        alone = writer.write(slice(n, n + 1))
        for w in range(W):
            assert words_of(alone, 0, w) == words_of(whole, n, w) == words_of(turned, B - 1 - n, w)
        np.testing.assert_allclose(alone.log_probability[0], whole.log_probability[n], rtol=1e-4)


def test_the_chosen_one_is_read_as_it_was_written(writer):
    """Also one that was cut, whose log-probability has no <END>."""
    found, net = writer.write(), writer.net
    rows = np.arange(B)
    w = np.where(rows % 2, found.word_len.argmin(1), found.word_len.argmax(1))
    assert found.word_len.max() == MAX + 1 and found.word_len[rows, w].min() < MAX + 1
    chosen = tf.constant(found.word_ids[rows, w]), tf.constant(found.word_len[rows, w])
    given = net.run(generate.force(net.decoder, *chosen, MAX))
    np.testing.assert_array_equal(given.word_len, found.word_len[rows, w])
    np.testing.assert_array_equal(given.word_ids, found.word_ids[rows, w][:, : given.word_len.max()])
    np.testing.assert_allclose(given.log_probability, found.log_probability[rows, w], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_equal_images_have_equal_keys_and_others_do_not(graph, dtype):
    images = np.random.default_rng(0).integers(0, 200, (4, 6, 6, 3)).astype(dtype)
    images[1] = images[0]
    images[2] = images[0]
    images[2, 5, 5, 2] += 1
    with tf.compat.v1.Session() as session:
        keys, turned = session.run([image_keys(tf.constant(images)), image_keys(tf.constant(images[::-1]))])
    assert keys[0] == keys[1] and len(set(keys)) == 3 and (keys >= 0).all()
    np.testing.assert_array_equal(turned, keys[::-1])


def test_the_numbers_are_uniform_and_independent(graph):
    """In one image, and between images of keys that differ little, in the mean over places."""
    with tf.compat.v1.Session() as session:
        u = session.run(uniform_draws(tf.constant([5, 6, 2**31 - 1], tf.int64), 0, 40, 100))
        other = session.run(uniform_draws(tf.constant([5], tf.int64), 1, 40, 100))
    assert u.dtype == np.float32 and (u >= 0).all() and (u < 1).all() and (u[0] != other[0]).mean() > 0.99
    flat = u.reshape(3, -1)
    np.testing.assert_allclose(np.histogram(flat, 10, (0, 1))[0] / flat.size, 0.1, atol=0.01)
    pairs = [(flat[0], flat[1]), (flat[0], flat[2]), (u[0, :, :-1], u[0, :, 1:]), (u[0, :-1], u[0, 1:])]
    for one, another in pairs:
        assert abs(np.corrcoef(one.ravel(), another.ravel())[0, 1]) < 0.06
