"""Two sheets compared: which studies they share, what is said of each label, and what is refused."""

import json
import re

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.hand_labels.a_data_set import random_answers, sheet_of
from tienet.errors import InputError
from tienet.hand_labels.agreement import assist_notes, compare, compare_all, share
from tienet.hand_labels.agreement_table import format_agreement
from tienet.hand_labels.kappa import ALL, MEAN
from tienet.labels import FINDINGS, LABELS, K


def names(numbers):
    return [f"s{n}" for n in numbers]


@pytest.fixture
def two():
    """anna has the studies 0 to 39, ben 10 to 49; ben gives anna's answer in about four of five."""
    answers, others = random_answers(0, 50), random_answers(1, 50)
    of_ben = np.where(np.random.default_rng(2).random((50, K)) < 0.8, answers, others)
    return sheet_of("anna", answers[:40]), sheet_of("ben", of_ben[10:], names(range(10, 50)))


def test_what_both_have_finished_is_compared(two):
    result = compare(*two, resamples=20)
    assert (result["studies"], result["patients"], result["readers"]) == (30, 15, ["anna", "ben"])
    assert set(result["only"]["anna"]) == set(names(range(10)))
    assert set(result["only"]["ben"]) == set(names(range(40, 50)))
    a, b = two[0].answers[10:], two[1].answers[:30]
    for k, label in enumerate(LABELS):
        entry = result["labels"][label]
        assert entry["kappa"] == pytest.approx(cohen_kappa_score(a[:, k], b[:, k]))
        assert entry["agreement"] == pytest.approx((a[:, k] == b[:, k]).mean())
        assert entry["kappa_lo"] <= entry["kappa_hi"]
        counts = [entry[name] for name in ("there_a", "there_b", "there_both", "cannot_tell_a", "cannot_tell_b")]
        expected = [a[:, k] == 1, b[:, k] == 1, (a[:, k] == 1) & (b[:, k] == 1), a[:, k] == -1, b[:, k] == -1]
        assert counts == [case.sum() for case in expected]
        assert entry["differ"] == (a[:, k] != b[:, k]).sum()
        assert entry["pairs"]["not there"]["cannot tell"] == ((a[:, k] == 0) & (b[:, k] == -1)).sum()
    assert result[ALL]["studies"] == 30 * len(FINDINGS)
    assert result[MEAN]["covered"]["kappa"] == len(FINDINGS)
    json.dumps(result, allow_nan=False)


def test_a_label_that_one_was_not_asked_is_not_compared(two):
    anna, ben = two
    anna.answers[:, 3] = np.nan
    anna.answers[10:20, 4] = np.nan
    result = compare(anna, ben, resamples=5)
    assert result["labels"][LABELS[3]]["studies"] == 0
    assert result["labels"][LABELS[3]]["kappa"] is None
    assert result["labels"][LABELS[4]]["studies"] == 20
    assert f"Not asked of both: {LABELS[3]}." in format_agreement(result)


def test_the_order_of_studies_does_not_matter(two):
    anna, ben = two
    order = np.random.default_rng(3).permutation(40)
    mixed = sheet_of("ben", ben.answers[order], [ben.study_ids[n] for n in order])
    assert compare(anna, mixed, resamples=20) == compare(anna, ben, resamples=20)


def test_the_readers_may_be_swapped(two):
    one, other = compare(*two, resamples=20), compare(*two[::-1], resamples=20)
    for label in LABELS:
        for name in ("kappa", "kappa_lo", "kappa_two_states", "agreement_hi", "positive_agreement", "differ"):
            assert one["labels"][label][name] == other["labels"][label][name]
        assert one["labels"][label]["there_a"] == other["labels"][label]["there_b"]


def test_three_readers_are_three_pairs(two):
    carl = sheet_of("carl", random_answers(9, 40))
    assert [one["readers"] for one in compare_all([*two, carl], resamples=2)] == [
        ["anna", "ben"],
        ["anna", "carl"],
        ["ben", "carl"],
    ]
    with pytest.raises(InputError, match="--agree: 1 sheet; expected two or more"):
        compare_all([carl])


def test_sheets_that_do_not_fit_are_refused(two):
    anna, ben = two
    with pytest.raises(InputError, match=r"are both of reader anna; expected sheets of different readers"):
        share(anna, sheet_of("anna", ben.answers, ben.study_ids))
    with pytest.raises(InputError, match=r"share none of their 40 and 2 studies \(the first are s0 and s90\)"):
        share(anna, sheet_of("ben", random_answers(0, 2), ["s90", "s91"]))
    with pytest.raises(InputError, match=r"ben\.csv: study s1 is of patient 'x', and of 'p0' in anna\.csv"):
        share(anna, sheet_of("ben", random_answers(0, 2), ["s0", "s1"], ["p0", "x"]))
    with pytest.raises(InputError, match=r"no label was asked of both in the 30 studies they share"):
        share(anna, sheet_of("ben", np.full((40, K), np.nan), ben.study_ids))


def test_a_rare_label_is_a_paradox_and_undefined_ones_are_said():
    a, b = np.zeros((100, K)), np.zeros((100, K))
    a[0, 0] = b[1, 0] = 1  # share .98, kappa below 0
    a[:30, 1] = b[:29, 1] = 1
    a[:50, 3], b[25:75, 3] = 1, 1  # share .5, kappa 0
    result = compare(sheet_of("anna", a), sheet_of("ben", b), resamples=50)
    rare, clear = result["labels"]["Atelectasis"], result["labels"]["Cardiomegaly"]
    assert rare["paradox"]
    assert not clear["paradox"]
    assert result["labels"]["Infiltration"]["kappa"] == pytest.approx(0)
    assert not result["labels"]["Infiltration"]["paradox"]
    assert not result["labels"]["Effusion"]["paradox"]
    text = re.sub(r"\s+", " ", format_agreement(result))
    assert "kappa below 0.4 of Atelectasis. Most of that share is agreement that these are not there" in text
    assert "one and the same answer throughout: Effusion," in text
    assert result["bootstrap"]["left_out"]["Atelectasis"]["kappa"] > 0
    assert "3 have a kappa" in text


def test_the_table_has_its_figures_and_its_lines_fit(two):
    result = compare(*two, resamples=100)
    text = format_agreement(result)
    assert text.startswith("A is anna, B is ben. Both have finished 30 studies of 15 patients")
    row = next(line for line in text.splitlines() if line.startswith("Nodule") and "." in line)
    entry = result["labels"]["Nodule"]
    assert row.split()[1:5] == [
        f"{entry['agreement']:.3f}",
        f"{entry['agreement_lo']:.3f}",
        "to",
        f"{entry['agreement_hi']:.3f}",
    ]
    assert all(len(line) <= 120 for line in text.splitlines())
    assert "Only anna has finished: s0, s1, s2, s3, s4 and 5 more." in text


def test_who_saw_a_networks_labels_is_a_warning(two):
    anna = sheet_of("anna", random_answers(0, 4), assist="runs/a")
    assert assist_notes(two) == []
    (note,) = assist_notes([anna, two[1]])
    assert note.startswith("warning: anna saw the labels of runs/a in 4 of 4 studies")
    assert compare(anna, sheet_of("ben", random_answers(1, 4)), resamples=2)["assist"] == {"anna": {"runs/a": 4}}
