"""Word vectors that are learnt, and the matrix of a vocabulary."""

import gzip

import numpy as np
import pytest

from tienet.data import word_vectors
from tienet.data.text import OOV, PAD, SPECIALS, START, Vocab
from tienet.errors import InputError


def test_fill_matrix_keeps_known_rows_and_draws_the_rest_from_their_scale():
    rng = np.random.default_rng(1)
    vocab = Vocab([*SPECIALS, *(f"w{i}" for i in range(4000))])
    mean, std = np.array([5, -1, 0]), np.array([0.1, 2, 7])
    known = {f"w{i}": rng.normal(mean, std).astype(np.float32) for i in range(2000)}
    matrix = word_vectors.fill_matrix(vocab, {**known, "not in the vocabulary": np.full(3, 1e6, np.float32)}, seed=0)
    assert matrix.shape == (4004, 3)
    assert matrix.dtype == np.float32
    assert not matrix[PAD].any()
    np.testing.assert_array_equal(matrix[4:2004], np.stack(list(known.values())))
    np.testing.assert_allclose(matrix[2004:].mean(0), mean, atol=0.5)
    np.testing.assert_allclose(matrix[2004:].std(0), std, rtol=0.1)
    assert matrix[[START, OOV]].all()
    np.testing.assert_array_equal(matrix, word_vectors.fill_matrix(vocab, known, seed=0))
    assert (matrix[START] != word_vectors.fill_matrix(vocab, known, seed=1)[START]).all()


def test_fill_matrix_without_a_known_word_is_an_error():
    with pytest.raises(InputError, match="no word of the vocabulary has a vector"):
        word_vectors.fill_matrix(Vocab([*SPECIALS, "heart"]), {"lungs": np.ones(2)}, seed=0)


def test_word2vec_learns_which_words_are_alike_and_is_the_same_each_time(tmp_path):
    rng = np.random.default_rng(0)
    topics = [["heart", "aorta", "atrium"], ["bone", "rib", "spine"]]
    lines = [" ".join(rng.choice(topics[i % 2], 12)) + "\n" for i in range(400)]
    path = tmp_path / "corpus.txt.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    settings = {"dim": 8, "min_count": 1, "epochs": 5, "n_lines": len(lines)}
    first = word_vectors.train_word2vec([path], ["Heart once."], seed=3, **settings)
    again = word_vectors.train_word2vec([path], ["Heart once."], seed=3, **settings)
    other = word_vectors.train_word2vec([path], ["Heart once."], seed=4, **settings)
    assert set(first) == {*topics[0], *topics[1], "once", "."}
    for word in first:
        np.testing.assert_array_equal(first[word], again[word])
    assert (first["heart"] != other["heart"]).any()

    def cosine(a, b):
        return first[a] @ first[b] / np.linalg.norm(first[a]) / np.linalg.norm(first[b])

    assert cosine("heart", "aorta") > cosine("heart", "rib") + 0.3


def test_a_byte_order_mark_is_not_part_of_the_first_word(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfheart\n")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfheart\n"))
    assert [list(word_vectors.read_lines(tmp_path / name)) for name in ("a.txt", "a.txt.gz")] == [["heart\n"]] * 2


def test_describe_corpus_counts_plain_and_packed_text_alike(tmp_path):
    (tmp_path / "a.txt").write_text("no effusion.\n\nclear lungs\n")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress((tmp_path / "a.txt").read_bytes()))
    for name in ("a.txt", "a.txt.gz"):
        described = word_vectors.describe_corpus(tmp_path / name)
        assert (described["lines"], described["words"]) == (3, 4)
        assert described["bytes"] == (tmp_path / name).stat().st_size
        assert len(described["sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "cut.txt.gz",
            gzip.compress(np.random.default_rng(0).bytes(500).hex().encode(), mtime=0)[:-20],
            "after line 0: damaged",
        ),
        ("plain.txt.gz", b"plain text\n", "damaged"),
        ("crc.txt.gz", gzip.compress(b"a line\n", mtime=0)[:-8] + bytes(8), "after line 1: damaged"),
        ("latin.txt", b"fine\ncaf\xe9\n", "not UTF-8 text"),
        ("blank.txt", b"\n \n", "no words in it"),
        ("empty.txt.gz", gzip.compress(b"", mtime=0), "no words in it"),
    ],
)
def test_a_bad_corpus_is_one_line(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        word_vectors.describe_corpus(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)
