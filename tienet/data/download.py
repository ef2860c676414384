"""Downloads that go on where they were stopped, and are never made of two versions of a file.

What has come of NAME is kept as .NAME.part, and .NAME.part.json says of which version it is: its size, and the ETag or
the time by which the server names it. The next request asks for the rest of that version alone (Range with If-Range).
If the server has another version by now, or does not name them, the download starts anew.
"""

import contextlib
import hashlib
import http.client
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tienet import files
from tienet.errors import InputError
from tienet.folders import locks
from tienet.progress import Progress

TIMEOUT_S = 60.0
"""The longest wait for the server's next bytes."""

TRIES = 5
"""How often it is tried without one new byte before it is given up; once, if there is no connection at all."""

WAIT_S = 1.0
"""The wait before the second try; it doubles with each further one."""

CHUNK_BYTES = 1 << 18

# Not all of OSError: a full disk is no error of the network.
NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)

_TRIED_AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""The answers of servers that are busy or out of order for a while."""

_PARTIAL, _BEYOND = 206, 416


@dataclass(frozen=True)
class Version:
    """Which version of a file a server has.

    Attributes:
        url: The address that was asked for.
        size: The bytes of the whole file; None if the server does not say.
        name: The strong ETag, else the time of the last change; empty if the server gives neither.
    """

    url: str
    size: int | None
    name: str


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a file that was moved, but not from https to an address that anybody on the way could change."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"it leads to {newurl}, which is not https")
        moved = super().redirect_request(req, fp, code, msg, headers, newurl)
        moved.method = req.get_method()  # else HEAD becomes GET
        return moved


def size_of(url: str) -> int | None:
    """The bytes of the file at an address; None if the server does not say. Raises InputError if it cannot be had."""
    try:
        with _open(urllib.request.Request(url, method="HEAD")) as answer:
            return _version(url, answer.headers).size
    except urllib.error.HTTPError as error:
        if error.code in (http.HTTPStatus.METHOD_NOT_ALLOWED, http.HTTPStatus.NOT_IMPLEMENTED):
            return None
        raise InputError(f"{url}: {_reason(error)}") from None
    except NETWORK_ERRORS as error:
        raise InputError(f"{url}: {_reason(error)}") from None


def received(path: Path) -> int:
    """How many bytes of a download to `path` lie on the disk."""
    part = part_of(path)
    return part.stat().st_size if part.exists() else 0


def part_of(path: Path) -> Path:
    """Where the part of a download to `path` lies that has come."""
    return path.with_name(f".{path.name}.part")


def discard(path: Path) -> None:
    """Remove what has come of a download to `path`, so that it starts anew."""
    for part in (_state_of(path), part_of(path)):
        part.unlink(missing_ok=True)


def download(url: str, path: Path, check: Callable[[Path], None]) -> None:
    """Download a file, with a progress bar, check it and move it into place; go on with what has come of it earlier.

    A connection that fails, or gives nothing for TIMEOUT_S, is tried again, TRIES times without a new byte.

    Args:
        url: An http or https address.
        path: Where the file goes.
        check: Receives the path of the whole file, and raises InputError if it is damaged or another one than expected.
    Raises:
        InputError: The download failed: what has come is kept for the next time, if it can be of use then. Or the file
            is not the right one: it is removed. `path` is as before.
    """
    with locks.hold(path.with_name(f".{path.name}.lock"), path, wait=True):
        _receive_all(url, path)
        try:
            check(part_of(path))
        except InputError:
            discard(path)
            raise
        part_of(path).replace(path)
        discard(path)


def digest_of(path: Path, algorithm: str) -> str:
    """The digest of a file, such as its sha256 or md5, in hex."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _receive_all(url: str, path: Path) -> None:
    failures = 0
    while True:
        before = received(path)
        try:
            ended = _receive(url, path)
            if ended is None:
                return
        except urllib.error.HTTPError as error:
            ended = _reason(error)
            if error.code not in (*_TRIED_AGAIN, _BEYOND):
                raise InputError(f"{url}: {ended}; try again later, or another --url") from None
        except NETWORK_ERRORS as error:
            ended = _reason(error)
            if isinstance(error, urllib.error.URLError) and not received(path):  # there is no connection at all
                raise InputError(f"{url}: {ended}; try again, or another --url") from None
        failures = 1 if received(path) > before else failures + 1
        if failures >= TRIES:
            raise InputError(f"{url}: {ended}; {_what_next(url, path)}")
        print(f"{path.name}: {ended}; trying again", file=sys.stderr)
        time.sleep(WAIT_S * 2 ** (failures - 1))


def _what_next(url: str, path: Path) -> str:
    """What the same command will do; a part that it could not go on from is removed."""
    known = _known(url, path)
    if known is None or not known.name:
        discard(path)
        return "try again, or another --url"
    return f"the same command goes on after {received(path):,} bytes, or give another --url"


def _receive(url: str, path: Path) -> str | None:
    """Receive the rest of a file; returns None if it is whole, else how the download ended."""
    known, part = _known(url, path), part_of(path)
    request = urllib.request.Request(url)
    if known is not None and known.name:
        if known.size == received(path):
            return None
        request.add_header("Range", f"bytes={received(path)}-")
        request.add_header("If-Range", known.name)
    try:
        answer = _open(request)
    except urllib.error.HTTPError as error:
        if error.code == _BEYOND:  # the file is shorter than what has come, so it is another one
            discard(path)
        raise
    with answer:
        version = _version(url, answer.headers)
        goes_on = answer.status == _PARTIAL
        if goes_on and (version != known or _first_byte(answer.headers) != received(path)):
            discard(path)
            return "the file has changed on the server"
        if not goes_on:
            if known is not None:
                print(
                    f"{path.name}: the server has another version, or gives no parts; from the start", file=sys.stderr
                )
            discard(path)
            files.write_json(_state_of(path), asdict(version))
        with part.open("ab") as stream, Progress(version.size, path.name, "bytes", scaled=True) as progress:
            progress.skip(received(path) if goes_on else 0)
            while chunk := answer.read1(CHUNK_BYTES):
                stream.write(chunk)
                progress.update(len(chunk))
    if version.size not in (None, received(path)):
        return f"the download ended after {received(path):,} of {version.size:,} bytes"
    return None


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    return urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT_S)


def _version(url: str, headers: Mapping[str, str]) -> Version:
    """The version of a file that an answer brings, whole or in part."""
    tag = headers.get("ETag", "")
    whole = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
    length = whole[1] if whole else headers.get("Content-Length", "")
    name = tag if tag.startswith('"') else headers.get("Last-Modified", "")  # W/"..." names no bytes
    return Version(url, int(length) if length.isdecimal() else None, name)


def _first_byte(headers: Mapping[str, str]) -> int | None:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _state_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part.json")


def _known(url: str, path: Path) -> Version | None:
    """The version that the part belongs to; None if there is no part of this address."""
    if received(path):
        with contextlib.suppress(InputError, FileNotFoundError, TypeError):
            known = Version(**files.read_json(_state_of(path)))
            return known if known.url == url else None
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return f"no answer in {TIMEOUT_S:g} s"
    return f"no download ({getattr(error, 'reason', None) or error or type(error).__name__})"
