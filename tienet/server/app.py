"""The addresses of a server: the page, and the JSON API under /api."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, HTTPException, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from tienet.data.image import MAX_PIXELS
from tienet.errors import InputError
from tienet.predict import Annotator, Reporter
from tienet.server import answers, samples
from tienet.server.answers import Answer, Health, Models, Problem, Sample
from tienet.server.batches import ClosedError
from tienet.server.engine import Engine, ServedNetwork
from tienet.server.guard import HEALTH, Guard
from tienet.server.images import DecodedImage, printable
from tienet.server.samples import THUMBNAIL_PX, AnySample
from tienet.server.uploads import MAX_REPORT_CHARACTERS, MAX_UPLOAD_BYTES, Uploads

QUEUE = 64
"""Requests that are let in at once."""

Result = TypeVar("Result")

_Maps = Annotated[bool, Query(description="whether a_ws and a are in the answer (default: yes)")]
_Shown = Annotated[bool, Query(description="whether the image is in the answer, for a browser (default: no)")]

STATIC = Path(__file__).with_name("static")

_DESCRIPTION = "Research software, not a medical device: not for diagnosis. An upload is kept in memory and forgotten."
_PROBLEMS: dict[int, str] = {
    400: "the image cannot be read, the form is broken, or the Host header is another's",
    401: "the token is missing or wrong",
    403: "the request comes from a page of another site",
    404: "this server was started without such a network",
    408: "the upload took too long",
    413: f"more than {MAX_UPLOAD_BYTES >> 20} MB",
    415: "the body is no multipart/form-data",
    422: "a field or a parameter is missing or wrong",
}
_BUSY = {
    "model": Problem,
    "description": "too many requests at once, or the server stops; try again after Retry-After seconds",
    "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}},
}


def create_app(
    engine: Engine,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    queue: int = QUEUE,
    pictures: Sequence[AnySample] | None = None,
) -> FastAPI:
    """The server's application.

    Args:
        engine: the networks; the caller closes it.
        token: what clients must show; None: nothing.
        hosts: names that the Host header may have; None: any.
        queue: requests with an image that are let in at once, waiting ones with those that are worked on.
        pictures: samples; None: drawn ones.
    """
    app = FastAPI(
        title="TieNet",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's page loads its script from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        dependencies=[Security(HTTPBearer(auto_error=False))] if token is not None else [],
    )
    app.add_middleware(Guard, token=token, hosts=hosts)
    app.add_exception_handler(StarletteHTTPException, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClosedError, _stopping)
    PageRoutes(engine).add_to(app)
    PredictionRoutes(engine, queue).add_to(app)
    SampleRoutes(engine, samples.drawn() if pictures is None else pictures).add_to(app)
    app.mount("/static", StaticFiles(directory=STATIC), "static")
    return app


class PageRoutes:
    """The page, the page that describes the API, and whether the server works."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        for address, name in (("/", "index.html"), ("/favicon.ico", "icon.svg"), ("/api/docs", "docs.html")):
            app.get(address, include_in_schema=False, response_class=FileResponse)(_sends(STATIC / name))
        app.get(HEALTH, response_model=Health, responses={503: {"model": Health}}, tags=["server"])(self.health)

    async def health(self) -> JSONResponse:
        """Whether requests are worked on; needs no token."""
        alive = self._engine.alive
        return JSONResponse({"status": "ok" if alive else "stopping"}, 200 if alive else 503)


def _sends(path: Path) -> Callable[[], Awaitable[FileResponse]]:
    """An endpoint that answers with a file."""

    async def file() -> FileResponse:
        return FileResponse(path)

    return file


class PredictionRoutes:
    """The networks: what they are, and what they make of uploads."""

    def __init__(self, engine: Engine, queue: int) -> None:
        self._engine, self._queue = engine, queue
        self._inside = 0
        self._uploads = Uploads()

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        app.get("/api/model", response_model=Models, responses=_problems(400, 401, 403), tags=["server"])(self.model)
        wrong = _problems(*_PROBLEMS) | {503: _BUSY}
        needs_image = self._engine.annotate is None or self._engine.annotate.image_px is not None
        for address, endpoint, form in (
            ("/api/report", self.report, _form(["image"], {"image": _IMAGE_FIELD})),
            (
                "/api/annotate",
                self.annotate,
                _form(
                    ["image", "report"] if needs_image else ["report"], {"image": _IMAGE_FIELD, "report": _TEXT_FIELD}
                ),
            ),
        ):
            app.post(address, response_model=Answer, responses=wrong, openapi_extra=form, tags=["read"])(endpoint)

    async def model(self) -> Models:
        """What this server has."""
        report, annotate = (
            network and answers.model(network) for network in (self._engine.report, self._engine.annotate)
        )
        return Models(
            report=report, annotate=annotate, upload_bytes=MAX_UPLOAD_BYTES, pixels=MAX_PIXELS, queue=self._queue
        )

    async def report(self, request: Request, maps: _Maps = True, picture: _Shown = False) -> Response:
        """Labels and a report from an image alone; mode classify has no report, caption no labels."""
        network = self._engine.report
        if network is None:
            raise HTTPException(404, f"this server reads no images alone; {_start(Reporter.MODES)}")
        return await self._answer(request, network, maps, picture)

    async def annotate(self, request: Request, maps: _Maps = True, picture: _Shown = False) -> Response:
        """Labels from an image and its report; mode annotate-text needs no image."""
        network = self._engine.annotate
        if network is None:
            raise HTTPException(404, f"this server reads no reports; {_start(Annotator.MODES)}")
        return await self._answer(request, network, maps, picture)

    async def _answer(self, request: Request, network: ServedNetwork, maps: bool, picture: bool) -> Response:
        if self._inside >= self._queue:
            seconds = network.batches.seconds_for(self._inside)
            raise HTTPException(503, f"{self._inside} requests wait already; try again", {"Retry-After": str(seconds)})
        self._inside += 1
        try:
            upload_name, report, seen = await self._receive(request, network, picture)
            prediction = await _unless_gone(request, network.submit(seen and seen.pixels, report))
        finally:
            self._inside -= 1
        found = answers.answer(network.mode, upload_name, seen, prediction, maps)
        return Response(found.model_dump_json(), media_type="application/json")

    async def _receive(
        self, request: Request, network: ServedNetwork, show: bool
    ) -> tuple[str, str, DecodedImage | None]:
        """The file's name, the report and the picture; the file's own bytes are let go of."""
        reads_reports = network is self._engine.annotate
        with await self._uploads.read(request) as held:
            upload = held.upload
            if upload.report is None and reads_reports:
                raise HTTPException(422, "report: missing; expected a text field, which may be empty")
            if upload.report is not None and not reads_reports:
                raise HTTPException(422, "report: POST /api/report takes the image alone; see POST /api/annotate")
            if upload.image is None:
                if network.image_px is not None:
                    raise HTTPException(422, "image: missing; expected a PNG, JPEG or DICOM file")
                return "", upload.report or "", None
            decoding = self._engine.decoder.submit(upload.image, upload.name, network.image_px, show)
            try:
                seen = await _unless_gone(request, decoding)
            except InputError as error:
                raise HTTPException(400, str(error)) from None
            return printable(upload.name), upload.report or "", seen


def _start(modes: Sequence[str]) -> str:
    return f"start it with --load and a run of mode {' or '.join(modes)}"


class SampleRoutes:
    """Pictures to try."""

    def __init__(self, engine: Engine, pictures: Sequence[AnySample]) -> None:
        self._engine = engine
        self._pictures = {picture.name: picture for picture in pictures}
        self._thumbnails: dict[str, bytes] = {}

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        wrong = _problems(400, 401, 403)
        missing = wrong | {404: {"model": Problem, "description": "no such sample"}}
        app.get("/api/samples", response_model=list[Sample], responses=wrong, tags=["samples"])(self.list)
        for address, endpoint, kinds in (
            ("/api/samples/{name}", self.file, ("image/png", "image/jpeg", "application/dicom")),
            ("/api/samples/{name}/thumbnail", self.thumbnail, ("image/jpeg",)),
        ):
            content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
            found = missing | {200: {"content": content, "description": "the picture"}}
            app.get(address, response_class=Response, responses=found, tags=["samples"])(endpoint)

    async def list(self) -> list[Sample]:
        """The samples' names, and their reports where they have one."""
        found = await asyncio.to_thread(lambda: [(p.name, p.title, p.drawn, p.report) for p in self._pictures.values()])
        return [Sample(name=name, title=title, drawn=drawn, report=report) for name, title, drawn, report in found]

    async def file(self, name: str) -> Response:
        """A sample's file."""
        picture = self._named(name)
        return Response(await asyncio.to_thread(_content, picture), media_type=picture.media_type)

    async def thumbnail(self, name: str) -> Response:
        """A sample in small."""
        picture = self._named(name)
        if name not in self._thumbnails:
            content = await asyncio.to_thread(_content, picture)
            try:
                small = await asyncio.wrap_future(self._engine.decoder.thumbnail(content, name, THUMBNAIL_PX))
            except InputError as error:
                raise HTTPException(400, str(error)) from None
            self._thumbnails[name] = small
        return Response(self._thumbnails[name], media_type="image/jpeg")

    def _named(self, name: str) -> AnySample:
        if name not in self._pictures:
            raise HTTPException(404, f"no sample {name[:80]!r}; GET /api/samples names them")
        return self._pictures[name]


def _content(picture: AnySample) -> bytes:
    try:
        return picture.content()
    except InputError as error:
        raise HTTPException(404, str(error)) from None


async def _unless_gone(request: Request, future: Future[Result]) -> Result:
    """The future's result; cancels it where the client goes away before."""
    waited = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((waited, gone), return_when=asyncio.FIRST_COMPLETED)
        if waited.done():
            return waited.result()
        raise HTTPException(499, "the client went away")
    finally:
        waited.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    """Returns when the client has closed the connection; the request's body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


# ---- what the description says of forms and errors ----

_IMAGE_FIELD = {"type": "string", "format": "binary", "description": "a PNG, JPEG or DICOM file"}
_TEXT_FIELD = {"type": "string", "maxLength": MAX_REPORT_CHARACTERS, "description": "the report; may be empty"}


def _form(required: list[str], fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": _PROBLEMS[status]} for status in statuses}


async def _problem(_: Request, error: StarletteHTTPException) -> JSONResponse:
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return JSONResponse({"detail": f"{where}: {first['msg']}"}, 422)


async def _stopping(_: Request, __: ClosedError) -> JSONResponse:
    return JSONResponse({"detail": "the server stops; try again later"}, 503, {"Retry-After": "10"})
