"""Reading of a request's body: in memory, and never more than the limits allow."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import HTTPException, Request
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from tienet.data.text import length_problem

MAX_UPLOAD_BYTES = 64 << 20
"""The largest file that is read."""

_MAX_BODY_BYTES = MAX_UPLOAD_BYTES + (1 << 20)  # of a request: the file, the report and what the form adds

MAX_UPLOAD_SECONDS = 120.0
"""How long a body may take to arrive."""

MAX_BYTES_AT_ONCE = 1 << 30
"""The largest number of bytes of all uploads together that are being read or decoded."""


@dataclass(frozen=True)
class Upload:
    """The fields of a form.

    Attributes:
        image: The bytes of the file; None if the form has none.
        name: The file's name as the client gave it; empty without a file.
        report: The report's text, with \\n as the end of a line; None if the form has none.
    """

    image: bytes | None
    name: str
    report: str | None


class _MemoryParser(MultiPartParser):
    spool_max_size = _MAX_BODY_BYTES + 1  # only a larger file would be written to a disk


class Uploads:
    """Reads the bodies of requests, and counts how much memory they take together."""

    def __init__(self) -> None:
        self._bytes = 0

    async def read(self, request: Request) -> "ReceivedUpload":
        """Read the form of a request.

        Raises:
            HTTPException: 400 if the body is no form, 408 if it comes too slowly, 413 if it is too large, 415 if it has
                another content type, 422 if a field is wrong, 503 if the uploads together take too much memory.
        """
        received = ReceivedUpload(self)
        try:
            received.upload = await asyncio.wait_for(self._parse(request, received), MAX_UPLOAD_SECONDS)
        except BaseException as error:
            received.release()
            if isinstance(error, asyncio.TimeoutError):  # in Python 3.10 not the built-in TimeoutError
                raise HTTPException(408, f"the upload took more than {MAX_UPLOAD_SECONDS:g} s; try again") from None
            raise
        return received

    async def _parse(self, request: Request, received: "ReceivedUpload") -> Upload:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "multipart/form-data":
            raise HTTPException(415, f"Content-Type is {content_type[:80] or 'missing'}; expected multipart/form-data")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > _MAX_BODY_BYTES:
            raise _too_large()
        parser = _MemoryParser(
            Headers(raw=request.headers.raw), received.count_bytes(request.stream()), max_files=1, max_fields=2
        )
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(400, f"the form cannot be read: {error.message}") from None
        return await _check_fields(form)


class ReceivedUpload:
    """An upload, and the memory that is counted for it until it is released.

    Attributes:
        upload: The form's fields; None before they were read and after `release`.
    """

    def __init__(self, uploads: Uploads) -> None:
        self.upload: Upload | None = None
        self._uploads, self._bytes = uploads, 0

    async def count_bytes(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Pass the chunks of a body on, and raise HTTPException where they have more bytes than is allowed."""
        async for chunk in stream:
            self._bytes += len(chunk)
            self._uploads._bytes += len(chunk)
            if self._bytes > _MAX_BODY_BYTES:
                raise _too_large()
            if self._uploads._bytes > MAX_BYTES_AT_ONCE:
                raise HTTPException(503, "too many large uploads at once; try again", {"Retry-After": "5"})
            yield chunk

    def __enter__(self) -> "ReceivedUpload":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Drop the upload, and count its memory as free; may be called again."""
        self.upload = None
        self._uploads._bytes -= self._bytes
        self._bytes = 0


async def _check_fields(form: FormData) -> Upload:
    """The upload of a form.

    Raises:
        HTTPException: 413 if the file is too large, 422 if a field is unknown, of another kind or too long.
    """
    image, report = form.get("image"), form.get("report")
    unknown = sorted(set(form) - {"image", "report"})
    if unknown:
        raise HTTPException(422, f"{unknown[0][:80]!r}: no such field; expected image and report")
    if isinstance(image, str):
        raise HTTPException(422, "image: a text field; expected a file (with a filename)")
    if isinstance(report, UploadFile):
        raise HTTPException(422, "report: a file; expected a text field (without a filename)")
    if report is not None:
        report = report.replace("\r\n", "\n")  # which a browser writes into a form for each \n
    if report is not None and (problem := length_problem(report)):
        raise HTTPException(422, f"report: {problem}")
    if image is None:
        return Upload(None, "", report)
    content = await image.read()
    await image.close()
    if len(content) > MAX_UPLOAD_BYTES:
        raise _too_large()
    return Upload(content, image.filename or "", report)


def _too_large() -> HTTPException:
    return HTTPException(
        413, f"more than {MAX_UPLOAD_BYTES >> 20} MB; the most that is read is {MAX_UPLOAD_BYTES:,} bytes"
    )
