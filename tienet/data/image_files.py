"""A manifest's image files: each is opened once, to see that it is one and that no other split has the same picture."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tienet.data.image import SIGNATURE_BYTES, file_format
from tienet.data.splits import SPLITS

_TAIL_BYTES = 1024  # compressed pixels and, in a PNG, their checksum: differs wherever the pictures do


@dataclass
class Checked:
    """What was found.

    Attributes:
        wrong: file -> why it cannot be an image.
        same_as: study -> the first study of another split whose image file has the same bytes; one study for each
            such picture and split.
    """

    wrong: dict[Path, str] = field(default_factory=dict)
    same_as: dict[int, int] = field(default_factory=dict)


def check(images: Sequence[Path | None], splits: Sequence[str]) -> Checked:
    """Check the files of N studies by size, first and last bytes; read whole are only those that look the same.

    Args:
        images: N absolute paths, None where a study has no image. splits: N names.
    """
    found = Checked()
    mark_of: dict[Path, tuple[int, bytes]] = {}
    for path in dict.fromkeys(path for path in images if path is not None):
        try:
            mark_of[path] = _mark(path)
        except _WrongError as error:
            found.wrong[path] = str(error)
        except FileNotFoundError:
            found.wrong[path] = f"{path} does not exist"
        except OSError as error:
            found.wrong[path] = f"{path} cannot be read ({error.strerror})"
    for studies in _same(images, splits, mark_of):
        first_of: dict[str, int] = {}
        for n in studies:
            if first_of and splits[n] not in first_of:
                found.same_as[n] = next(iter(first_of.values()))
            first_of.setdefault(splits[n], n)
    return found


def copies(images: Sequence[Path | None], splits: Sequence[str]) -> list[int]:
    """The studies to leave out where a published split has a picture twice: it stays in test, else in validation."""
    mark_of = {}
    for path in dict.fromkeys(path for path in images if path is not None):
        with contextlib.suppress(OSError, _WrongError):  # `check` tells
            mark_of[path] = _mark(path)
    left_out = []
    for studies in _same(images, splits, mark_of):
        last = max((splits[n] for n in studies), key=SPLITS.index)
        left_out += [n for n in studies if splits[n] != last]
    return sorted(left_out)


def marks(images: Sequence[Path | None]) -> list[str]:
    """16 hex digits for each image file, from its size and last bytes; "" where there is none or it cannot be read."""
    found = []
    for path in images:
        try:
            size, digest = _mark(path) if path is not None else (0, b"")
        except (OSError, _WrongError):
            size, digest = 0, b""
        found.append(hashlib.sha256(b"%d %b" % (size, digest)).hexdigest()[:16] if digest else "")
    return found


class _WrongError(Exception):
    """Why a file cannot be an image."""


def _mark(path: Path) -> tuple[int, bytes]:
    """Two files that differ in it differ."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _WrongError(f"{path} is not a file")
    if not status.st_size:
        raise _WrongError(f"{path} is empty (0 bytes)")
    with path.open("rb", buffering=0) as file:
        start = file.read(SIGNATURE_BYTES)
        if not file_format(start):
            raise _WrongError(f"{path} is neither PNG nor JPEG (it starts with {start!r})")
        file.seek(max(status.st_size - _TAIL_BYTES, 0), os.SEEK_SET)
        return status.st_size, hashlib.blake2b(file.read(_TAIL_BYTES), digest_size=16).digest()


def _same(images: Sequence[Path | None], splits: Sequence[str], mark_of: dict) -> Iterator[list[int]]:
    """The studies of each picture that is in several splits."""
    alike: dict[tuple[int, bytes], list[int]] = {}
    for n, path in enumerate(images):
        if path in mark_of:
            alike.setdefault(mark_of[path], []).append(n)
    for studies in alike.values():
        if len({splits[n] for n in studies}) > 1:
            by_content: dict[bytes, list[int]] = {}
            for n in studies:
                by_content.setdefault(hashlib.sha256(images[n].read_bytes()).digest(), []).append(n)
            yield from (same for same in by_content.values() if len({splits[n] for n in same}) > 1)
