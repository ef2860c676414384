"""A manifest's image files: each is opened once, to see that it is one and that no other split has the same picture."""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tienet.data.image import SIGNATURE_BYTES, file_format

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
    alike: dict[tuple[int, bytes], list[int]] = {}
    for n, path in enumerate(images):
        if path in mark_of:
            alike.setdefault(mark_of[path], []).append(n)
    for studies in alike.values():
        if len({splits[n] for n in studies}) > 1:
            found.same_as.update(_same(studies, images, splits))
    return found


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


def _same(studies: Sequence[int], images: Sequence[Path], splits: Sequence[str]) -> dict[int, int]:
    """Of studies that look the same, those that are: `Checked.same_as`."""
    first_of: dict[bytes, dict[str, int]] = {}
    same_as: dict[int, int] = {}
    for n in studies:
        digest = hashlib.sha256(images[n].read_bytes()).digest()
        of_splits = first_of.setdefault(digest, {})
        if of_splits and splits[n] not in of_splits:
            same_as[n] = next(iter(of_splits.values()))
        of_splits.setdefault(splits[n], n)
    return same_as
