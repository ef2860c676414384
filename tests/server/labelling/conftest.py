"""A labelling server over drawn X-rays, in this process and behind a real socket."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs fastapi")

from tests.server import fakes
from tests.server.conftest import LOCAL, serving
from tienet.hand_labels.desk import LABELLING, Desk, Question
from tienet.hand_labels.journal import open_journal
from tienet.server.images import ImageDecoder
from tienet.server.labelling.app import create_label_app


def questions(folder: Path, count: int = 4) -> list[Question]:
    """Studies with a drawn X-ray each; the last has neither image nor report."""
    folder.mkdir(exist_ok=True)
    found = []
    for n in range(count):
        path = folder / f"{n}.png"
        path.write_bytes(fakes.png(fakes.xray(200, 160)))
        last = n == count - 1
        found.append(Question(f"s{n}", f"p{n}", None if last else path, "" if last else f"findings : text {n} ."))
    return found


@contextlib.contextmanager
def desk_of(folder: Path, asked: list[Question], kind: str = LABELLING, **options) -> Iterator[Desk]:
    """The desk of anna over these studies."""
    with open_journal(folder / "anna.jsonl", {"kind": kind, "reader": "anna"}) as journal:
        yield Desk(kind, "anna", asked, journal, folder / "anna.csv", **options)


@contextlib.contextmanager
def app_of(desk: Desk, **options) -> Iterator[object]:
    """The application of a desk."""
    decoder = ImageDecoder()
    try:
        yield create_label_app(desk, decoder, "ours", "The answers are in anna.csv.", hosts=LOCAL, **options)
    finally:
        decoder.close()


@pytest.fixture
def desk(tmp_path):
    with desk_of(tmp_path, questions(tmp_path / "images")) as desk:
        yield desk


@pytest.fixture
def address(desk):
    with app_of(desk) as app, serving(app) as address:
        yield address
