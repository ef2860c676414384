"""R2Gen's words, on examples that were cleaned by hand after its rules, and on its own file."""

import pytest

from tienet.data.readable_text import join_words
from tienet.data.text import tokenize
from tienet.evaluation.protocols.published_studies import read_published
from tienet.evaluation.protocols.r2gen_words import MAX_TOKENS, R2GenWords, clean


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Both lungs are clear. No effusion.", "both lungs are clear . no effusion ."),
        ("No dot at the end", "no dot at the end ."),
        ("1. Clear lungs. 2. Normal heart. 3. No nodule.", "clear lungs . normal heart . no nodule ."),
        ("Clear lungs 2. Normal heart", "clear lungs . normal heart ."),  # the number ends a sentence without a dot
        ("Old scar. 4. No mass 5. Stable.", "old scar . no mass . stable ."),
        ("A rib. 6. Stable.", "a rib . 6 . stable ."),  # numbers above five stay
        ("Wedge of T11. The rest is normal.", "wedge of t1the rest is normal ."),  # "1. " goes wherever it is
        ("A nodule of 2.5 cm, calcified.", "a nodule of 25 cm calcified ."),
        ("Left-sided PICC (tip in SVC); [new]?", "left-sided picc tip in svc new ."),
        ('The patient\'s "old" scar/fibrosis: 50% *stable*!', "the patients old scarfibrosis 50 stable ."),
        ("Clear lungs... Normal heart.. .", "clear lungs . normal heart . ."),  # a sentence without a word has a dot
        ("Clear.No space.", "clearno space ."),  # a dot without a space after it ends nothing
        ("x-XXXX & XXXX {a} <b> = c_d + #e", "x-xxxx xxxx a b cd #e ."),
        ("", "."),
    ],
)
def test_cleaning(text, words):
    assert " ".join(clean(text)) == words


def test_words_that_are_seen_less_than_three_times_are_unknown():
    words = R2GenWords(["Heart normal. Lungs clear.", "heart normal", "HEART large"])
    assert words.known == {"heart", "."}  # three hearts; four dots; normal twice
    assert words.of_written("the heart is normal .") == ["<unk>", "heart", "<unk>", "<unk>", "."]
    assert words.of_reference("Heart.") == ["heart", "."]


def test_texts_are_cut_and_a_reference_has_one_word_less():
    words = R2GenWords(["a b c"] * 3)
    long = "a b c " * MAX_TOKENS
    assert len(words.of_written(long)) == MAX_TOKENS == 60
    assert len(words.of_reference(long)) == MAX_TOKENS - 1
    assert len(words.of_written("a " * 59)) == 60  # with its dot


def test_no_text_is_no_word():
    words = R2GenWords(["a. b. c."] * 3)
    assert words.of_written(" ") == [] and words.of_reference("") == ["."]


def test_our_words_lead_to_the_same_cleaned_text(shared):
    """What our tokenizer splits off is put back before the cleaning; a few reports lack a space after a dot."""
    published = read_published(shared / "data/openi/r2gen_annotation.json", "r2gen")
    findings = [study.findings for study in published.test] + published.train_findings
    assert len(findings) == 590 + 2069
    differ = [text for text in findings if clean(join_words(" ".join(tokenize(text)))) != clean(text)]
    assert len(differ) < 0.01 * len(findings)
    glued = [text for text in findings if clean(" ".join(tokenize(text))) != clean(text)]
    assert len(glued) > 0.04 * len(findings)  # so joining matters


def test_the_vocabulary_of_r2gens_file(shared):
    published = read_published(shared / "data/openi/r2gen_annotation.json", "r2gen")
    words = R2GenWords(published.train_findings)
    assert 700 < len(words.known) < 800  # with <unk>, R2Gen's published model has 760 words
    lengths = [len(words.of_reference(study.findings)) for study in published.test]
    assert max(lengths) == 59 and sum(length == 59 for length in lengths) < 40
