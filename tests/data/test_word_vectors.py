"""Word vectors from text and from files."""

import gzip

import numpy as np
import pytest
from gensim.models import KeyedVectors

from tienet.data import word_vectors
from tienet.data.text import OOV, PAD, SPECIALS, START, Vocab
from tienet.errors import InputError

WORDS = ["heart", "lungs", "clear"]
VALUES = np.array([[1, 2], [3, -4], [0.5, 0]], np.float32)


@pytest.fixture
def write(tmp_path):
    """A function that writes WORDS and VALUES in the format that the ending of the file name means."""

    def write_as(ending: str):
        path = tmp_path / f"vectors{ending}"
        if ending == ".npz":
            np.savez(path, words=np.array(WORDS), vectors=VALUES)
        elif ending == ".glove.txt":
            lines = [" ".join([word, *map(str, row)]) for word, row in zip(WORDS, VALUES, strict=True)]
            path.write_text("\n".join(lines) + "\n")
        else:
            vectors = KeyedVectors(2)
            vectors.add_vectors(WORDS, VALUES)
            vectors.save_word2vec_format(str(path), binary=".bin" in ending)
        return path

    return write_as


@pytest.mark.parametrize("ending", [*word_vectors.VECTOR_FILES, ".glove.txt"])
def test_vectors_are_read_from_every_form(write, ending):
    known, dim = word_vectors.read_vectors(write(ending), {"lungs", "clear", "unknown"})
    assert dim == 2
    assert set(known) == {"lungs", "clear"}
    np.testing.assert_array_equal(known["lungs"], VALUES[1])
    assert known["lungs"].dtype == np.float32


@pytest.mark.parametrize("ending", word_vectors.VECTOR_FILES)
@pytest.mark.parametrize("damage", ["cut", "junk", "empty"])
def test_a_damaged_file_is_one_line(write, ending, damage):
    path = write(ending)
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) * 2 // 3], "junk": b"\xff\x00 junk \x01" * 9, "empty": b""}[damage])
    with pytest.raises(InputError) as error:
        word_vectors.read_vectors(path, set(WORDS))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"words": np.array(WORDS)}, "no array 'vectors'"),
        ({"words": np.array(WORDS), "vectors": VALUES[:2]}, r"words \[3\] and vectors \[2, 2\]"),
        ({"words": np.array(WORDS), "vectors": VALUES[:, 0]}, r"vectors \[3\]; expected"),
        ({"words": np.array(WORDS, object), "vectors": VALUES}, "Object arrays cannot be loaded"),
        ({"words": np.array(WORDS), "vectors": VALUES * np.nan}, "not a finite number"),
        ({"words": np.array(WORDS), "vectors": VALUES.astype(str)}, "type <U32; expected numbers"),
        ({"words": np.array(["HEART", "Coeur"]), "vectors": VALUES[:2]}, "none of its 2 words"),
    ],
)
def test_a_wrong_npz_is_one_line(arrays, message, tmp_path):
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(InputError, match=message):
        word_vectors.read_vectors(tmp_path / "v.npz", set(WORDS))


def test_other_endings_and_missing_files_are_errors(tmp_path):
    (tmp_path / "v.model").write_bytes(b"")
    with pytest.raises(InputError, match=r"\.npz, \.bin"):
        word_vectors.read_vectors(tmp_path / "v.model", set(WORDS))
    with pytest.raises(FileNotFoundError, match=r"gone\.bin"):
        word_vectors.read_vectors(tmp_path / "gone.bin", set(WORDS))


def test_the_real_npz(shared):
    path = shared / "data" / "text" / "bioasq_pubmed2018_400d_iuxray_subset.npz"
    known, dim = word_vectors.read_vectors(path, {"effusion", "pneumothorax", "qwertz"})
    assert dim == 400
    assert set(known) == {"effusion", "pneumothorax"}


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
