"""A request's body: read in memory, and never more than is allowed."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import HTTPException, Request
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

MAX_UPLOAD_BYTES = 64 << 20
"""The largest body."""

MAX_REPORT_CHARACTERS = 100_000
"""Characters of a report."""

MAX_UPLOAD_SECONDS = 120.0
"""The most that a body may take to arrive."""

MAX_BYTES_AT_ONCE = 1 << 30  # of all uploads that are being read or decoded


@dataclass(frozen=True)
class Upload:
    """A form's fields. `image` is the file's bytes, None where there is none; `report` the text, or None."""

    image: bytes | None
    name: str
    report: str | None


class _MemoryParser(MultiPartParser):
    spool_max_size = MAX_UPLOAD_BYTES + 1  # a file is rolled over to the disk where it is larger


class Uploads:
    """Reads bodies; knows how much memory they take together."""

    def __init__(self) -> None:
        self._bytes = 0

    async def read(self, request: Request) -> "Held":
        """The form of a request.

        Raises:
            HTTPException: 400 no form, 408 too slow, 413 too large, 415 another content type, 503 no memory left.
        """
        held = Held(self)
        try:
            held.upload = await asyncio.wait_for(self._parse(request, held), MAX_UPLOAD_SECONDS)
        except BaseException as error:
            held.release()
            if isinstance(error, asyncio.TimeoutError):  # in Python 3.10 not the built-in one
                raise HTTPException(408, f"the upload took more than {MAX_UPLOAD_SECONDS:g} s; try again") from None
            raise
        return held

    async def _parse(self, request: Request, held: "Held") -> Upload:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "multipart/form-data":
            raise HTTPException(415, f"Content-Type is {content_type[:80] or 'missing'}; expected multipart/form-data")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > MAX_UPLOAD_BYTES:
            raise _too_large()
        parser = _MemoryParser(
            Headers(raw=request.headers.raw), held.counted(request.stream()), max_files=1, max_fields=2
        )
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(400, f"the form cannot be read: {error.message}") from None
        return await _fields(form)


class Held:
    """An upload and the memory that is counted for it, until `release`, which may be called again."""

    def __init__(self, uploads: Uploads) -> None:
        self.upload: Upload | None = None
        self._uploads, self._bytes = uploads, 0

    async def counted(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The chunks; raises where there are too many bytes."""
        async for chunk in stream:
            self._bytes += len(chunk)
            self._uploads._bytes += len(chunk)
            if self._bytes > MAX_UPLOAD_BYTES:
                raise _too_large()
            if self._uploads._bytes > MAX_BYTES_AT_ONCE:
                raise HTTPException(503, "too many large uploads at once; try again", {"Retry-After": "5"})
            yield chunk

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Forget the upload and count its memory as free."""
        self.upload = None
        self._uploads._bytes -= self._bytes
        self._bytes = 0


async def _fields(form: FormData) -> Upload:
    image, report = form.get("image"), form.get("report")
    unknown = sorted(set(form) - {"image", "report"})
    if unknown:
        raise HTTPException(422, f"{unknown[0][:80]!r}: no such field; expected image and report")
    if isinstance(image, str):
        raise HTTPException(422, "image: a text field; expected a file (with a filename)")
    if isinstance(report, UploadFile):
        raise HTTPException(422, "report: a file; expected a text field (without a filename)")
    if report is not None and len(report) > MAX_REPORT_CHARACTERS:
        raise HTTPException(
            422, f"report: {len(report):,} characters; the most that is read is {MAX_REPORT_CHARACTERS:,}"
        )
    if image is None:
        return Upload(None, "", report)
    content = await image.read()
    await image.close()
    return Upload(content, image.filename or "", report)


def _too_large() -> HTTPException:
    return HTTPException(
        413, f"more than {MAX_UPLOAD_BYTES >> 20} MB; the most that is read is {MAX_UPLOAD_BYTES:,} bytes"
    )
