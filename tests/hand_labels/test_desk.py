"""A reader's desk: answers, what follows from them, taking back, two tabs, and the table of what is finished."""

import csv
import itertools
import threading

import numpy as np
import pytest

from tienet.hand_labels import sheet
from tienet.hand_labels.desk import DECIDING, LABELLING, ChangedError, Desk, Question, RefusedError, resolve
from tienet.hand_labels.journal import open_journal, read_entries
from tienet.hand_labels.sheet import CANNOT_TELL, NOT_THERE, THERE
from tienet.labels import FINDINGS, LABELS, NO_FINDING

NUMBERS = itertools.count()


def questions(count: int = 3) -> list[Question]:
    return [Question(f"s{n}", f"p{n}", None, f"report {n}") for n in range(count)]


@pytest.fixture
def open_desk(tmp_path):
    """Opens the desk of anna anew, from her journal."""
    opened = []

    def open_it(asked=None, kind=LABELLING, **options) -> Desk:
        while opened:
            opened.pop().__exit__(None, None, None)
        manager = open_journal(tmp_path / "anna.jsonl", {"kind": kind, "reader": "anna"})
        journal = manager.__enter__()
        opened.append(manager)
        return Desk(kind, "anna", questions() if asked is None else asked, journal, tmp_path / "anna.csv", **options)

    yield open_it
    while opened:
        opened.pop().__exit__(None, None, None)


def say(desk: Desk, number: int, done: bool = False, seconds: float = 1.0, **answers):
    return desk.answer(f"e-{next(NUMBERS)}", number, desk.state(number).version, answers, done, seconds)


def rows(desk: Desk) -> dict[str, dict]:
    with desk.sheet_path.open(newline="") as file:
        return {row["study_id"]: row for row in csv.DictReader(file)}


def test_answers_are_there_when_it_is_opened_again(open_desk):
    desk = open_desk()
    say(desk, 0, Mass=THERE, seconds=2)
    say(desk, 0, Edema=CANNOT_TELL, done=True, seconds=3)
    say(desk, 2, Mass=THERE)
    states = [desk.state(n) for n in range(3)]
    assert states[0].answers == {"Mass": THERE, "Edema": CANNOT_TELL} and states[0].done and states[0].seconds == 5
    desk = open_desk()
    assert [desk.state(n) for n in range(3)] == states
    assert desk.finished() == [True, False, False] and desk.seconds_each() == 5


def test_what_has_no_answer_is_not_there_and_no_finding_follows_from_the_findings(open_desk):
    desk = open_desk()
    say(desk, 0, done=True)
    say(desk, 1, Mass=CANNOT_TELL, done=True)
    say(desk, 2, Mass=THERE, Edema=CANNOT_TELL, done=True)
    found = rows(desk)
    assert [found[study][NO_FINDING] for study in ("s0", "s1", "s2")] == ["1", "-1", "0"]
    assert [found["s2"][name] for name in ("Mass", "Edema", "Effusion")] == ["1", "-1", "0"]
    assert sheet.read(desk.sheet_path).study_ids == ["s0", "s1", "s2"]


def test_no_finding_may_be_denied_where_there_is_another_finding_than_these(open_desk):
    desk = open_desk()
    say(desk, 0, done=True, **{NO_FINDING: NOT_THERE})
    assert rows(desk)["s0"][NO_FINDING] == "0"


def test_a_finding_takes_no_finding_back_and_no_finding_beside_one_is_refused(open_desk):
    desk = open_desk()
    say(desk, 0, **{NO_FINDING: THERE})
    assert say(desk, 0, Mass=THERE).answers == {"Mass": THERE}
    for answer, why in ((THERE, "Mass is there"), (CANNOT_TELL, "Mass cannot be told")):
        say(desk, 0, Mass=answer)
        version = desk.state(0).version
        with pytest.raises(RefusedError, match=why):
            say(desk, 0, **{NO_FINDING: THERE})
        assert desk.state(0).version == version


@pytest.mark.parametrize(
    ("label", "answer", "why"), [("Lump", 1, "'Lump' is not asked"), ("Mass", 2, "Mass: 2; expected 1")]
)
def test_an_answer_that_cannot_be_is_refused(open_desk, label, answer, why):
    desk = open_desk()
    with pytest.raises(RefusedError, match=why):
        say(desk, 0, **{label: answer})
    assert desk.state(0).version == 0


def test_the_same_answer_sent_again_is_kept_once(open_desk, tmp_path):
    desk = open_desk()
    first = desk.answer("one", 0, 0, {"Mass": 1}, False, 1.0)
    assert desk.answer("one", 0, 0, {"Mass": 1}, False, 1.0) == first
    desk = open_desk()  # the server was killed before it replied
    assert desk.answer("one", 0, 0, {"Mass": 1}, False, 1.0) == first
    assert len(read_entries(tmp_path / "anna.jsonl")) == 1


def test_a_tab_that_has_not_seen_the_others_answer_is_told(open_desk):
    desk = open_desk()
    desk.answer("one", 0, 0, {"Mass": 1}, False, 1.0)
    with pytest.raises(ChangedError) as told:
        desk.answer("two", 0, 0, {}, True, 1.0)
    assert told.value.state == desk.state(0) and not desk.state(0).done
    desk.answer("two", 0, told.value.state.version, {}, True, 1.0)
    assert desk.state(0).done and desk.state(0).answers == {"Mass": 1}


def test_taking_back_goes_over_all_studies_to_the_first_answer(open_desk, tmp_path):
    desk = open_desk()
    states = [[desk.state(n) for n in range(3)]]
    for number, answers, done in (
        (0, {"Mass": 1}, False),
        (0, {}, True),
        (1, {"Mass": 1, "Edema": -1}, True),
        (0, {"Mass": None}, False),
    ):
        say(desk, number, done, **answers)
        states.append([desk.state(n) for n in range(3)])
    assert set(rows(desk)) == {"s1"}  # an answer has opened s0 again
    for expected, number in zip(reversed(states[:-1]), (0, 1, 0, 0), strict=True):
        assert desk.undo(f"u-{next(NUMBERS)}") == number
        for now, then in zip([desk.state(n) for n in range(3)], expected, strict=True):
            assert (now.answers, now.done, now.seconds) == (then.answers, then.done, then.seconds)
            assert now.version >= then.version
        assert set(rows(desk)) == {f"s{n}" for n, state in enumerate(expected) if state.done}
    assert desk.undo("none") is None
    desk = open_desk()
    assert desk.finished() == [False] * 3 and len(read_entries(tmp_path / "anna.jsonl")) == 8
    say(desk, 0, Mass=1)
    assert desk.undo("again") == 0 and desk.undo("again") == 0  # sent twice
    assert desk.undo("none") is None


def test_threads_lose_nothing(open_desk, tmp_path):
    desk = open_desk(questions(8))

    def answer(thread: int) -> None:
        for number in range(8):
            for n, label in enumerate(LABELS[thread : thread + 3]):
                while True:
                    try:
                        desk.answer(f"{thread}-{number}-{n}", number, desk.state(number).version, {label: -1}, False, 0)
                        break
                    except ChangedError:
                        pass

    threads = [threading.Thread(target=answer, args=(thread,)) for thread in range(0, 12, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_entries(tmp_path / "anna.jsonl")) == 8 * 12
    assert all(set(desk.state(n).answers) == set(LABELS[:12]) for n in range(8))


def test_who_decides_answers_all_that_differs_and_nothing_else(open_desk):
    asked = ("Mass", NO_FINDING)
    given = {"Mass": (1, 0), NO_FINDING: (0, 1)}
    done = []
    desk = open_desk(
        [Question("s0", "p0", None, "", asked, given, {"Edema": 0})],
        DECIDING,
        givers=("ben", "carla"),
        finish=done.append,
    )
    with pytest.raises(RefusedError, match="'Edema' is not asked of this study; expected Mass, No_Finding"):
        say(desk, 0, Edema=1)
    say(desk, 0, Mass=1)
    with pytest.raises(RefusedError, match="not answered yet: No Finding"):
        say(desk, 0, done=True)
    assert not done
    say(desk, 0, done=True, **{NO_FINDING: CANNOT_TELL})
    row = rows(desk)["s0"]
    assert (row["Mass"], row[NO_FINDING], row["Edema"]) == ("1", "-1", "")
    np.testing.assert_array_equal(done[-1].answers, desk.sheet().answers)


def test_it_is_said_which_network_was_shown(open_desk):
    desk = open_desk(assist="runs-ours")
    say(desk, 0, done=True)
    desk = open_desk()
    say(desk, 1, done=True)
    assert sheet.read(desk.sheet_path).assist == ["runs-ours", ""]


def test_a_journal_of_other_studies_is_refused(open_desk):
    say(open_desk(), 2, Mass=1)
    with pytest.raises(RefusedError, match="answers on 's2', which is not among the studies"):
        open_desk(questions(2))


def test_no_finding_follows_in_all_cases():
    """Against the definition, over all answers to two findings."""
    for pair in itertools.product((None, 1, 0, -1), repeat=2):
        answers = {name: answer for name, answer in zip(FINDINGS[:2], pair, strict=True) if answer is not None}
        resolved = dict(zip(LABELS, resolve(questions(1)[0], answers), strict=True))
        there, unsure = 1 in pair, -1 in pair
        assert resolved[NO_FINDING] == (0 if there else -1 if unsure else 1)
        assert [resolved[name] for name in FINDINGS[:2]] == [answer or 0 for answer in pair]
