"""An upload's bytes as grey pixels: PNG, JPEG or DICOM, read in threads and in memory, never from a disk."""

import base64
import contextlib
import os
import struct
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import cv2
import numpy as np

from tienet.data import image
from tienet.data.dicom import reader as dicom
from tienet.data.dicom import view
from tienet.errors import InputError

DICOM_SECONDS = 20.0
"""The most that the decoder of a DICOM file may take; others wait."""

SHOWN_PX = 1024
"""The longer side of the picture that a browser gets."""

_THREADS = 2
_LARGE_BYTES = (
    50_000_000  # of a decoded PNG; larger ones are decoded one at a time, and small ones do not wait for them
)
_MAX_BYTES = 300_000_000
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by a PNG's colour type
_LONGEST_NAME = 80
_JPEG_QUALITY = 92


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """What is kept of an image.

    Attributes:
        pixels: uint8 [px, px] as the network takes it; None where none was asked for.
        height, width: of the file's image.
        shown: a JPEG as a data URI, the longer side at most SHOWN_PX; None where it was not asked for.
        notes: what a user should know of the picture.
    """

    pixels: np.ndarray | None
    height: int
    width: int
    shown: str | None
    notes: tuple[str, ...] = ()


class ImageDecoder:
    """Threads that decode images, each with a process of its own for DICOM, started where one is met."""

    def __init__(self) -> None:
        """Raises as `check_system`."""
        check_system()
        self._executor = ThreadPoolExecutor(_THREADS, "decode")
        self._for_large = ThreadPoolExecutor(1, "decode-large")
        self._readers = [dicom.Reader(DICOM_SECONDS) for _ in range(_THREADS)]
        self._free: SimpleQueue[dicom.Reader] = SimpleQueue()
        for reader in self._readers:
            self._free.put(reader)

    def submit(self, content: bytes, name: str, image_px: int | None, show: bool) -> Future[DecodedImage]:
        """Decode an image.

        Args:
            content: the file. name: as the user calls it, for messages.
            image_px: side of `DecodedImage.pixels`. show: whether `DecodedImage.shown` is made.
        Returns:
            The picture; InputError, with one line, where the file gives none.
        """
        executor = self._for_large if _png_bytes(content) > _LARGE_BYTES else self._executor
        return executor.submit(self._decode, content, printable(name), image_px, show)

    def thumbnail(self, content: bytes, name: str, longest: int) -> Future[bytes]:
        """A small JPEG. Raises as `submit`."""
        return self._executor.submit(lambda: _jpeg(self._read(content, printable(name))[0], longest))

    def close(self) -> None:
        """Drop what waits and end the readers, in the middle of a file if need be."""
        for executor in (self._executor, self._for_large):
            executor.shutdown(wait=False, cancel_futures=True)
        for reader in self._readers:
            reader.close()
        self._executor.shutdown(wait=True)

    def _decode(self, content: bytes, name: str, image_px: int | None, show: bool) -> DecodedImage:
        gray, notes = self._read(content, name)
        return DecodedImage(
            None if image_px is None else image.resize(gray, image_px),
            *gray.shape,
            "data:image/jpeg;base64," + base64.b64encode(_jpeg(gray, SHOWN_PX)).decode() if show else None,
            notes,
        )

    def _read(self, content: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """uint8 [H, W] and notes."""
        if not content:
            raise InputError(f"{name} is empty (0 bytes); expected a PNG, JPEG or DICOM file")
        is_dicom = content[dicom.PREAMBLE - 4 : dicom.PREAMBLE] == b"DICM"
        if not is_dicom and image.file_format(content[: image.SIGNATURE_BYTES]) is None:
            raise InputError(f"{name} is no PNG, JPEG or DICOM file, whatever its name says; choose an X-ray")
        if _png_bytes(content) > _MAX_BYTES:
            much = f"decoded it has {_png_bytes(content):,} bytes; the most that is read is {_MAX_BYTES:,}"
            raise InputError(f"{name}: {much}; make it smaller, or grey")
        with _file_in_memory(content) as path:
            try:
                return self._read_dicom(path) if is_dicom else (image.read_gray(path), ())
            except InputError as error:
                raise InputError(str(error).replace(str(path), name)) from None
            except MemoryError:
                raise InputError(f"{name}: decoding it takes more memory than there is; make it smaller") from None

    def _read_dicom(self, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
        reader = self._free.get()
        try:
            film = reader.read(path)
        finally:
            self._free.put(reader)
        notes = tuple(f"The file {note}." for note in film.notes)
        if not film.upright:
            notes += ("The file says that the picture is stored mirrored or turned; it is read as it is stored.",)
        if film.view == view.LATERAL:
            notes += ("The file says that this is a lateral view; the networks know frontal ones.",)
        return film.pixels, notes


def check_system() -> None:
    """Raise InputError where the system has no files in memory: decoders want a path, and uploads go to no disk."""
    with contextlib.suppress(AttributeError, OSError), _file_in_memory(b"upload") as path:
        if path.read_bytes() == b"upload":
            return
    raise InputError(
        "tienet serve needs Linux with /proc: it keeps uploads as files in memory (memfd_create), which this system "
        "does not have; tienet report --out writes pages without a server"
    )


def printable(name: str) -> str:
    """A file's name as a message can hold it."""
    name = "".join(c if c.isprintable() else "?" for c in name.replace("\\", "/").rpartition("/")[2]).strip()
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 3]}..."
    return name or "the file"


@contextlib.contextmanager
def _file_in_memory(content: bytes) -> Iterator[Path]:
    """A path that this process and its children can open; no file system holds it."""
    descriptor = os.memfd_create("upload", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _png_bytes(content: bytes) -> int:
    """How large a PNG is when it is decoded, by its header; 0 for other files."""
    if image.file_format(content[: image.SIGNATURE_BYTES]) != "PNG" or len(content) < 26:
        return 0
    width, height, depth, colours = struct.unpack_from(">IIBB", content, 16)
    pixels = width * height
    if pixels > image.MAX_PIXELS:
        return 0  # image.read_gray says so before it decodes anything
    return pixels * _CHANNELS.get(colours, 4) * (2 if depth == 16 else 1)


def _jpeg(gray: np.ndarray, longest: int) -> bytes:
    """The picture as a JPEG, shrunk until its longer side is at most `longest`."""
    factor = min(1.0, longest / max(gray.shape))
    if factor < 1:
        width, height = (max(1, round(factor * side)) for side in gray.shape[::-1])
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done, "cv2 could not encode a JPEG"
    return encoded.tobytes()
