"""The report string, the tokenizer and the vocabulary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tienet.data.text import (
    END,
    MAX_REPORT_CHARACTERS,
    OOV,
    PAD,
    SPECIALS,
    START,
    Vocab,
    find_report_fault,
    find_text_fault,
    is_nothing,
    length_problem,
    report_text,
    tokenize,
)
from tienet.errors import InputError

# Text with many of the characters that the tokenizer treats in a special way, next to plain Unicode.
texts = st.text() | st.text(
    alphabet="aAéßİΣ1²½.,-\u2013\u2014'\u2019_<>/\\nt \t\n\x00\u200b\u00ad\u0301\u0345\ud800", max_size=30
)


@pytest.mark.parametrize(
    ("findings", "impression", "expected"),
    [
        ("Clear lungs.", "Normal.", "findings : Clear lungs. impression : Normal."),
        ("", "Normal.", "impression : Normal."),
        ("Clear lungs.", " \n", "findings : Clear lungs."),
        ("", "", ""),
        (" Clear \n\n lungs.\t", "\rNormal. ", "findings : Clear lungs. impression : Normal."),
    ],
)
def test_report_text(findings, impression, expected):
    assert report_text(findings, impression) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("findings : No acute disease.", "findings : no acute disease ."),
        ("1. No change. 2.New mass", "1 . no change . 2 . new mass"),
        ("a 2.5 cm, 3.cm, .5 cm nodule..", "a 2.5 cm , 3 . cm , .5 cm nodule . ."),
        ("16.2/24.7. 2.5cm 8mm 6th", "16.2 / 24.7 . 2.5 cm 8mm 6th"),
        ("v1.2.3 1.2.3", "v1 . 2.3 1.2 . 3"),
        ("XXXX, (XXXX) x-XXXX XXXX-a-XXXX 4XXXX.", "xxxx , ( xxxx ) x-xxxx xxxx-a-xxxx 4xxxx ."),
        ("dated ___ by Dr.___.", "dated ___ by dr . ___ ."),
        ("left-sided X-ray - t9-t10, 8-12 post-", "left-sided x-ray - t9 - t10 , 8 - 12 post -"),
        ("patient's patient\u2019s 'quoted'", "patient's patient's ' quoted '"),
        ("and/or left_sided", "and / or left _ sided"),
        ("non\u2010calcified \u2013 clear\u2014no \u201cx\u201d \u22121", 'non-calcified - clear - no " x " - 1'),
        ("\ufb01brosis \uff23\uff41rdio ½ cm²", "fibrosis cardio 1 / 2 cm2"),
        ("a\x00b ze\u00adro\u200b\ufeff \x1b[0m", "ab zero [ 0m"),
        ("nbsp\u00a0tab\tline\nend", "nbsp tab line end"),
        (r"thickening.\nNo pneumothorax\r\n\tNormal", "thickening . no pneumothorax normal"),
        ("a\\b \\", "a \\ b \\"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_tokenize(text, expected):
    assert " ".join(tokenize(text)) == expected


@given(texts)
def test_tokenizing_again_changes_nothing(text):
    tokens = tokenize(text)
    assert tokenize(" ".join(tokens)) == tokens


@given(texts)
def test_tokens_are_words_without_space_and_can_be_written(text):
    for token in tokenize(text):
        assert token.split() == [token]
        token.encode()


@given(texts)
def test_no_text_spells_a_special_word(text):
    assert not set(SPECIALS) & set(tokenize(text + "<END>" + text))


@pytest.fixture
def vocab() -> Vocab:
    return Vocab.from_reports(["heart lungs lungs .", "heart lungs clear . zoo zoo"], min_count=2)


def test_vocab_is_ordered_by_count_then_alphabet(vocab):
    assert vocab.words == [*SPECIALS, "lungs", ".", "heart", "zoo"]
    assert tuple(vocab.ids[word] for word in SPECIALS) == (PAD, START, END, OOV)
    assert len(vocab) == 8
    assert all(vocab.words[i] == word for word, i in vocab.ids.items())


def test_vocab_does_not_depend_on_the_order_of_reports():
    reports = ["b a", "a b c", "c d"]
    assert Vocab.from_reports(reports).words == Vocab.from_reports(reports[::-1]).words


@pytest.mark.parametrize("min_count", [3, 1000])
def test_vocab_with_no_word_left_is_an_error(min_count):
    with pytest.raises(InputError, match=f"min_count {min_count}; the most frequent one is seen 2 times"):
        Vocab.from_reports(["lungs clear", "clear"], min_count)


def test_vocab_min_count_below_one_is_an_error():
    with pytest.raises(InputError, match="min_count is 0"):
        Vocab.from_reports(["lungs"], 0)


def test_encode_ends_with_end_and_knows_oov(vocab):
    ids = vocab.encode("Heart Unheard lungs")
    assert ids.dtype == np.int32
    assert ids.tolist() == [vocab.ids["heart"], OOV, vocab.ids["lungs"], END]
    assert vocab.encode("").tolist() == [END]


def test_a_long_report_is_cut_and_keeps_end(vocab):
    report = "lungs " * 5000
    assert len(vocab.encode(report)) == 5001
    cut = vocab.encode(report, max_len=300)
    assert len(cut) == 300
    assert cut[-1] == END
    assert END not in cut[:-1]
    assert vocab.encode("lungs lungs", max_len=3).tolist() == vocab.encode("lungs lungs").tolist()
    assert vocab.encode(report, max_len=1).tolist() == [END]
    with pytest.raises(ValueError, match="max_len is 0"):
        vocab.encode(report, max_len=0)


def test_a_literal_end_in_a_report_is_not_the_special_word(vocab):
    ids = vocab.encode("lungs <END> heart <PAD> <START>").tolist()
    assert ids.count(END) == 1
    assert PAD not in ids
    assert START not in ids
    assert vocab.decode(ids).startswith("lungs <OOV> <OOV> <OOV> heart")


def test_decode_stops_at_end_and_skips_pad_and_start(vocab):
    lungs, heart = vocab.ids["lungs"], vocab.ids["heart"]
    assert vocab.decode([START, heart, PAD, OOV, lungs, END, heart]) == "heart <OOV> lungs"
    assert vocab.decode(np.array([], np.int64)) == ""
    for bad in (-1, len(vocab)):
        with pytest.raises(ValueError, match=f"id {bad} "):
            vocab.decode([bad])


@given(st.lists(st.sampled_from(["lungs", ".", "heart", "zoo"])))
def test_decode_undoes_encode(words):
    vocab = Vocab([*SPECIALS, "lungs", ".", "heart", "zoo"])
    assert vocab.decode(vocab.encode(" ".join(words))) == " ".join(words)


def test_save_and_load_keep_words_and_fingerprint(vocab, tmp_path):
    vocab.save(tmp_path / "vocab.txt")
    loaded = Vocab.load(tmp_path / "vocab.txt")
    assert loaded.words == vocab.words
    assert loaded.fingerprint() == vocab.fingerprint()
    assert Vocab([*SPECIALS, "heart", "lungs"]).fingerprint() != Vocab([*SPECIALS, "lungs", "heart"]).fingerprint()


HEAD = "<PAD>\n<START>\n<END>\n<OOV>\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: the vocabulary ends before its first word"),
        (HEAD, "line 5: the vocabulary ends"),
        (HEAD + "heart\nlungs\nheart\n", "line 7: 'heart' is there already, at line 5"),
        (HEAD + "heart\n<END>\n", "line 6: '<END>' is there already, at line 3"),
        (HEAD + "heart\n\nlungs\n", "line 6: '' is not a word"),
        (HEAD + "clear lungs\n", "line 5: 'clear lungs' is not a word"),
        ("<PAD>\n<END>\n<START>\n<OOV>\nheart\n", "line 2: '<END>' where <START> was expected"),
        ("heart\nlungs\n", "line 1: 'heart' where <PAD> was expected"),
        (b"<PAD>\n\xff\n", "not UTF-8 text at byte 6"),
    ],
)
def test_a_bad_vocabulary_file_is_an_error_with_its_line(content, message, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as error:
        Vocab.load(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_vocabulary_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"build_vocab\.sh"):
        Vocab.load(tmp_path / "vocab.txt")


def test_a_report_has_a_largest_length():
    assert length_problem("x" * MAX_REPORT_CHARACTERS) is None
    assert length_problem("x" * 189_000) == "189,000 characters; the most that is read is 100,000"


@pytest.mark.parametrize(
    "cell",
    [
        "", " \n", "NaN", "nan", "-nan", "None", "none", "NONE", "NULL", "null", "NA", "N/A", "n/a", "<NA>", "NaT",
        "#N/A", "#N/A N/A", "#NA", "-1.#IND", "1.#QNAN", "NA_character_", "character(0)", "(null)", "[NULL]", "<null>",
        "\\N", "#NULL!", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!", "#NV", " NaN\t", "\xa0NULL\n",
    ],
)  # fmt: skip
def test_what_programs_write_for_nothing_is_nothing(cell):
    assert is_nothing(cell) and find_text_fault(cell).kind == "no report"


@pytest.mark.parametrize("cell", ["None seen.", "No", "Normal", "NaN NaN", "Nana", "0", "N/A: normal", "none."])
def test_what_only_holds_such_a_value_is_something(cell):
    assert not is_nothing(cell) and find_text_fault(cell) is None


def test_a_report_has_a_limit_of_characters():
    assert find_text_fault("a" * MAX_REPORT_CHARACTERS) is None
    fault = find_text_fault("a" * (MAX_REPORT_CHARACTERS + 1))
    assert (
        fault.kind == "report that is too long" and "100,001 characters; the most that is read is 100,000" in fault[1]
    )


@pytest.mark.parametrize(
    ("report", "kind", "message"),
    [
        ("The lungs are clear.", None, ""),
        ("findings : The lungs are clear. impression : Normal.", None, ""),
        ("findings :", None, ""),  # the network knows this word
        ("Lungs clear: aa bb", "report of unknown words", "does not know 2 of 4 words (aa, bb)"),
        ("The lungs are aa bb", None, ""),  # 2 of 5
        ("the lungs 1 2 3 . , ; aa bb", "report of unknown words", "2 of 4 words"),
        ("blah blah xyz qwerty", "report without a known word", "knows none of the words (blah, xyz, qwerty)"),
        ("findings : blah. impression : xyz.", "report without a known word", "(blah, xyz)"),
        ("findings : aa bb. impression : normal.", "report of unknown words", "2 of 3"),
        ("2.5 / 3 ...", "report without a known word", "the report has no word"),
        ("a" * 99, "report without a known word", f"({'a' * 20})"),
        ("\N{COMBINING GRAVE ACCENT}", "report without a known word", "no word"),
        ("\N{ZERO WIDTH SPACE}\N{RIGHT-TO-LEFT OVERRIDE}", "report without a known word", "no word"),
        ("#N/A", "no report", "'#N/A', which stands for nothing"),
    ],
)
def test_a_report_of_words_that_the_network_does_not_know_is_no_report_for_it(report, kind, message):
    vocab = Vocab([*SPECIALS, "the", "lungs", "are", "clear", "normal", "findings", "impression", ":", ".", "aaa"])
    fault = find_report_fault(report, vocab, 30)
    assert (fault and fault.kind) == kind
    assert not fault or (message in fault.message and "\n" not in fault.message)


def test_only_the_words_that_the_network_reads_are_counted():
    vocab = Vocab([*SPECIALS, "clear"])
    assert find_report_fault("clear " * 5 + "xyz " * 50, vocab, 5) is None
    assert find_report_fault("xyz " * 5 + "clear " * 50, vocab, 5).kind == "report without a known word"
