"""What the addresses of the labelling page take and give, as pydantic models.

The docstrings and descriptions are part of the API: its description at /api/openapi.json shows them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tienet.hand_labels.desk import Desk, Question, State
from tienet.labels import FINDINGS, LABELS, readable

KEYS = dict(zip(LABELS, "acelmnpxsdyftho", strict=True))
"""The key of each label. The picture's own keys (+, -, 0, i, r and the arrows) are others, and so are u and b."""

Answer = Annotated[int, Field(ge=-1, le=1, strict=True)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z-]{8,64}$")]


class Label(BaseModel):
    """One of the 15 labels."""

    name: str
    text: str = Field(description="the name as people write it")
    key: str = Field(description="the key that answers it")
    finding: bool = Field(description="whether it is one of the 14 findings")


class Task(BaseModel):
    """What this server is for, and how far it is."""

    kind: Literal["label", "decide"]
    reader: str
    readers: list[str] = Field(description="in deciding, whose answers are shown")
    assist: str = Field(description="the network whose labels are shown; empty: none is")
    data: str = Field(description="the data set's name")
    sheet: str = Field(description="the name of the table of the finished studies")
    result: str = Field(description="what comes out at the end, in words")
    labels: list[Label]
    finished: list[bool] = Field(description="for each study, in the reader's order")
    seconds_each: float | None = Field(description="median of the studies that were finished last")


class Given(BaseModel):
    """What two readers said of a label."""

    label: str
    answers: list[Answer]


class Shown(BaseModel):
    """What a network says of a label."""

    label: str
    probability: float
    named: bool | None


class Progress(BaseModel):
    """How far the reader is."""

    finished: int
    studies: int
    seconds_each: float | None


class Saved(BaseModel):
    """A study's answers as they are on the disk."""

    number: int = Field(description="the study, from 0, in the reader's order")
    study: str
    version: int = Field(description="to be given with the next answer")
    done: bool
    answers: dict[str, Answer] = Field(
        description="1 there, 0 not there, -1 cannot tell; labels without one are left out"
    )
    progress: Progress

    @classmethod
    def of(cls, desk: Desk, number: int, state: State | None = None) -> "Saved":
        """A study of a desk."""
        state = state or desk.state(number)
        finished = desk.finished()
        return cls(
            number=number,
            study=desk.questions[number].study_id,
            version=state.version,
            done=state.done,
            answers=dict(state.answers),
            progress=Progress(finished=sum(finished), studies=len(finished), seconds_each=desk.seconds_each()),
        )


class Study(BaseModel):
    """A study: what is seen of it, what is asked, and what was answered."""

    saved: Saved
    report: str
    image: bool = Field(description="whether there is one, at .../image")
    asked: list[str]
    given: list[Given] = Field(description="in deciding, what the two readers said of the asked labels")
    settled: dict[str, Answer] = Field(description="in deciding, the answers on which they agree")
    assist: list[Shown]

    @classmethod
    def of(cls, desk: Desk, number: int) -> "Study":
        """A study of a desk."""
        question = desk.questions[number]
        return cls(
            saved=Saved.of(desk, number),
            report=question.report,
            image=question.image is not None,
            asked=list(question.asked),
            given=[Given(label=label, answers=list(answers)) for label, answers in question.given.items()],
            settled=dict(question.settled),
            assist=_shown(question),
        )


def _shown(question: Question) -> list[Shown]:
    return [
        Shown(label=label, probability=probability, named=named)
        for label, (probability, named) in question.assist.items()
    ]


class Entry(BaseModel):
    """An answer that is to be kept."""

    model_config = ConfigDict(extra="forbid")

    id: Id = Field(description="a name that no other answer has; sent again, the answer is kept once")
    study: str = Field(max_length=1000, description="the study's id, against a mistaken number")
    version: int = Field(ge=0, description="of the study as it was seen")
    answers: dict[str, Answer | None] = Field(description="the labels that are answered by it; null takes one away")
    done: bool = Field(default=False, description="whether the study is finished by it")
    seconds: float = Field(
        default=0.0, ge=0, le=86400, description="for which the study was looked at since the last one"
    )


class TakeBack(BaseModel):
    """The wish to take the last answer back."""

    model_config = ConfigDict(extra="forbid")

    id: Id


class Conflict(BaseModel):
    """The study was answered in another tab since."""

    detail: str
    saved: Saved


def labels() -> list[Label]:
    """All labels with their keys."""
    return [Label(name=name, text=readable(name), key=KEYS[name], finding=name in FINDINGS) for name in LABELS]
