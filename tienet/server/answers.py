"""What the API answers: pydantic models, and how a Reading becomes one. JSON has no NaN: unknown is null."""

import math
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from tienet.labels import LABELS
from tienet.predict import Prediction
from tienet.server.engine import ServedNetwork
from tienet.server.images import DecodedImage

_DECIMALS = 6


class Finding(BaseModel):
    """One of the 15 labels."""

    name: str
    probability: float | None = Field(description="0 to 1; null in mode caption")
    threshold: float | None = Field(description="of the validation split; null where none is known")
    named: bool | None = Field(description="whether the probability reaches the threshold; null where none is known")


class Word(BaseModel):
    """A word that was read or written."""

    word: str
    g: float | None = Field(description="its text attention g_t; null in mode caption")


class Answer(BaseModel):
    """What a network makes of one X-ray."""

    mode: str = Field(description="of the network: annotate, annotate-text, classify, caption or report")
    name: str = Field(description="of the file")
    height: int | None = Field(description="of the image, in pixels; null without one")
    width: int | None
    notes: list[str] = Field(description="what the file says that a user should know")
    findings: list[Finding] = Field(description="14 findings, then No_Finding")
    report: str | None = Field(description="the report that it wrote; null in modes that do not write")
    log_probability: float | None = Field(description="of that report")
    words: list[Word] = Field(description="<START> and each word read or written; none in mode classify")
    a_ws: list[list[float]] | None = Field(
        description="attention over the whole image, rows of the grid from the top; null unless maps=true"
    )
    a: list[list[list[float]]] | None = Field(description="the same for each word; each sums to 1")
    picture: str | None = Field(description="the image for a browser, as a data URI; null unless picture=true")


class Model(BaseModel):
    """A network of this server."""

    run: str = Field(description="name of the run's folder")
    mode: str
    image_px: int | None = Field(description="side of the square that it looks at; null for annotate-text")
    labels: list[str]
    thresholds: list[float | None]
    batch: int = Field(description="requests that are worked on together, at most")


class Models(BaseModel):
    """What this server has; null where it was started without."""

    report: Model | None = Field(description="answers POST /api/report")
    annotate: Model | None = Field(description="answers POST /api/annotate")
    upload_bytes: int = Field(description="the largest request that is read")
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


def answer(mode: str, name: str, picture: DecodedImage | None, prediction: Prediction, maps: bool) -> Answer:
    """A reading in the form of the API."""
    g = [None] * len(prediction.words) if prediction.g is None else numbers(prediction.g)
    return Answer(
        mode=mode,
        name=name,
        height=picture and picture.height,
        width=picture and picture.width,
        notes=list(picture.notes) if picture else [],
        findings=[
            Finding(name=label, probability=p, threshold=t, named=None if named is None else bool(named))
            for label, p, t, named in zip(
                LABELS, *map(numbers, (prediction.probabilities, prediction.thresholds, prediction.labels)), strict=True
            )
        ],
        report=prediction.report,
        log_probability=prediction.log_probability,
        words=[Word(word=word, g=g_t) for word, g_t in zip(prediction.words, g, strict=True)],
        a_ws=_grid(prediction.a_ws) if maps else None,
        a=_grid(prediction.a) if maps else None,
        picture=picture and picture.shown,
    )


def numbers(values: np.ndarray) -> list[float | None]:
    """The values in the digits of float32; None for NaN."""
    return [None if math.isnan(value) else float(str(value)) for value in np.asarray(values, np.float32)]


def _grid(a: np.ndarray | None) -> list | None:
    return None if a is None else np.round(a.astype(np.float64), _DECIMALS).tolist()


def model(network: ServedNetwork) -> Model:
    """What is said of a network."""
    return Model(
        run=network.name,
        mode=network.mode,
        image_px=network.image_px,
        labels=list(LABELS),
        thresholds=numbers(network.thresholds),
        batch=network.batches.most,
    )
