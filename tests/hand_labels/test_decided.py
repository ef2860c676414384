"""What a third reader is asked, and the data set that comes out."""

import dataclasses
import json

import numpy as np
import pytest

from tests.hand_labels.a_data_set import random_answers, sheet_of, write_data_set
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.hand_labels import agreement, decided
from tienet.labels import LABELS, K


@pytest.fixture
def studies(tmp_path):
    return write_data_set(tmp_path / "data", 12)


@pytest.fixture
def shared():
    """anna has s0 to s9, ben s2 to s11; they differ in some labels of all but s2, s3 and s4."""
    of_anna, of_ben = random_answers(0, 12), random_answers(1, 12)
    of_ben[:5] = of_anna[:5]
    return agreement.share(sheet_of("anna", of_anna[:10]), sheet_of("ben", of_ben[2:], [f"s{n}" for n in range(2, 12)]))


def third(shared, studies, answer: int = 1):
    """carla's sheet, with one answer to all."""
    asked = decided.questions(shared, studies)
    answers = [[answer if label in question.asked else np.nan for label in LABELS] for question in asked]
    return sheet_of("carla", answers, [question.study_id for question in asked])


def test_what_differs_is_asked_with_both_answers(shared, studies):
    asked = {question.study_id: question for question in decided.questions(shared, studies)}
    assert set(asked) == {f"s{n}" for n in range(5, 10)}
    for n, study in enumerate(shared.study_ids):
        for k, label in enumerate(LABELS):
            a, b = shared.answers_a[n, k], shared.answers_b[n, k]
            if a == b:
                assert study not in asked or asked[study].settled[label] == a
            else:
                assert asked[study].given[label] == (a, b) and label in asked[study].asked
    question = asked["s5"]
    assert question.report == "report 5" and question.image.name == "5.png" and question.patient_id == "p2"


@pytest.mark.parametrize("answer", [1, 0, -1])
def test_agreed_labels_are_theirs_and_the_others_are_the_thirds(shared, studies, answer):
    labels = decided.decide(shared, third(shared, studies, answer))
    for n in range(len(shared.study_ids)):
        for k in range(K):
            a, b = shared.answers_a[n, k], shared.answers_b[n, k]
            expected = a if a == b else answer
            np.testing.assert_equal(labels[n, k], np.nan if expected == -1 else expected)


def test_the_data_set_is_read_as_any_other_with_its_readers(shared, studies, tmp_path):
    decided.write_data_set(tmp_path / "out", shared, third(shared, studies), studies)
    found = manifests.load(str(tmp_path / "out"))
    assert found.study_ids == shared.study_ids and set(found.splits) == {"test"}
    assert found.images == [studies.images[studies.study_ids.index(study)] for study in shared.study_ids]
    np.testing.assert_array_equal(found.labels, decided.decide(shared, third(shared, studies)))
    kappa = agreement.compare(shared.a, shared.b)["all findings"]
    note = found.notes[0]
    assert note.startswith("labelled by hand by anna and ben, kappa ") and "carla decided the " in note
    assert f"kappa {kappa['kappa']:.2f} (95% {kappa['kappa_lo']:.2f} to {kappa['kappa_hi']:.2f})" in note
    noted = json.loads((tmp_path / "out" / "readers.json").read_text())
    assert noted["studies"] == 8 and noted["differed"] == int((shared.answers_a != shared.answers_b).sum())


def test_labels_that_a_reader_saw_from_a_network_are_noted(shared, studies):
    seen = dataclasses.replace(shared, a=sheet_of("anna", shared.answers_a, shared.study_ids, assist="a network"))
    described = decided.description(seen, third(shared, studies), "data")
    assert described.assist == ["a network"] and "the labels of a network were shown" in described.note()


def test_a_label_that_is_not_decided_is_told(shared, studies):
    answers = third(shared, studies)
    answers.answers[2] = np.nan
    with pytest.raises(InputError, match="of study s7 is not decided yet"):
        decided.decide(shared, answers)
    with pytest.raises(InputError, match="of study s5 is not decided yet"):
        decided.decide(shared, None)


def test_studies_of_another_data_set_are_refused(shared, studies):
    with pytest.raises(InputError, match="study s2 is not in"):
        decided.questions(shared, studies.take([0, 1]))
    one = np.array(shared.answers_a)
    one[0, 3] = np.nan
    with pytest.raises(InputError, match="Infiltration of study s2 was not asked of both"):
        decided.questions(dataclasses.replace(shared, answers_a=one), studies)
