"""What a checkpoint's reports were like: where nobody can use them it is said, and it is read as it was written."""

import json

import pytest

from tienet.checkpoint.writing import Writing


def writing(studies: int = 278, cut: int = 0, distinct: int = 100, **facts) -> Writing:
    return Writing(studies, cut, 100, distinct, **{"words_mean": 30.5, "bleu4": 0.1, "cider": 0.25} | facts)


@pytest.mark.parametrize(
    ("studies", "cut", "distinct", "told"),
    [
        (278, 0, 100, None),
        (278, 27, 6, None),
        (278, 28, 100, "of the 278 reports that it wrote in validation 28 do not end and were cut at 100 words; it"),
        (278, 0, 5, "of the 278 reports that it wrote in validation only 5 are different; it needs more epochs or"),
        (278, 0, 1, "of the 278 reports that it wrote in validation all are the same; it needs"),
        (278, 278, 2, "in validation 278 do not end and were cut at 100 words and only 2 are different; it needs"),
        (10, 1, 2, None),
        (10, 2, 2, "2 do not end"),
        (10, 0, 1, "all are the same"),
        (1, 0, 1, None),
        (20_000, 2_000, 20, None),
        (20_000, 0, 19, "of the 20,000 reports that it wrote in validation only 19 are different"),
    ],
)
def test_what_is_said(studies, cut, distinct, told):
    flaw = writing(studies, cut, distinct).flaw
    if told is None:
        assert flaw is None
    else:
        assert told in flaw and "\n" not in flaw
        assert ("a larger written_words" in flaw) == ("do not end" in flaw)


def test_it_is_read_as_it_was_written():
    for one in (writing(), writing(bleu4=None, cider=None)):
        assert Writing.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize(
    "change",
    [
        {"studies": 0}, {"studies": 99}, {"studies": True}, {"studies": 10**400}, {"cut": -1}, {"cut": 279},
        {"cut": "1"}, {"distinct": None}, {"words_mean": None}, {"words_mean": float("nan")}, {"bleu4": "x"},
        {"cider": float("inf")}, {"more": 1},
    ],
)  # fmt: skip
def test_what_was_not_written_so_is_none(change):
    assert Writing.from_json(writing().to_json() | change) is None
    assert Writing.from_json([]) is None and Writing.from_json({"studies": 3}) is None
