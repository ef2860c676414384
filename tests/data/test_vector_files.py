"""Word vectors from files: one rule for every form and every place in a file, and what is left out is said."""

import gzip
import io
import re
import struct
import warnings
import zipfile

import numpy as np
import pytest
from gensim.models import KeyedVectors

from tienet.data import vector_files, word_vectors
from tienet.data.vector_files import read_vectors
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


@pytest.mark.parametrize("ending", [*vector_files.VECTOR_FILES, ".glove.txt"])
def test_vectors_are_read_from_every_form(write, ending):
    known, dim = read_vectors(write(ending), {"lungs", "clear", "unknown"})
    assert dim == 2
    assert set(known) == {"lungs", "clear"}
    np.testing.assert_array_equal(known["lungs"], VALUES[1])
    assert known["lungs"].dtype == np.float32


@pytest.mark.parametrize("ending", vector_files.VECTOR_FILES)
@pytest.mark.parametrize("damage", ["cut", "junk", "empty"])
def test_a_damaged_file_is_one_line(write, ending, damage):
    path = write(ending)
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) * 2 // 3], "junk": b"\xff\x00 junk \x01" * 9, "empty": b""}[damage])
    with pytest.raises(InputError) as error:
        read_vectors(path, set(WORDS))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"words": np.array(WORDS)}, "no array 'vectors'"),
        ({"words": np.array(WORDS), "vectors": VALUES[:2]}, r"words \[3\] and vectors \[2, 2\]"),
        ({"words": np.array(WORDS), "vectors": VALUES[:, 0]}, r"vectors \[3\]; expected"),
        (
            {"words": np.array(WORDS, object), "vectors": VALUES},
            "its array words is damaged, or holds Python's objects",
        ),
        ({"words": np.array(WORDS), "vectors": VALUES * np.nan}, "not a finite number"),
        ({"words": np.array(WORDS), "vectors": VALUES.astype(str)}, "type <U32; expected numbers"),
        ({"words": np.array(["HEART", "Coeur"]), "vectors": VALUES[:2]}, "none of its 2 words"),
    ],
)
def test_a_wrong_npz_is_one_line(arrays, message, tmp_path):
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_vectors(tmp_path / "v.npz", set(WORDS))


def test_other_endings_and_missing_files_are_errors(tmp_path):
    (tmp_path / "v.model").write_bytes(b"")
    with pytest.raises(InputError, match=r"\.npz, \.bin"):
        read_vectors(tmp_path / "v.model", set(WORDS))
    with pytest.raises(FileNotFoundError, match=r"gone\.bin"):
        read_vectors(tmp_path / "gone.bin", set(WORDS))


def test_the_real_npz(shared):
    path = shared / "data" / "text" / "bioasq_pubmed2018_400d_iuxray_subset.npz"
    known, dim = read_vectors(path, {"effusion", "pneumothorax", "qwertz"})
    assert dim == 400
    assert set(known) == {"effusion", "pneumothorax"}


# ---- odd files: which rows are read, and what is said of the others ----

SEVEN = ["the", "lungs", "are", "clear", "no", "effusion", "heart"]
ROWS = {word: np.random.default_rng(n).normal(size=10).astype(np.float32) for n, word in enumerate(SEVEN)}


def row(word: str | bytes, numbers: np.ndarray | None = None, separator: bytes = b" ") -> bytes:
    """A line of text; the numbers of a word of SEVEN are its own."""
    numbers = ROWS.get(word, np.zeros(10)) if numbers is None else numbers
    word = word.encode() if isinstance(word, str) else word
    return separator.join([word, *(repr(float(number)).encode() for number in numbers)]) + b"\n"


TEXT = b"".join(map(row, SEVEN))
CAFE = row(b"caf\xe9")
MANY = b"".join(row(f"w{n}") for n in range(2000))
ONE_OF = "1 of its {} rows left out: 1 "
BAD_8 = ONE_OF.format(8) + "not UTF-8 (the first is row {})"
BAD_2008 = ONE_OF.format("2,008") + "not UTF-8 (the first is row {})"
NOT_10 = "not a word and 10 numbers (the first is row {})"


def binary(*words: str | bytes, header: bytes, separator: bytes = b"") -> bytes:
    rows = b""
    for word in words:
        encoded = word if isinstance(word, bytes) else word.encode()
        rows += encoded + b" " + ROWS.get(word, np.zeros(10)).astype("<f4").tobytes() + separator
    return header + rows


def differs(header: str, rows: str, dim: int = 10) -> str:
    return f"its header says {header}, and it has {rows} of {dim}; all of them are read"


@pytest.mark.parametrize(
    ("name", "content", "notes"),
    [
        ("plain.txt", b"7 10\n" + TEXT, []),
        ("few.txt", b"5 10\n" + TEXT, [differs("5 rows of 10 numbers", "7")]),
        ("many.txt", b"9 10\n" + TEXT, [differs("9 rows of 10 numbers", "7")]),
        ("dim.txt", b"7 300\n" + TEXT, [differs("7 rows of 300 numbers", "7")]),
        ("few.vec.gz", gzip.compress(b"5 10\n" + TEXT), [differs("5 rows of 10 numbers", "7")]),
        ("few.bin", binary(*SEVEN, header=b"5 10\n"), [differs("5 rows of 10 numbers", "7")]),
        ("many.bin", binary(*SEVEN, header=b"9 10\n"), [differs("9 rows of 10 numbers", "7")]),
        ("google.bin", binary(*SEVEN, header=b"7 10\n"), []),
        ("word2vec.c.bin", binary(*SEVEN, header=b"7 10\n", separator=b"\n"), []),
        ("rest.bin", binary(*SEVEN, header=b"7 10\n") + b"end", [
            differs("7 rows of 10 numbers", "8"), ONE_OF.format(8) + NOT_10.format(8),
        ]),
        ("bad.bin", binary(b"caf\xe9", *SEVEN, header=b"8 10\n"), [BAD_8.format(1)]),
        ("first.txt", b"8 10\n" + CAFE + TEXT, [BAD_8.format(1)]),
        ("glove_first.txt", CAFE + TEXT, [BAD_8.format(1)]),
        ("later.txt", b"2008 10\n" + MANY + TEXT + CAFE, [BAD_2008.format("2,008")]),
        ("later.txt.gz", gzip.compress(MANY + CAFE + TEXT), [BAD_2008.format("2,001")]),
        ("in_a_number.txt", TEXT + b"x" + b" 1" * 9 + b" 1\xa0\n", [BAD_8.format(8)]),
        ("glove840.txt", row(". . .") + TEXT + row("at name@domain.com") + row("type 2"), [
            ONE_OF.format(10) + NOT_10.format(10),
        ]),
        ("bom.txt", b"\xef\xbb\xbf7 10\n" + TEXT, []),
        ("bom_glove.vec", b"\xef\xbb\xbf" + TEXT, []),
        ("crlf.vec", (b"7 10\n" + TEXT).replace(b"\n", b"\r\n"), []),
        ("tabs.txt", TEXT.replace(b" ", b"\t"), []),
        ("spaces_at_the_end.vec", b"8 10 \n" + (TEXT + row("\u00a0x")).replace(b"\n", b" \n"), []),
        ("no_end.txt", b"7 10\n" + TEXT.rstrip(), []),
        ("blank.txt", b"\n".join([b"7 10", *TEXT.split(b"\n"), b"", b" "]), []),
        ("repeated.txt", b"8 10\n" + TEXT + row("lungs", np.ones(10)), [
            ONE_OF.format(8) + "with a word that came before (the first is row 8)",
        ]),
        ("uneven.txt", row("a", np.zeros(11)) + TEXT + row("b", np.zeros(3)) + b"\xff\n" + row(b"", np.ones(10)), [
            f"4 of its 11 rows left out: 3 {NOT_10.format(1)}, 1 not UTF-8 (the first is row 10)",
        ]),
    ],
)  # fmt: skip
def test_the_rows_count_and_what_is_left_out_is_said(name, content, notes, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(content)
    known, dim = read_vectors(path, {*SEVEN, "absent"})
    assert dim == 10 and sorted(known) == sorted(SEVEN)
    for word in SEVEN:
        np.testing.assert_array_equal(known[word], ROWS[word])
    assert capsys.readouterr().err.splitlines() == [f"note: {path}: {note}" for note in notes]


def test_a_wanted_word_without_its_numbers_is_left_out(tmp_path, capsys):
    (tmp_path / "v.txt").write_bytes(TEXT + b"liver 1 2 3 4 5 6 7 8 9 0,5\n")
    assert sorted(read_vectors(tmp_path / "v.txt", {*SEVEN, "liver"})[0]) == sorted(SEVEN)
    assert "1 not a word and 10 numbers (the first is row 8)" in capsys.readouterr().err


def test_of_a_repeated_word_of_an_npz_the_first_vector_is_taken(tmp_path, capsys):
    np.savez(tmp_path / "v.npz", words=np.array(["heart", "lungs", "heart"]), vectors=np.eye(3))
    known, _ = read_vectors(tmp_path / "v.npz", {"heart", "lungs"})
    np.testing.assert_array_equal(known["heart"], [1, 0, 0])
    assert "1 with a word that came before (the first is row 3)" in capsys.readouterr().err


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", TEXT)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "cut.txt",
            (b"7 10\n" + TEXT)[:-20],
            "it ends inside of row 7, and its header says 7 rows; fetch the file again",
        ),
        ("cut.txt", (b"8 10\n" + TEXT)[:-3], "it ends inside of row 7, and its header says 8 rows"),
        ("cut.bin", binary(*SEVEN, header=b"7 10\n")[:-2], "it ends inside of row 7, and its header says 7 rows"),
        ("fasttext.bin", struct.pack("<ii", 793712314, 12) + bytes(400), "not start with word2vec's header.*\\.vec"),
        ("no_word.bin", b"7 10\n" + b"x" * (3 << 20), "no word and its numbers after row 0"),
        ("dim.bin", b"7 0\n" + b"heart ", "not start with word2vec's header"),
        ("zip.txt", zipped(), "it is a ZIP archive; unpack it"),
        ("gzip.txt", gzip.compress(TEXT), r"it is a gzip file; unpack it, or let its name end in \.gz"),
        ("utf16.txt", TEXT.decode().encode("utf-16"), "it is UTF-16 text; convert it to UTF-8"),
        ("commas.txt", b"heart 0,5 1,0\n", "none of its first lines is a word and numbers"),
        ("header.txt", b"7 10\n", "none of its first lines is a word and numbers"),
        ("infinite.txt", b"heart 1e40 0\n", "the vector of 'heart' has a value that is not a finite number"),
    ],
)
def test_what_is_no_file_of_vectors_is_one_line(name, content, message, tmp_path, capsys):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_vectors(tmp_path / name, set(SEVEN))
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value) + capsys.readouterr().err


def test_the_reader_has_its_public_address():
    assert word_vectors.read_vectors is read_vectors


def npz(words: object, vectors: object = VALUES) -> bytes:
    file = io.BytesIO()
    np.savez(file, words=np.asarray(words), vectors=np.asarray(vectors))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npz([1, 2, 3]), "words has the type int64; expected text"),
        (npz([0.5, 1.5, 2.5]), "words has the type float64; expected text"),
        (npz(np.zeros(3, [("a", "i4")])), "words has the type .*; expected text"),
        (npz(WORDS, VALUES.astype("c8")), "vectors has the type complex64; expected numbers"),
        (npz(WORDS).replace(b"(3, 2), }", b"(3, 2,   "), "its array vectors is damaged, or holds"),
        (npz(WORDS).replace(b"(3, 2), }", b"(3, 2)xyz"), "its array vectors is damaged"),
        (npz(WORDS).replace(b"'<f4'", b"'|O4'"), "its array vectors is damaged"),
        (b"no archive", "it is damaged"),
    ],
)
def test_a_damaged_npz_is_said_in_words_of_ours(tmp_path, content, message):
    path = tmp_path / "v.npz"
    path.write_bytes(content)
    with warnings.catch_warnings(), pytest.raises(InputError) as told:
        warnings.simplefilter("error")
        read_vectors(path, set(WORDS))
    assert re.fullmatch(rf"{path}: no word vectors could be read from it \({message}.*\)", str(told.value))
