"""The application of a server: the page, and the JSON API under /api.

The docstrings of the endpoints are part of the API: its description at /api/openapi.json and /api/docs shows them.
"""

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from tienet.data.image import MAX_PIXELS
from tienet.data.text import MAX_REPORT_CHARACTERS
from tienet.errors import InputError
from tienet.predict import Annotator, Reporter
from tienet.server import MAX_REQUESTS
from tienet.server.answers import Answer, Health, Model, Models, Problem, Sample
from tienet.server.api_page import render_api_page
from tienet.server.base import add_page, described, new_app
from tienet.server.batches import ClosedError
from tienet.server.engine import Engine, ServedNetwork
from tienet.server.guard import HEALTH
from tienet.server.images import DecodedImage, printable
from tienet.server.samples import MAX_THUMBNAIL_PX, AnySample, draw_samples
from tienet.server.uploads import MAX_UPLOAD_BYTES, Uploads

Result = TypeVar("Result")

_WithMaps = Annotated[bool, Query(description="whether a_ws and a are in the answer (default: yes)")]
_WithPicture = Annotated[bool, Query(description="whether the image is in the answer, for a browser (default: no)")]

_DESCRIPTION = "Research software, not a medical device: not for diagnosis. An upload is kept in memory and forgotten."
_PROBLEMS: dict[int, str] = {
    404: "this server was started without such a network",
    408: "the upload took too long",
    413: f"more than {MAX_UPLOAD_BYTES >> 20} MB",
    415: "the body is no multipart/form-data",
    422: "a field or a parameter is missing or wrong, or the network knows too few of the report's words",
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
    max_requests: int = MAX_REQUESTS,
    samples: Sequence[AnySample] | None = None,
) -> FastAPI:
    """The server's application.

    Args:
        engine: The networks; the caller closes them.
        token: What clients must show; None: no token is asked for.
        hosts: The names that the Host header may have; None: any.
        max_requests: How many requests with an upload may be worked on or wait at once; further ones are answered 503.
        samples: The images that the page offers to try; None: drawings.
    """
    app = new_app("TieNet", _DESCRIPTION, token, hosts)
    app.add_exception_handler(ClosedError, _answer_stopping)
    PageRoutes(engine).add_to(app)
    PredictionRoutes(engine, max_requests).add_to(app)
    SampleRoutes(engine, draw_samples() if samples is None else samples).add_to(app)
    return app


class PageRoutes:
    """The addresses of the page, of the pages that describe the API, and of the health check."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        add_page(app, "index.html")
        for address in ("/api", "/api/docs"):
            app.get(address, include_in_schema=False, response_class=HTMLResponse)(self.api)
        app.get(HEALTH, response_model=Health, responses={503: {"model": Health}}, tags=["server"])(self.health)

    async def api(self, request: Request) -> HTMLResponse:
        """The description of the API, where its calls can be tried."""
        networks = {"report": self._engine.report, "annotate": self._engine.annotate}
        served = {kind: network.image_px is not None for kind, network in networks.items() if network is not None}
        return HTMLResponse(render_api_page(request.app.openapi(), str(request.base_url).rstrip("/"), served))

    async def health(self) -> JSONResponse:
        """Whether requests are worked on; needs no token."""
        alive = self._engine.alive
        return JSONResponse({"status": "ok" if alive else "stopping"}, 200 if alive else 503)


class PredictionRoutes:
    """The addresses of the networks: what they are, and what they predict for uploads."""

    def __init__(self, engine: Engine, max_requests: int) -> None:
        self._engine, self._max_requests = engine, max_requests
        self._requests = 0  # with an upload, that wait or are worked on
        self._uploads = Uploads()

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        app.get("/api/model", response_model=Models, responses=described(400, 401, 403), tags=["server"])(self.model)
        wrong = described(400, 401, 403, more=_PROBLEMS) | {503: _BUSY}
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
            network and Model.from_network(network) for network in (self._engine.report, self._engine.annotate)
        )
        return Models(
            report=report,
            annotate=annotate,
            upload_bytes=MAX_UPLOAD_BYTES,
            report_characters=MAX_REPORT_CHARACTERS,
            pixels=MAX_PIXELS,
            queue=self._max_requests,
        )

    async def report(self, request: Request, maps: _WithMaps = True, picture: _WithPicture = False) -> Response:
        """Labels and a report from an image alone; mode classify has no report, caption no labels."""
        network = self._engine.report
        if network is None:
            raise HTTPException(404, f"this server reads no images alone; {_start_with(Reporter.MODES)}")
        return await self._answer(request, network, maps, picture)

    async def annotate(self, request: Request, maps: _WithMaps = True, picture: _WithPicture = False) -> Response:
        """Labels from an image and its report; mode annotate-text needs no image, and a report that is not empty."""
        network = self._engine.annotate
        if network is None:
            raise HTTPException(404, f"this server reads no reports; {_start_with(Annotator.MODES)}")
        return await self._answer(request, network, maps, picture)

    async def _answer(self, request: Request, network: ServedNetwork, maps: bool, picture: bool) -> Response:
        waiting = self._requests
        if waiting >= self._max_requests:
            retry_after = {"Retry-After": str(network.batches.seconds_for(waiting))}
            raise HTTPException(503, f"{waiting} requests wait already; try again", retry_after)
        self._requests += 1
        try:
            name, report, image = await self._receive(request, network, picture)
            prediction = await _wait_unless_disconnected(request, network.submit(image and image.pixels, report))
        finally:
            self._requests -= 1
        given = report if network is self._engine.annotate else None
        answer = Answer.from_prediction(network.mode, name, image, prediction, maps, given, network.notes)
        return Response(answer.model_dump_json(), media_type="application/json")

    async def _receive(
        self, request: Request, network: ServedNetwork, with_data_uri: bool
    ) -> tuple[str, str, DecodedImage | None]:
        """The file's name, the report and the decoded image of a request; the file's own bytes are dropped."""
        reads_reports = network is self._engine.annotate
        with await self._uploads.read(request) as received:
            upload = received.upload
            if upload.report is None and reads_reports:
                raise HTTPException(422, "report: missing; expected a text field")
            if upload.report is not None and not reads_reports:
                raise HTTPException(422, "report: POST /api/report takes the image alone; see POST /api/annotate")
            fault = await asyncio.to_thread(network.find_fault, upload.report) if reads_reports else None
            if fault:
                raise HTTPException(422, f"report: {fault}")
            if upload.image is None:
                if network.image_px is not None:
                    raise HTTPException(422, "image: missing; expected a PNG, JPEG or DICOM file")
                return "", upload.report or "", None
            decoding = self._engine.decoder.submit(upload.image, upload.name, network.image_px, with_data_uri)
            try:
                image = await _wait_unless_disconnected(request, decoding)
            except InputError as error:
                raise HTTPException(400, str(error)) from None
            return printable(upload.name), upload.report or "", image


def _start_with(modes: Sequence[str]) -> str:
    return f"start it with --load and a run of mode {' or '.join(modes)}"


class SampleRoutes:
    """The addresses of the samples."""

    def __init__(self, engine: Engine, samples: Sequence[AnySample]) -> None:
        self._engine = engine
        self._samples = {sample.name: sample for sample in samples}
        self._thumbnails: dict[str, bytes] = {}

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        wrong = described(400, 401, 403)
        missing = described(400, 401, 403, more={404: "no such sample"})
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

        def read() -> list[Sample]:  # reports are read from files
            return [Sample(name=s.name, title=s.title, drawn=s.drawn, report=s.report) for s in self._samples.values()]

        return await asyncio.to_thread(read)

    async def file(self, name: str) -> Response:
        """A sample's file."""
        sample = self._find(name)
        return Response(await asyncio.to_thread(_read_content, sample), media_type=sample.media_type)

    async def thumbnail(self, name: str) -> Response:
        """A sample in small."""
        sample = self._find(name)
        if name not in self._thumbnails:
            content = await asyncio.to_thread(_read_content, sample)
            encoding = self._engine.decoder.submit_thumbnail(content, name, MAX_THUMBNAIL_PX)
            try:
                self._thumbnails[name] = await asyncio.wrap_future(encoding)
            except InputError as error:
                raise HTTPException(400, str(error)) from None
        return Response(self._thumbnails[name], media_type="image/jpeg")

    def _find(self, name: str) -> AnySample:
        if name not in self._samples:
            raise HTTPException(404, f"no sample {name[:80]!r}; GET /api/samples names them")
        return self._samples[name]


def _read_content(sample: AnySample) -> bytes:
    try:
        return sample.content()
    except InputError as error:
        raise HTTPException(404, str(error)) from None


async def _wait_unless_disconnected(request: Request, future: Future[Result]) -> Result:
    """Wait for the future's result; if the client closes the connection before, cancel it and raise HTTPException."""
    result = asyncio.wrap_future(future)
    disconnected = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((result, disconnected), return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            return result.result()
        raise HTTPException(499, "the client went away")
    finally:
        result.cancel()
        disconnected.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    """Return when the client has closed the connection. The request's body must have been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


# ---- forms in the description of the API ----

_IMAGE_FIELD = {"type": "string", "format": "binary", "description": "a PNG, JPEG or DICOM file"}
_TEXT_FIELD = {
    "type": "string",
    "maxLength": MAX_REPORT_CHARACTERS,
    "description": "the report; may be empty where the network sees the image, too",
}


def _form(required: list[str], fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


async def _answer_stopping(_: Request, __: ClosedError) -> JSONResponse:
    return JSONResponse({"detail": "the server stops; try again later"}, 503, {"Retry-After": "10"})
