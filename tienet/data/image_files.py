"""Checks of the image files of a manifest: each is opened once, to see that it is an image and that no other split has
the same image."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tienet.data.image import SIGNATURE_BYTES, file_format
from tienet.data.splits import SPLITS

_TAIL_BYTES = 1024  # compressed pixels and, in a PNG, their checksum, which differ wherever the images differ


@dataclass
class ImageCheck:
    """The result of `check`.

    Attributes:
        wrong: Maps each file that cannot be an image to the reason.
        same_as: Maps the position of a study to that of the first study of another split whose image file has the
            same bytes; for each such image one study of each further split is listed.
    """

    wrong: dict[Path, str] = field(default_factory=dict)
    same_as: dict[int, int] = field(default_factory=dict)


def check(images: Sequence[Path | None], splits: Sequence[str]) -> ImageCheck:
    """Check the image files of N studies by their sizes and by their first and last bytes.

    Only files that look the same by these, and lie in different splits, are read as a whole.

    Args:
        images: N absolute paths, None where a study has no image.
        splits: The N names of the splits.
    """
    found = ImageCheck()
    digest_of: dict[Path, tuple[int, bytes]] = {}
    for path in dict.fromkeys(path for path in images if path is not None):
        try:
            digest_of[path] = _size_and_digest(path)
        except _NoImageError as error:
            found.wrong[path] = str(error)
        except FileNotFoundError:
            found.wrong[path] = f"{path} does not exist"
        except OSError as error:
            found.wrong[path] = f"{path} cannot be read ({error.strerror})"
    for studies in _in_several_splits(images, splits, digest_of):
        first_of: dict[str, int] = {}
        for n in studies:
            if first_of and splits[n] not in first_of:
                found.same_as[n] = next(iter(first_of.values()))
            first_of.setdefault(splits[n], n)
    return found


def find_copies(images: Sequence[Path | None], splits: Sequence[str]) -> list[int]:
    """The positions of the studies to leave out because another split of a published data set has the same image.

    The image stays in the test split if it is there, else in the validation split.
    """
    digest_of = {}
    for path in dict.fromkeys(path for path in images if path is not None):
        with contextlib.suppress(OSError, _NoImageError):  # `check` reports these files
            digest_of[path] = _size_and_digest(path)
    left_out = []
    for studies in _in_several_splits(images, splits, digest_of):
        last = max((splits[n] for n in studies), key=SPLITS.index)
        left_out += [n for n in studies if splits[n] != last]
    return sorted(left_out)


def fingerprints(images: Sequence[Path | None]) -> list[str]:
    """16 hexadecimal digits for each image file, from its size and its last bytes.

    The string is empty where a study has no image or its file cannot be read.
    """
    found = []
    for path in images:
        try:
            size, digest = _size_and_digest(path) if path is not None else (0, b"")
        except (OSError, _NoImageError):
            size, digest = 0, b""
        found.append(hashlib.sha256(b"%d %b" % (size, digest)).hexdigest()[:16] if digest else "")
    return found


class _NoImageError(Exception):
    """A file cannot be an image; the message says why."""


def _size_and_digest(path: Path) -> tuple[int, bytes]:
    """The size of an image file and a hash of its last bytes; files for which these differ are different."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _NoImageError(f"{path} is not a file")
    if not status.st_size:
        raise _NoImageError(f"{path} is empty (0 bytes)")
    with path.open("rb", buffering=0) as file:
        start = file.read(SIGNATURE_BYTES)
        if not file_format(start):
            raise _NoImageError(f"{path} is neither PNG nor JPEG (it starts with {start!r})")
        file.seek(max(status.st_size - _TAIL_BYTES, 0), os.SEEK_SET)
        return status.st_size, hashlib.blake2b(file.read(_TAIL_BYTES), digest_size=16).digest()


def _in_several_splits(images: Sequence[Path | None], splits: Sequence[str], digest_of: dict) -> Iterator[list[int]]:
    """Yield the positions of the studies that share an image, for each image that is in several splits."""
    alike: dict[tuple[int, bytes], list[int]] = {}
    for n, path in enumerate(images):
        if path in digest_of:
            alike.setdefault(digest_of[path], []).append(n)
    for studies in alike.values():
        if len({splits[n] for n in studies}) > 1:
            by_content: dict[bytes, list[int]] = {}
            for n in studies:
                by_content.setdefault(hashlib.sha256(images[n].read_bytes()).digest(), []).append(n)
            yield from (same for same in by_content.values() if len({splits[n] for n in same}) > 1)
