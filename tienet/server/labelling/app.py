"""The application of the labelling page: the page, the studies with their images, and what a reader answers.

An answer is on the disk before the reply says so. The page sends each with a name of its own, so that one whose reply
was lost can be sent again, and with the version of the study that it saw, so that no tab writes over another's answers.
"""

import asyncio
from collections.abc import Collection
from typing import Annotated

from fastapi import FastAPI, HTTPException, Path, Response
from fastapi.responses import JSONResponse

from tienet.errors import InputError
from tienet.hand_labels.desk import ChangedError, Desk, RefusedError
from tienet.server.answers import Health
from tienet.server.base import add_page, described, new_app
from tienet.server.guard import HEALTH
from tienet.server.images import ImageDecoder
from tienet.server.labelling.answers import Conflict, Entry, Saved, Study, TakeBack, Task, labels

MAX_IMAGE_PX = 2048
"""The longer side of the JPEG that the page gets, in pixels, at most."""

Number = Annotated[int, Path(ge=0, le=10**9, description="the study, from 0, in the reader's order")]

_DESCRIPTION = "Labels by hand: the studies of one reader. Research software, not a medical device: not for diagnosis."
_NO_STUDY = "no such study"
_NOT_KEPT = "the answer could not be written, as on a full disk; it is not kept"
_WRONG = "a field is missing or wrong, or the answer contradicts another"


def create_label_app(
    desk: Desk,
    decoder: ImageDecoder,
    data: str,
    result: str,
    token: str | None = None,
    hosts: Collection[str] | None = None,
) -> FastAPI:
    """The application.

    Args:
        desk: The reader's studies.
        decoder: Decodes their images; the caller closes it.
        data: The data set's name.
        result: What comes out at the end, in words.
        token, hosts: As in `new_app`.
    """
    app = new_app("TieNet: labels by hand", _DESCRIPTION, token, hosts)
    add_page(app, "label.html")
    routes = LabelRoutes(desk, decoder, data, result)
    everywhere = described(400, 401, 403)
    of_study = everywhere | described(more={404: _NO_STUDY, 422: _WRONG})
    app.get(HEALTH, response_model=Health, tags=["server"])(routes.health)
    app.get("/api/task", response_model=Task, responses=everywhere, tags=["label"])(routes.task)
    app.get("/api/studies/{number}", response_model=Study, responses=of_study, tags=["label"])(routes.study)
    picture = {200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}}
    app.get("/api/studies/{number}/image", response_class=Response, responses=of_study | picture, tags=["label"])(
        routes.image
    )
    written = of_study | described(more={507: _NOT_KEPT})
    changed = {409: {"model": Conflict, "description": "the study was answered in another tab since"}}
    app.post("/api/studies/{number}/answers", response_model=Saved, responses=written | changed, tags=["label"])(
        routes.answer
    )
    nothing = written | described(more={404: "there is nothing to take back"})
    app.post("/api/undo", response_model=Saved, responses=nothing, tags=["label"])(routes.undo)
    return app


class LabelRoutes:
    """The addresses under /api. Those that are no coroutines run in threads, as they wait for the disk."""

    def __init__(self, desk: Desk, decoder: ImageDecoder, data: str, result: str) -> None:
        self._desk, self._decoder, self._data, self._result = desk, decoder, data, result

    async def health(self) -> Health:
        """Whether requests are answered; needs no token."""
        return Health(status="ok")

    def task(self) -> Task:
        """What is asked, of whom, and how far it is."""
        desk = self._desk
        return Task(
            kind=desk.kind,
            reader=desk.reader,
            readers=list(desk.givers),
            assist=desk.assist,
            data=self._data,
            sheet=desk.sheet_path.name,
            result=self._result,
            labels=labels(),
            finished=desk.finished(),
            seconds_each=desk.seconds_each(),
        )

    def study(self, number: Number) -> Study:
        """A study: its report, what is asked of it, and its answers so far."""
        self._check(number)
        return Study.of(self._desk, number)

    async def image(self, number: Number) -> Response:
        """A study's image as a JPEG."""
        self._check(number)
        path = self._desk.questions[number].image
        if path is None:
            raise HTTPException(404, "this study has no image")
        try:
            content = await asyncio.to_thread(path.read_bytes)
            jpeg = await asyncio.wrap_future(self._decoder.submit_thumbnail(content, path.name, MAX_IMAGE_PX))
        except OSError as error:
            raise HTTPException(404, f"{path.name}: cannot be read ({error.strerror})") from None
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        return Response(jpeg, media_type="image/jpeg")

    def answer(self, number: Number, entry: Entry) -> Response:
        """Keep an answer. The reply comes when it is on the disk."""
        self._check(number)
        study = self._desk.questions[number].study_id
        if entry.study != study:
            raise HTTPException(
                422, f"study: {entry.study[:80]!r}, and study {number} is {study!r}; load the page again"
            )
        try:
            state = self._desk.answer(entry.id, number, entry.version, entry.answers, entry.done, entry.seconds)
        except ChangedError as error:
            conflict = Conflict(detail=str(error), saved=Saved.of(self._desk, number, error.state))
            return JSONResponse(conflict.model_dump(), 409)
        except RefusedError as error:
            raise HTTPException(422, str(error)) from None
        except OSError as error:
            raise _not_kept(error) from None
        return JSONResponse(Saved.of(self._desk, number, state).model_dump())

    def undo(self, wish: TakeBack) -> Saved:
        """Take the last answer back, whichever study it was on."""
        try:
            number = self._desk.undo(wish.id)
        except OSError as error:
            raise _not_kept(error) from None
        if number is None:
            raise HTTPException(404, "there is nothing to take back")
        return Saved.of(self._desk, number)

    def _check(self, number: int) -> None:
        if number >= len(self._desk):
            raise HTTPException(404, f"there is no study {number}; there are {len(self._desk)}, from 0")


def _not_kept(error: OSError) -> HTTPException:
    return HTTPException(507, f"not kept: {error.strerror or error}; make room and answer again")
