"""What the applications of all servers have in common: the guard, the static files, and errors as {"detail": ...}."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from tienet.server.answers import Problem
from tienet.server.guard import Guard

STATIC = Path(__file__).with_name("static")

PROBLEMS: dict[int, str] = {
    400: "the image cannot be read, the form is broken, or the Host header is another's",
    401: "the token is missing or wrong",
    403: "the request comes from a page of another site",
}
"""The statuses that every server has."""


def new_app(title: str, description: str, token: str | None, hosts: Collection[str] | None) -> FastAPI:
    """An application behind the guard, without addresses of its own but those of the page's files under /static.

    Args:
        title, description: For the description of the API at /api/openapi.json.
        token: What clients must show; None: no token is asked for.
        hosts: The names that the Host header may have; None: any.
    """
    app = FastAPI(
        title=title,
        version="1",
        description=description,
        docs_url=None,  # FastAPI's own page loads its script from another site
        redoc_url=None,
        openapi_url="/api/openapi.json",
        dependencies=[Security(HTTPBearer(auto_error=False))] if token is not None else [],
    )
    app.add_middleware(Guard, token=token, hosts=hosts)
    app.add_exception_handler(StarletteHTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_request)
    app.mount("/static", StaticFiles(directory=STATIC), "static")
    return app


def add_page(app: FastAPI, page: str) -> None:
    """Add the address of the page, a file of STATIC, and that of its icon."""
    for address, name in (("/", page), ("/favicon.ico", "icon.svg")):
        app.get(address, include_in_schema=False, response_class=FileResponse)(_file_endpoint(STATIC / name))


def _file_endpoint(path: Path) -> Callable[[], Awaitable[FileResponse]]:
    """An endpoint that answers with a file."""

    async def file() -> FileResponse:
        return FileResponse(path)

    return file


def described(*statuses: int, more: Mapping[int, str] | None = None) -> dict[int | str, dict[str, Any]]:
    """The refusals of an address, for the description of the API.

    Args:
        statuses: Some of PROBLEMS.
        more: What further statuses mean.
    """
    texts = {status: PROBLEMS[status] for status in statuses} | dict(more or {})
    return {status: {"model": Problem, "description": text} for status, text in texts.items()}


async def _answer_http_error(_: Request, error: StarletteHTTPException) -> JSONResponse:
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


async def _answer_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return JSONResponse({"detail": f"{where}: {first['msg']}"}, 422)
