"""NLM's archives: checked as a whole before anything of them is used; the images, unpacked once."""

import contextlib
import gzip
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tienet import files
from tienet.errors import InputError
from tienet.progress import Progress

DAMAGED = (
    tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError,
    ValueError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip
"""What reading a tar archive raises, packed or not; the last ones come from numbers and names in its headers."""

MAX_IMAGE_BYTES = 100_000_000  # a real image has about 200 kB

_STATE = ".unpacked.json"
_CHUNK_BYTES = 1 << 20


def check(path: Path, ending: str) -> None:
    """Read a whole .tgz archive, with its checksums. Nothing is unpacked.

    Args:
        path: The archive.
        ending: That of the files that are wanted of it, such as ".png".
    Raises:
        InputError: It is damaged, cut off, no such archive, or has no file with this ending.
    """
    found = 0
    with contextlib.closing(_members(path)) as members:
        for member, _ in members:
            found += _name(member, ending) is not None
    if not found:
        raise InputError(f"{path}: no {ending} file in it; expected an archive of OpenI from NLM")


def unpack_images(archive: Path, sha256: str, folder: Path) -> None:
    """Unpack the .png files of a .tgz archive into one folder; after a stop, those that are missing.

    Only plain files are taken, by the last part of their name, so that none is written anywhere else.

    Args:
        archive: The archive.
        sha256: Its digest, by which the folder's images are known to be of this archive.
        folder: The folder, which is made.
    Raises:
        InputError: The archive is damaged, two of its files have the same name, or one is too large.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / _STATE
    if is_unpacked(folder, sha256):
        return
    goes_on = _state(folder) == {"sha256": sha256, "whole": False}
    files.write_json(state, {"sha256": sha256, "whole": False})
    for left in folder.glob(".*.tmp"):  # of a process that was killed
        left.unlink()
    seen: set[str] = set()
    with contextlib.closing(_members(archive)) as members, Progress(None, "unpacking", "images") as progress:
        for member, tar in members:
            name = _name(member, ".png")
            if name is None:
                continue
            if name in seen or member.size > MAX_IMAGE_BYTES:
                what = "is there twice" if name in seen else f"has {member.size:,} bytes"
                raise InputError(f"{archive}: {files.printable(name)} {what}; expected NLM's NLMCXR_png.tgz")
            seen.add(name)
            image = folder / name
            if not (goes_on and image.is_file() and image.stat().st_size == member.size):
                with files.replacing(image) as temporary, temporary.open("wb") as stream:
                    shutil.copyfileobj(tar.extractfile(member), stream)
            progress.update()
    files.write_json(state, {"sha256": sha256, "whole": True})


def is_unpacked(folder: Path, sha256: str) -> bool:
    """Whether a folder has all images of the archive with this digest."""
    return _state(folder) == {"sha256": sha256, "whole": True}


def _state(folder: Path) -> object:
    with contextlib.suppress(InputError, FileNotFoundError):
        return files.read_json(folder / _STATE)
    return None


def _name(member: tarfile.TarInfo, ending: str) -> str | None:
    """The last part of the name of a file that is wanted; None for any other member."""
    name = PurePosixPath(member.name).name
    wanted = member.isfile() and name.lower().endswith(ending) and not files.is_hidden(name)
    return name if wanted else None


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield the members of a .tgz archive in their order, and then see that its end is there, with the checksum."""
    damaged = f"{path}: not a whole .tgz archive, or a damaged one; get it again"
    with gzip.open(path) as packed:
        members = _reading(packed)
        while True:
            try:
                member = next(members, None)
            except DAMAGED:
                raise InputError(damaged) from None
            if member is None:
                return
            yield member


def _reading(packed: gzip.GzipFile) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    with tarfile.open(fileobj=packed, mode="r|") as tar:
        for member in tar:
            if member.size < 0:
                raise tarfile.ReadError
            yield member, tar
    while packed.read(_CHUNK_BYTES):  # gzip checks the sum when it reads the end
        pass
