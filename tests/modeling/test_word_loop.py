"""Writing as a GPU does it, in blocks of words that are one compiled call, against writing word by word."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_writer import MAX, Net, V

from tests import xla_log
from tienet import devices
from tienet.data.text import END
from tienet.modeling import candidates, generate
from tienet.modeling.decoding import Decoding
from tienet.modeling.lstm import way
from tienet.modeling.word_loop import turns_until

WAYS = {
    "greedy": Decoding("greedy", MAX, no_repeat=2),
    "late impression": Decoding("greedy", MAX, findings_penalty=3.0, findings_words=3, impression=5),
    "sample": Decoding("sample", MAX, temperature=0.7),
    "beam": Decoding("beam", MAX, width=3),
}


@pytest.fixture(scope="module")
def net():
    net = Net(deep_output=True, attention_gate=True)
    with net.graph.as_default():
        net.set("word_softmax/b", -9.0 * tf.one_hot(END, V))  # else all end at once
        yield net
    net.close()


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """as_on_a_gpu(function, words): the graph as it is built where a GPU computes, in blocks of so many words."""

    def build(function, words=way.WORDS):
        with monkeypatch.context() as patch:
            patch.setattr(devices, "gpu_computes", lambda: True)
            patch.setattr(way, "WORDS", words)
            return function()

    return build


def assert_same(found, expected):
    for name in expected._fields:
        ours, theirs = getattr(found, name), getattr(expected, name)
        if theirs.dtype == np.float32:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize(("how", "words"), [*((how, 3) for how in WAYS), ("greedy", MAX + 1)])
def test_reports_are_the_same_as_word_by_word(net, as_on_a_gpu, how, words):
    def write():
        return generate.write(net.decoder, WAYS[how])

    expected, found = net.run(write()), net.run(as_on_a_gpu(write, words))
    assert len({tuple(row) for row in expected.word_ids}) > 1
    assert_same(found, expected)


def test_given_words_are_read_the_same(net, as_on_a_gpu):
    word_ids, word_len = net.run(generate.write(net.decoder, WAYS["sample"]))[:2]

    def force():
        return generate.force(net.decoder, tf.constant(word_ids), tf.constant(word_len), MAX)

    assert_same(net.run(as_on_a_gpu(force, 3)), net.run(force()))


def test_candidates_are_the_same(net, as_on_a_gpu):
    decoding = Decoding("consistent", MAX, candidates=3, no_repeat=3)

    def write():
        return candidates.write_candidates(net.decoder, decoding, tf.range(5, dtype=tf.int64) * 12345)

    assert_same(net.run(as_on_a_gpu(write, 3)), net.run(write()))


@pytest.mark.parametrize(("end", "turns"), [(1, 4), (4, 4), (5, 8)])
def test_turns_are_made_in_whole_blocks(evaluate, as_on_a_gpu, end, turns):
    def count():
        kept = tf.TensorSpec([None], tf.int32)
        return turns_until(lambda n: n >= end, lambda t, n: (n + 1, tf.stack([t, n])), tf.constant(0), kept)

    assert evaluate(count())[0] == end
    last, kept = evaluate(as_on_a_gpu(count, 4))
    assert last == turns
    np.testing.assert_array_equal(kept, np.stack([np.arange(turns)] * 2, 1))


def test_a_block_is_compiled_once_for_all_places_in_a_report():
    """No way of writing may need the place of a word as a constant of the compiled code."""
    log = xla_log.run(Path(__file__).with_name("compiled_writing.py"))
    blocks = {}
    for part in log.split("WAY ")[1:]:
        blocks[part.split("\n")[0]] = [times for name, times in xla_log.compiled(part) if name == "block"]
    ways = ("greedy", "impression", "sample", "beam", "consistent", "given")
    assert blocks == {name: [1] for name in ways}
