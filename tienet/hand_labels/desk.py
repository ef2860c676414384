"""What a reader has open: the studies in the reader's own order, what was asked of each, and what was answered so far.

Two kinds of reading go over it. In labelling all 15 labels are asked, and a reader who finishes a study says with it
that what was not answered is not there. In deciding, the labels on which two readers differ are asked, each of which
needs an answer, and both readers' answers stand beside them.

No_Finding says that there is none of the findings. In labelling it follows from them unless the reader says otherwise:
it is there if all findings are not there, it is not there if one is there, and else it cannot be told.
"""

import statistics
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tienet.errors import InputError
from tienet.hand_labels import sheet
from tienet.hand_labels.journal import Journal
from tienet.hand_labels.sheet import CANNOT_TELL, NOT_THERE, STATES, THERE, Sheet
from tienet.labels import FINDINGS, LABELS, NO_FINDING, readable

LABELLING, DECIDING = "label", "decide"

_RECENT = 20  # finished studies by which the time of one is told


@dataclass(frozen=True)
class Question:
    """A study, and what is asked of it.

    Attributes:
        study_id, patient_id: As in the manifest.
        image: The image file; None: there is none.
        report: The report; may be empty.
        asked: The labels to answer.
        given: In deciding, the answers of the two readers to each asked label.
        settled: In deciding, the answers on which they agree.
        assist: For each label the probability that a network gives it, and whether it names it; empty: none is shown.
    """

    study_id: str
    patient_id: str
    image: Path | None
    report: str
    asked: tuple[str, ...] = LABELS
    given: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    settled: Mapping[str, int] = field(default_factory=dict)
    assist: Mapping[str, tuple[float, bool | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """How far a study is.

    Attributes:
        answers: The answer to each label that has one.
        done: Whether the reader has finished it.
        version: Goes up by one with each entry of the journal on this study.
        seconds: How long it was looked at, all in all.
    """

    answers: Mapping[str, int] = field(default_factory=dict)
    done: bool = False
    version: int = 0
    seconds: float = 0.0


class RefusedError(InputError):
    """An answer that cannot be: a label that was not asked, or one that contradicts another."""


class ChangedError(ValueError):
    """The study has been answered since, in another tab. `state` is how it is now."""

    def __init__(self, state: State):
        super().__init__("this study was answered in another tab since; this is how it is now")
        self.state = state


class Desk:
    """The reader's studies. All methods may be called by several threads at once.

    Args:
        kind: LABELLING or DECIDING.
        reader: The reader's name.
        questions: The studies, in the reader's order.
        journal: The reader's journal; what is in it already has been answered.
        sheet_path: The table of the finished studies, which is written anew with each one that is finished or reopened.
        assist: The name of the network whose labels are shown; empty: none is.
        givers: In deciding, the names of the two readers.
        finish: Called with the table whenever it is written and all studies are finished.
    Raises:
        RefusedError: The journal has an entry on a study that is not asked.
    """

    def __init__(
        self,
        kind: str,
        reader: str,
        questions: Sequence[Question],
        journal: Journal,
        sheet_path: Path,
        assist: str = "",
        givers: tuple[str, ...] = (),
        finish: Callable[[Sheet], None] | None = None,
    ):
        self.kind, self.reader, self.questions, self.assist = kind, reader, list(questions), assist
        self.givers, self.sheet_path = givers, sheet_path
        self._journal, self._finish = journal, finish
        self._number_of = {question.study_id: n for n, question in enumerate(self.questions)}
        self._lock = threading.Lock()
        self._entries: dict[str, list[dict]] = defaultdict(list)  # of each study, without those that were taken back
        self._versions: dict[str, int] = defaultdict(int)
        self._in_force: list[dict] = []
        for entry in journal.entries:
            self._take(entry)
        unknown = next((study for study in self._entries if study not in self._number_of), None)
        if unknown is not None:
            raise RefusedError(f"{journal.path}: has answers on {unknown!r}, which is not among the studies")
        self.write_sheet()

    def __len__(self) -> int:
        return len(self.questions)

    def number_of(self, study_id: str) -> int | None:
        """Where a study is in the reader's order; None: it is not there."""
        return self._number_of.get(study_id)

    def state(self, number: int) -> State:
        """How far a study is."""
        with self._lock:
            return self._state(self.questions[number].study_id)

    def finished(self) -> list[bool]:
        """Whether each study is finished, in the reader's order."""
        with self._lock:
            return [self._state(question.study_id).done for question in self.questions]

    def seconds_each(self) -> float | None:
        """The median time of the studies that were finished last, in seconds; None before there is one."""
        with self._lock:
            done = [entry["study"] for entry in self._in_force if entry.get("done")]
            taken = [self._state(study).seconds for study in list(dict.fromkeys(reversed(done)))[:_RECENT]]
        return statistics.median(taken) if taken else None

    def answer(
        self,
        entry_id: str,
        number: int,
        version: int,
        answers: Mapping[str, int | None],
        done: bool,
        seconds: float,
    ) -> State:
        """Keep an answer; when this returns it is on the disk.

        An entry that is in the journal already, because the reply to it was lost, is not added again.

        Args:
            entry_id: A name for this entry that no other has.
            number: The study, in the reader's order.
            version: The version of the state that the reader saw.
            answers: The labels that are answered by it; None takes an answer away.
            done: Whether the study is finished by it. An answer without that opens a finished study again.
            seconds: How long the study was looked at since the last entry.
        Returns:
            How the study is now.
        Raises:
            ChangedError: The study has another version by now.
            RefusedError: The answer cannot be.
            OSError: It could not be written; nothing has changed.
        """
        question = self.questions[number]
        with self._lock:
            state = self._state(question.study_id)
            if entry_id in self._journal:
                return state
            if version != state.version:
                raise ChangedError(state)
            changed = self._checked(question, state, answers)
            if done:
                self._check_whole(question, {**state.answers, **changed})
            entry = {"id": entry_id, "study": question.study_id, "set": changed, "done": done}
            entry |= {"seconds": round(seconds, 1), "assist": self.assist}
            self._journal.append(entry)
            self._take(entry)
            if done or state.done:
                self._write_sheet()
            return self._state(question.study_id)

    def undo(self, entry_id: str) -> int | None:
        """Take the last entry back, whichever study it was on; returns that study's number, None if there is none."""
        with self._lock:
            if entry_id in self._journal:
                taken_back = next(entry for entry in self._journal.entries if entry["id"] == entry_id)["undo"]
                study = next(entry for entry in self._journal.entries if entry["id"] == taken_back)["study"]
                return self._number_of[study]
            if not self._in_force:
                return None
            last = self._in_force[-1]
            before = self._state(last["study"])
            entry = {"id": entry_id, "undo": last["id"]}
            self._journal.append(entry)
            self._take(entry)
            if before.done or self._state(last["study"]).done:
                self._write_sheet()
            return self._number_of[last["study"]]

    def sheet(self) -> Sheet:
        """The finished studies, in the reader's order."""
        with self._lock:
            return self._sheet()

    def write_sheet(self) -> None:
        """Write the table of the finished studies."""
        with self._lock:
            self._write_sheet()

    # ---- with the lock held ----

    def _take(self, entry: dict) -> None:
        """Bring an entry of the journal into force."""
        if "undo" in entry:
            taken_back = next((old for old in reversed(self._in_force) if old["id"] == entry["undo"]), None)
            if taken_back is None:
                raise RefusedError(f"{self._journal.path}: takes back {entry['undo']!r}, which is not in force")
            self._in_force.remove(taken_back)
            self._entries[taken_back["study"]].remove(taken_back)
            self._versions[taken_back["study"]] += 1
        else:
            self._in_force.append(entry)
            self._entries[entry["study"]].append(entry)
            self._versions[entry["study"]] += 1

    def _state(self, study_id: str) -> State:
        answers: dict[str, int] = {}
        done, seconds = False, 0.0
        for entry in self._entries.get(study_id, ()):
            answers |= entry["set"]
            done, seconds = entry["done"], seconds + entry["seconds"]
        given = {label: answer for label, answer in answers.items() if answer is not None}
        return State(given, done, self._versions.get(study_id, 0), seconds)

    def _checked(self, question: Question, state: State, answers: Mapping[str, int | None]) -> dict[str, int | None]:
        """The answers with what follows from them; raises RefusedError."""
        for label, answer in answers.items():
            if label not in question.asked:
                raise RefusedError(f"{label!r} is not asked of this study; expected {', '.join(question.asked)}")
            if answer is not None and answer not in STATES:
                raise RefusedError(f"{label}: {answer!r}; expected 1 (there), 0 (not there), -1 (cannot tell) or null")
        changed = dict(answers)
        if self.kind == LABELLING:
            after = {**state.answers, **changed}
            beside = next((name for name in FINDINGS if after.get(name) in (THERE, CANNOT_TELL)), None)
            if beside and after.get(NO_FINDING) == THERE:
                if NO_FINDING in answers:
                    found = "is there" if after[beside] == THERE else "cannot be told"
                    raise RefusedError(f"{readable(beside)} {found}, and No Finding says that there is no finding")
                changed[NO_FINDING] = None  # it follows from the findings again
        return changed

    def _check_whole(self, question: Question, answers: Mapping[str, int | None]) -> None:
        missing = [readable(label) for label in question.asked if answers.get(label) is None]
        if self.kind == DECIDING and missing:
            raise RefusedError(f"not answered yet: {', '.join(missing)}")

    def _sheet(self) -> Sheet:
        whole = [(question, self._state(question.study_id)) for question in self.questions]
        done = [(question, state) for question, state in whole if state.done]
        assist = [self._entries[question.study_id][-1].get("assist", "") for question, _ in done]
        return Sheet(
            self.sheet_path,
            self.reader,
            [question.study_id for question, _ in done],
            [question.patient_id for question, _ in done],
            np.array([resolve(question, state.answers) for question, state in done], np.float32).reshape(
                -1, len(LABELS)
            ),
            np.array([state.seconds for _, state in done]),
            assist,
        )

    def _write_sheet(self) -> None:
        written = self._sheet()
        sheet.write(written)
        if self._finish and len(written) == len(self):
            self._finish(written)


def resolve(question: Question, answers: Mapping[str, int]) -> list[float]:
    """What a finished study says of the 15 labels: the answers, and what follows where there is none.

    Returns:
        THERE, NOT_THERE or CANNOT_TELL for each of LABELS that was asked; NaN for the others.
    """
    found = {label: answers.get(label, NOT_THERE) for label in question.asked}
    if NO_FINDING in found and NO_FINDING not in answers:
        findings = [found[label] for label in FINDINGS if label in found]
        nothing = NOT_THERE if THERE in findings else CANNOT_TELL if CANNOT_TELL in findings else THERE
        found[NO_FINDING] = nothing
    return [found.get(label, np.nan) for label in LABELS]
