"""Writing: greedy against a loop, beam against an exhaustive search, and what every method must hold to."""

import contextlib
import itertools

import numpy as np
import pytest
import tensorflow as tf
from small_network import config_of
from small_writer import MAX, B, Net, V

from tienet.data.text import END, OOV, PAD, START
from tienet.modeling import generate, losses
from tienet.modeling.decoder import Decoder
from tienet.modeling.decoding import ALONE, Decoding

PLAIN, DEEP = {}, {"deep_output": True, "attention_gate": True}


@pytest.fixture(scope="module")
def shared_nets():
    """(PLAIN or DEEP) -> the net, made when it is first asked for."""
    nets = {}

    def net_of(options):
        deep = options == DEEP
        if deep not in nets:
            nets[deep] = Net(**options)
        return nets[deep]

    yield net_of
    for net in nets.values():
        net.close()


@pytest.fixture
def net_with(shared_nets):
    """net_with(PLAIN or DEEP): the net with the values that it began with; its graph is the default one then."""
    with contextlib.ExitStack() as stack:

        def net_of(options):
            net = shared_nets(options)
            stack.enter_context(net.graph.as_default())
            net.restore()
            return net

        yield net_of


@pytest.fixture
def net(net_with):
    return net_with(PLAIN)


def words_of(written, n):
    return list(written.word_ids[n, 1 : written.word_len[n]])


ALLOWED = [w for w in range(V) if w not in (PAD, START, OOV)]


def greedy_loop(net, n, max_words=MAX, findings_penalty=0.0, findings_words=1, impression=None):
    """The words of image n, and their log-probability, in which the penalty does not count."""
    word, words, total = START, [], 0.0
    h, c = net.start(n)
    while True:
        log_p, h, c = net.step(n, word, h, c)
        if len(words) == max_words:
            return words, total
        scores = np.array(log_p)
        if len(words) < findings_words and impression is not None:
            scores[impression] -= findings_penalty * (findings_words - len(words)) / findings_words
        word = max(ALLOWED, key=lambda w: scores[w])
        total += log_p[word]
        if word == END:
            return words, total
        words.append(word)


def test_greedy_equals_a_loop(net):
    written = net.write(Decoding(max_words=MAX))
    for n in range(B):
        words, total = greedy_loop(net, n)
        assert words_of(written, n) == words
        np.testing.assert_allclose(written.log_probability[n], total, rtol=1e-4)
    assert len({tuple(words_of(written, n)) for n in range(B)}) > 1


def test_greedy_with_a_findings_penalty_equals_a_loop(net):
    plain = net.write(Decoding(max_words=MAX))
    heading = max(set(plain.word_ids[:, 1:].ravel()) - {PAD}, key=list(plain.word_ids[:, 1:].ravel()).count)
    late = {"findings_penalty": 3.0, "findings_words": 4, "impression": int(heading)}
    written, without = (
        net.write(Decoding(max_words=MAX, **late)),
        net.write(Decoding(max_words=MAX, findings_penalty=3.0)),
    )
    for n in range(B):
        words, total = greedy_loop(net, n, **late)
        assert words_of(written, n) == words
        np.testing.assert_allclose(written.log_probability[n], total, rtol=1e-4)
    for held, free in ((written.word_ids, False), (without.word_ids, True)):
        assert np.array_equal(held, plain.word_ids) == free


def test_beam_of_width_one_equals_greedy(net):
    greedy, beam = (net.write(Decoding(method, MAX, width=1)) for method in ("greedy", "beam"))
    for name, one, other in zip(greedy._fields, greedy, beam, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=name)


def beam_loop(net, n, width, length_norm, max_words=MAX):
    """One image's best report and its log-probability: every beam is a row of its own."""
    beams = [(0.0, 0, [START], *net.start(n))]  # log-probability, length, words with <START> and <END>, h, c
    while beams[0][2][-1] != END:
        longer = []
        for total, length, words, h, c in beams:
            if words[-1] == END:
                longer.append((total, length, words, h, c))
                continue
            log_p, h, c = net.step(n, words[-1], h, c)
            if len(words) > max_words:
                longer.append((total, length, [*words, END], h, c))
            else:
                longer += [(total + log_p[w], length + 1, [*words, w], h, c) for w in ALLOWED]
        beams = sorted(longer, key=lambda beam: -beam[0] / max(beam[1], 1) ** length_norm)[:width]
    total, _, words, *_ = beams[0]
    return words[1:-1], total


@pytest.mark.parametrize(("options", "end"), [(PLAIN, -1.0), (DEEP, -7.0)], ids=["plain", "deep"])
@pytest.mark.parametrize(("width", "length_norm"), [(2, 0.0), (3, 1.0)])
def test_beam_search_equals_a_loop(net_with, width, length_norm, options, end):
    """<END> has the bias `end`: without it most reports are empty."""
    net = net_with(options)
    net.set("word_softmax/b", end * tf.one_hot(END, V))
    written = net.write(Decoding("beam", MAX, width=width, length_norm=length_norm))
    assert any(words_of(written, n) != greedy_loop(net, n)[0] for n in range(B)) and max(written.word_len) == MAX + 1
    for n in range(B):
        words, total = beam_loop(net, n, width, length_norm)
        assert words_of(written, n) == words
        np.testing.assert_allclose(written.log_probability[n], total, rtol=1e-4)


@pytest.mark.parametrize("length_norm", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_report_of_all(net, length_norm):
    most = 2
    written = net.write(Decoding("beam", most, width=len(ALLOWED) ** 2 + 1, length_norm=length_norm))
    for n in range(B):
        scores = {}
        for words in itertools.chain.from_iterable(
            itertools.product([w for w in ALLOWED if w != END], repeat=count) for count in range(most + 1)
        ):
            h, c = net.start(n)
            total, word = 0.0, START
            for following in [*words, END]:
                log_p, h, c = net.step(n, word, h, c)
                full = following == END and len(words) == most
                total += 0 if full else log_p[following]
                word = following
            scores[words] = (total, total / max(min(len(words) + 1, most), 1) ** length_norm)
        best = max(scores, key=lambda words: scores[words][1])
        found = tuple(words_of(written, n))
        np.testing.assert_allclose(written.log_probability[n], scores[found][0], rtol=1e-4)
        if length_norm == 0:  # a beam ends when its best report has ended: then no other can overtake it
            assert found == best


@pytest.mark.parametrize("decoding", [Decoding(max_words=MAX), Decoding("beam", MAX)], ids=["greedy", "beam"])
def test_a_batch_equals_its_rows_one_by_one(net, decoding):
    whole = net.write(decoding)
    for n in range(B):
        one = net.write(decoding, net.images[n : n + 1])
        assert words_of(one, 0) == words_of(whole, n)
        T = one.word_len[0]
        np.testing.assert_allclose(one.log_probability[0], whole.log_probability[n], rtol=1e-4)
        np.testing.assert_allclose(one.h[0], whole.h[n, :T], atol=1e-5)
        np.testing.assert_allclose(one.a[0], whole.a[n, :T], atol=1e-5)


@pytest.mark.parametrize(
    "decoding", [Decoding(max_words=MAX), Decoding("beam", MAX), Decoding("sample", MAX)], ids=lambda d: d.method
)
@pytest.mark.parametrize("options", [PLAIN, DEEP], ids=["plain", "deep"])
def test_what_was_written_is_what_reading_it_gives(net_with, decoding, options):
    net = net_with(options)
    written = net.write(decoding)
    assert not np.isin(written.word_ids[:, 1:][written.word_ids[:, 1:] > 0], [START, OOV, END]).any()
    assert (written.word_ids[:, 0] == START).all() and (written.word_len <= MAX + 1).all()
    read = net.run(net.decoder.read(tf.constant(written.word_ids)))
    given = net.run(generate.force(net.decoder, tf.constant(written.word_ids), tf.constant(written.word_len)))
    for n, T in enumerate(written.word_len):
        np.testing.assert_allclose(written.h[n, :T], read.h[n, :T], atol=1e-5)
        np.testing.assert_allclose(written.a[n, :T], read.a[n, :T], atol=1e-5)
        assert not written.h[n, T:].any() and not written.a[n, T:].any()
        if T <= MAX:  # ended by <END>
            np.testing.assert_allclose(written.log_probability[n], given.log_probability[n], rtol=1e-4)


def test_forced_to_the_true_words_it_gives_the_loss_of_training(net, random):
    word_len = np.array([4, 1, 6, 2, 3], np.int32)
    word_ids = np.where(np.arange(6) < word_len[:, None], random.integers(OOV, V, (B, 6)), PAD).astype(np.int32)
    word_ids[:, 0] = START
    given = net.run(generate.force(net.decoder, tf.constant(word_ids), tf.constant(word_len)))
    mask = np.arange(6) < word_len[:, None]
    targets = np.where(np.arange(6) < word_len[:, None] - 1, np.roll(word_ids, -1, 1), END)
    read = net.decoder.read(tf.constant(word_ids))
    logits = net.decoder.word_logits(tf.boolean_mask(read.h, mask), tf.constant(word_ids[mask]), None)
    L_R = losses.report_loss(logits, tf.constant(targets[mask]), np.where(mask)[0], word_len.astype(np.float32))
    np.testing.assert_allclose(-given.log_probability / word_len, net.run(L_R), rtol=1e-4)


def test_sampling_repeats_with_its_seed_and_differs_with_another(net):
    first, again, other = (net.write(Decoding("sample", MAX, seed=seed)).word_ids for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_sampling_follows_the_probabilities_and_the_temperature(net):
    log_p, *_ = net.step(0, START, *net.start(0))
    log_p = log_p[ALLOWED]
    many = np.repeat(net.images[:1], 4000, axis=0)
    for temperature in (1.0, 0.5):
        written = net.write(Decoding("sample", 1, temperature=temperature), many)
        first = np.where(written.word_len > 1, written.word_ids[:, 1] if written.word_ids.shape[1] > 1 else 0, END)
        shares = np.array([(first == w).mean() for w in ALLOWED])
        p = np.exp(log_p / temperature)
        np.testing.assert_allclose(shares, p / p.sum(), atol=0.03)


def test_each_word_is_drawn_anew(net):
    """Two words, each as likely as the other after any state: the second is the first one again half of the time."""
    two = tf.one_hot(V - 1, V) + tf.one_hot(V - 2, V)
    net.set("word_softmax/W_o", 0.0)
    net.set("word_softmax/b", 50 * two)
    words = net.write(Decoding("sample", 3), np.repeat(net.images, 400, axis=0)).word_ids[:, 1:]
    assert set(words.ravel()) == {V - 1, V - 2}
    for t, s in ((0, 1), (1, 2), (0, 2)):
        np.testing.assert_allclose((words[:, t] == words[:, s]).mean(), 0.5, atol=0.05)


def test_what_is_drawn_for_an_image_does_not_depend_on_those_after_it(net):
    whole, first = (net.write(Decoding("sample", MAX), images) for images in (net.images, net.images[:2]))
    for n in range(2):
        assert words_of(whole, n) == words_of(first, n)
    assert words_of(whole, 0) != words_of(whole, 1)


def test_at_temperature_towards_zero_sampling_is_greedy(net):
    greedy, sample = net.write(Decoding(max_words=MAX)), net.write(Decoding("sample", MAX, temperature=1e-4))
    np.testing.assert_array_equal(greedy.word_ids, sample.word_ids)


def test_it_ends_when_every_report_has_ended(net):
    net.set("word_softmax/b", 50 * tf.one_hot(END, V))
    for method in ALONE:
        written = net.write(Decoding(method, 1000))
        assert written.word_ids.shape == (B, 1) and (written.word_len == 1).all()


@pytest.mark.parametrize("n", [2, 3])
def test_no_sequence_of_n_words_comes_twice_in_a_report(net, n):
    """<END> is made unlikely: without the rule most reports go round in circles."""
    net.set("word_softmax/b", -4.0 * tf.one_hot(END, V))
    most = 12

    def repeats(written, row):
        words = [START, *words_of(written, row)]
        sequences = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        return len(sequences) - len(set(sequences))

    free, held = (net.write(Decoding(max_words=most, no_repeat=k)) for k in (None, n))
    assert sum(repeats(free, row) for row in range(B)) > 0 and not any(repeats(held, row) for row in range(B))
    for row in range(B):  # it chooses the likeliest of the words that are left
        word, words, (h, c) = START, [START], net.start(row)
        for following in words_of(held, row):
            log_p, h, c = net.step(row, word, h, c)
            there = {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
            left = [w for w in ALLOWED if (*words[len(words) - n + 1 :], w) not in there]
            word = max(left, key=lambda w: log_p[w])
            assert following == word
            words.append(word)


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_the_loop_over_the_words_reads_no_variable(graph, method):
    """The weights are read before it; only the rows of the word vectors are looked up at each word."""
    config = config_of("caption", deep_output=True, attention_gate=True)
    decoder = Decoder(config, V, 6, tf.ones([2, 4, 4, 8]))
    generate.write(decoder, Decoding(method, max_words=5))
    inside = [op for op in graph.get_operations() if op._get_control_flow_context() is not None]
    inside += [node for function in graph.as_graph_def().library.function for node in function.node_def]
    types = [getattr(op, "type", None) or op.op for op in inside]
    assert "MatMul" in types and len(types) > 50
    assert "ReadVariableOp" not in types and types.count("ResourceGather") >= 1
