"""What holds of tokenizer and vocabulary for any text."""

import string
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tienet.data.text import END, OOV, PAD, SPECIALS, START, Vocab, report_text, tokenize
from tienet.errors import InputError

steady = settings(derandomize=True, max_examples=120, deadline=None)

ascii_texts = st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + " \t\n", max_size=80)
odd = "aAzéßİΣǅﬁ\u0661²½.,-\u2013\u2014'\u2019_<>/ \t\n\x85\u2028\x00\u200b\u00ad\u0301\u0345\ud800\U0001f600"
texts = st.text(max_size=60) | st.text(alphabet=odd, max_size=40) | ascii_texts
reports = st.lists(texts, min_size=1, max_size=6)
words = st.sampled_from(["lungs", "heart", "x-ray", "patient's", "2.5", "8mm", "xxxx", "___", ".", "<", "é"])
sentences = st.lists(words, max_size=20).map(" ".join)


def built(some_reports: list[str], min_count: int = 1) -> Vocab:
    assume(any(n >= min_count for n in Counter(t for report in some_reports for t in tokenize(report)).values()))
    return Vocab.from_reports(some_reports, min_count)


# ---- tokenizer ----


@steady
@given(ascii_texts)
def test_no_character_is_lost_added_or_moved(text):
    assert "".join(tokenize(text)) == "".join(text.lower().split())


@steady
@given(ascii_texts)
def test_case_does_not_matter(text):
    assert tokenize(text.upper()) == tokenize(text.lower()) == tokenize(text)


@steady
@given(texts, texts)
def test_a_space_parts_words_whatever_stands_beside_it(left, right):
    assert tokenize(f"{left} {right}") == tokenize(left) + tokenize(right)


@steady
@given(texts, st.sampled_from(["  ", "\n", "\t ", "\r\n", "\u00a0", "\u2028"]))
def test_one_white_space_is_like_another(text, space):
    assert tokenize(text.replace(" ", space)) == tokenize(text)
    assert tokenize(space + text + space) == tokenize(text)


@steady
@given(texts)
def test_words_are_whole_lower_case_and_stay_so(text):
    tokens = tokenize(text)
    assert tokenize(" ".join(tokens)) == tokens
    for token in tokens:
        assert token.split() == [token] and token.encode() and tokenize(token) == [token]


@steady
@given(texts, texts)
def test_a_report_has_the_words_of_its_sections_in_their_order(findings, impression):
    expected = []
    for name, text in (("findings", findings), ("impression", impression)):
        expected += [name, ":", *tokenize(text)] if text.strip() else []
    assert tokenize(report_text(findings, impression)) == expected


# ---- vocabulary ----


@steady
@given(reports, st.integers(1, 3))
def test_a_vocabulary_is_the_words_seen_often_enough(some_reports, min_count):
    counts = Counter(token for report in some_reports for token in tokenize(report))
    often = {token for token, n in counts.items() if n >= min_count}
    if not often:
        with pytest.raises(InputError, match="no word is left"):
            Vocab.from_reports(some_reports, min_count)
        return
    vocab = Vocab.from_reports(some_reports, min_count)
    assert tuple(vocab.words[: len(SPECIALS)]) == SPECIALS and set(vocab.words[len(SPECIALS) :]) == often
    seen = [counts[word] for word in vocab.words[len(SPECIALS) :]]
    assert seen == sorted(seen, reverse=True) and len(vocab) == len(set(vocab.words))
    assert Vocab.from_reports(some_reports[::-1], min_count).fingerprint() == vocab.fingerprint()


@steady
@given(reports)
def test_decode_gives_the_words_that_were_encoded(some_reports):
    vocab = built(some_reports)
    for report in some_reports:
        ids = vocab.encode(report)
        assert OOV not in ids and vocab.decode(ids).split() == tokenize(report)
        assert vocab.encode(vocab.decode(ids)).tolist() == ids.tolist()


@steady
@given(reports, texts)
def test_ids_of_any_text_are_in_the_vocabulary_and_end_once(some_reports, text):
    vocab = built(some_reports)
    ids = vocab.encode(text).tolist()
    assert len(ids) == len(tokenize(text)) + 1 and ids[-1] == END and ids.count(END) == 1
    assert all(0 <= i < len(vocab) and i not in (PAD, START) for i in ids)
    known = [token if token in vocab.ids else "<OOV>" for token in tokenize(text)]
    assert vocab.decode(ids).split() == known


@steady
@given(sentences, st.integers(1, 25))
def test_a_cut_report_is_the_start_of_the_whole_one(text, max_len):
    vocab = Vocab([*SPECIALS, "lungs", "heart", ".", "2.5"])
    whole, cut = vocab.encode(text).tolist(), vocab.encode(text, max_len).tolist()
    assert cut == [*whole[:-1][: max_len - 1], END]


@steady
@given(sentences, st.lists(st.integers(0, 7), max_size=5), st.integers(0, 5))
def test_what_follows_the_end_and_padding_change_nothing(text, rest, padding):
    vocab = Vocab([*SPECIALS, "lungs", "heart", ".", "2.5"])
    ids = vocab.encode(text).tolist()
    assert vocab.decode([START, *ids, *rest]) == vocab.decode(ids)
    assert vocab.decode([*ids[:-1], *[PAD] * padding]) == vocab.decode(ids)


@steady
@given(reports)
def test_a_saved_vocabulary_is_read_as_it_was(some_reports):
    vocab = built(some_reports)
    with tempfile.TemporaryDirectory() as folder:
        vocab.save(Path(folder) / "vocab.txt")
        loaded = Vocab.load(Path(folder) / "vocab.txt")
    assert loaded.words == vocab.words and loaded.fingerprint() == vocab.fingerprint()
