"""The API's answers as pydantic models, and how they are made from predictions and networks.

JSON has no NaN, so a number that is not known is null. The docstrings and descriptions of the models are part of the
API: its description at /api/openapi.json and /api/docs shows them.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from tienet.data.readable_text import pieces
from tienet.labels import LABELS, K
from tienet.predict import Prediction
from tienet.server.engine import ServedNetwork
from tienet.server.images import DecodedImage

_MAP_DECIMALS = 6
_START_CHARACTERS = 80


class Finding(BaseModel):
    """One of the 15 labels."""

    name: str
    probability: float | None = Field(description="0 to 1; null in mode caption")
    threshold: float | None = Field(description="of the validation split; null where none is known")
    precision: float | None = Field(description="of the threshold on the validation split; null where it is not known")
    recall: float | None = Field(description="of the threshold on the validation split; null where it is not known")
    named: bool | None = Field(
        description="whether the probability reaches the threshold, and for No_Finding no finding's does; null where "
        "there is no threshold"
    )
    map: list[list[float]] | None = Field(
        description="what each place of the image adds to the log-odds of the label, the attention as it is: above "
        "0 it speaks for the label; rows of the grid from the top; null unless maps=true, and where the mode has none"
    )


class Word(BaseModel):
    """A word that was read or written."""

    word: str
    text: str = Field(
        description="what it is in the report as text to read, with the space or new line before it; empty for <START>"
    )
    g: float | None = Field(description="its text attention g_t; null in mode caption")


class GivenReport(BaseModel):
    """The report that was sent: which text an answer is of."""

    start: str = Field(description=f"its first characters on one line, at most {_START_CHARACTERS}")
    characters: int = Field(description="how many it has; the end of a line is one")
    sha256: str = Field(description="of its UTF-8, hexadecimal; a line ends with \\n")

    @classmethod
    def from_text(cls, text: str) -> "GivenReport":
        """The facts about a report."""
        line = " ".join(text.split())
        return cls(
            start=line if len(line) <= _START_CHARACTERS else f"{line[: _START_CHARACTERS - 3]}...",
            characters=len(text),
            sha256=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
        )


class Answer(BaseModel):
    """What a network makes of one X-ray."""

    mode: str = Field(description="of the network: annotate, annotate-text, classify, caption or report")
    name: str = Field(description="of the file; empty without one")
    given: GivenReport | None = Field(description="the report that was sent; null in modes that read none")
    height: int | None = Field(description="of the image, in pixels; null without one")
    width: int | None
    notes: list[str] = Field(
        description="sentences that a user should know: first those on the file (a lateral view, another part of the "
        "body, mirrored, text burned in) and on the image (unlike those of training), then those on the network, which "
        "GET /api/model has, too; empty if there are none"
    )
    findings: list[Finding] = Field(description="14 findings, then No_Finding")
    report: str | None = Field(description="the words of the report that it wrote; null in modes that do not write")
    text: str | None = Field(
        description="the report that it wrote or read as text to read, a line for each section; null in mode classify"
    )
    log_probability: float | None = Field(description="of that report")
    cut_at: int | None = Field(
        description="the number of words after which the report was cut, as no more are read or written; null: whole"
    )
    words: list[Word] = Field(description="<START> and each word read or written; none in mode classify")
    a_ws: list[list[float]] | None = Field(
        description="attention over the whole image, rows of the grid from the top; null unless maps=true"
    )
    a: list[list[list[float]]] | None = Field(description="the same for each word; each sums to 1")
    picture: str | None = Field(description="the image for a browser, as a data URI; null unless picture=true")

    @classmethod
    def from_prediction(
        cls,
        mode: str,
        name: str,
        image: DecodedImage | None,
        prediction: Prediction,
        maps: bool,
        given: str | None = None,
        notes: Sequence[str] = (),
    ) -> "Answer":
        """The answer to a request.

        Args:
            mode: The mode of the network that predicted.
            name: The file's name.
            image: The decoded image; None if the request had none.
            prediction: What the network predicted.
            maps: Whether the attention maps are in the answer.
            given: The report that was sent; None where the network reads none.
            notes: What a user should know of the network (`ServedNetwork.notes`).
        """
        g = [None] * len(prediction.words) if prediction.g is None else _numbers(prediction.g)
        texts = pieces(prediction.words)
        return cls(
            mode=mode,
            name=name,
            given=None if given is None else GivenReport.from_text(given),
            height=image and image.height,
            width=image and image.width,
            notes=[*(image.notes if image else ()), *prediction.notes, *notes],
            findings=_findings(prediction, maps),
            report=prediction.report,
            log_probability=prediction.log_probability,
            cut_at=prediction.cut_at,
            text="".join(texts) if prediction.words else None,
            words=[
                Word(word=word, text=text, g=g_t) for word, text, g_t in zip(prediction.words, texts, g, strict=True)
            ],
            a_ws=_rounded(prediction.a_ws) if maps else None,
            a=_rounded(prediction.a) if maps else None,
            picture=image and image.data_uri,
        )


class Model(BaseModel):
    """A network of this server."""

    run: str = Field(description="name of the run's folder")
    mode: str
    image_px: int | None = Field(description="side of the square that it looks at; null for annotate-text")
    labels: list[str]
    thresholds: list[float | None]
    batch: int = Field(description="requests that are worked on together, at most")
    notes: list[str] = Field(description="what a user should know of it: that nobody can use its reports, and why")

    @classmethod
    def from_network(cls, network: ServedNetwork) -> "Model":
        """The facts about a network."""
        return cls(
            run=network.name,
            mode=network.mode,
            image_px=network.image_px,
            labels=list(LABELS),
            thresholds=_numbers(network.thresholds),
            batch=network.batches.max_size,
            notes=network.notes,
        )


class Models(BaseModel):
    """What this server has; null where it was started without."""

    report: Model | None = Field(description="answers POST /api/report")
    annotate: Model | None = Field(description="answers POST /api/annotate")
    upload_bytes: int = Field(description="the largest file that is read")
    report_characters: int = Field(description="the longest report that is read")
    pixels: int = Field(description="the largest image that is read")
    queue: int = Field(description="requests that are let in at once; more are answered 503")


class Sample(BaseModel):
    """A picture to try."""

    name: str
    title: str
    drawn: bool = Field(description="true for a drawing, which is no X-ray of a patient")
    report: str | None


class Problem(BaseModel):
    """Why there is no answer, in one line."""

    detail: str


class Health(BaseModel):
    """Whether the server works."""

    status: Literal["ok", "stopping"]


def _findings(prediction: Prediction, maps: bool) -> list[Finding]:
    """What is known of each label, in the order of `LABELS`; its map if `maps` are in the answer."""
    values = (prediction.probabilities, prediction.thresholds, prediction.precision, prediction.recall)
    named = [None if positive is None else bool(positive) for positive in _numbers(prediction.labels)]
    of_findings = _rounded(prediction.finding_maps if maps else None) or [None] * K
    columns = zip(LABELS, *map(_numbers, values), named, of_findings, strict=True)
    return [Finding(**dict(zip(Finding.model_fields, row, strict=True))) for row in columns]


def _numbers(values: np.ndarray) -> list[float | None]:
    """The values as numbers with the digits of float32, so that 0.1 stays 0.1; None for NaN."""
    return [None if math.isnan(value) else float(str(value)) for value in np.asarray(values, np.float32)]


def _rounded(a: np.ndarray | None) -> list | None:
    """Attention maps as nested lists."""
    return None if a is None else np.round(a.astype(np.float64), _MAP_DECIMALS).tolist()
