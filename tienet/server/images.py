"""Decoding of uploaded images: PNG, JPEG or DICOM, in threads and in memory, never through a file on a disk."""

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
from tienet.errors import InputError

MAX_DICOM_SECONDS = 20.0
"""How long decoding a DICOM file may take, in seconds; meanwhile other uploads wait for the same thread."""

MAX_SHOWN_PX = 1024
"""The longer side of the JPEG that a browser gets, in pixels, at most."""

_THREADS = 2
# Bytes of a decoded PNG: larger ones are decoded one at a time, in a thread of their own, so that small images do not
# wait for them.
_LARGE_BYTES = 50_000_000
_MAX_BYTES = 300_000_000  # of a decoded PNG
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # of the decoded image, by the PNG's colour type
_MAX_NAME_CHARACTERS = 80
_JPEG_QUALITY = 92


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """What is kept of an uploaded image.

    Attributes:
        pixels: uint8 [image_px, image_px], as the network takes it; None if no size was asked for.
        height: The height of the file's image in pixels.
        width: The width of the file's image in pixels.
        data_uri: A JPEG of the image whose longer side has at most MAX_SHOWN_PX; None if it was not asked for.
        notes: Sentences about the file that the user should know.
    """

    pixels: np.ndarray | None
    height: int
    width: int
    data_uri: str | None
    notes: tuple[str, ...] = ()


class ImageDecoder:
    """A pool of threads that decode images.

    Each thread decodes DICOM files in a process of its own, which is started when the first such file comes.
    """

    def __init__(self) -> None:
        """Raise InputError where the system lacks what `check_system` looks for."""
        check_system()
        self._executor = ThreadPoolExecutor(_THREADS, "decode")
        self._for_large = ThreadPoolExecutor(1, "decode-large")
        self._readers = [dicom.Reader(MAX_DICOM_SECONDS) for _ in range(_THREADS)]
        self._free: SimpleQueue[dicom.Reader] = SimpleQueue()
        for reader in self._readers:
            self._free.put(reader)

    def submit(self, content: bytes, name: str, image_px: int | None, with_data_uri: bool) -> Future[DecodedImage]:
        """Queue a file for decoding.

        Args:
            content: The bytes of the file.
            name: The file's name, for messages.
            image_px: The side of `DecodedImage.pixels`; None: no pixels are needed.
            with_data_uri: Whether `DecodedImage.data_uri` is needed.
        Returns:
            The future of the image. It raises InputError, with a message of one line, if the file cannot be decoded.
        """
        executor = self._for_large if _png_bytes(content) > _LARGE_BYTES else self._executor
        return executor.submit(self._decode, content, printable(name), image_px, with_data_uri)

    def submit_thumbnail(self, content: bytes, name: str, max_px: int) -> Future[bytes]:
        """Queue a file for a small JPEG whose longer side has at most `max_px`; the future raises as in `submit`."""
        return self._executor.submit(lambda: _encode_jpeg(self._read(content, printable(name))[0], max_px))

    def close(self) -> None:
        """Drop the files that wait, and end the processes that decode DICOM, even in the middle of a file."""
        for executor in (self._executor, self._for_large):
            executor.shutdown(wait=False, cancel_futures=True)
        for reader in self._readers:
            reader.close()
        self._executor.shutdown(wait=True)

    def _decode(self, content: bytes, name: str, image_px: int | None, with_data_uri: bool) -> DecodedImage:
        gray, notes = self._read(content, name)
        return DecodedImage(
            None if image_px is None else image.resize(gray, image_px),
            *gray.shape,
            _data_uri(_encode_jpeg(gray, MAX_SHOWN_PX)) if with_data_uri else None,
            notes,
        )

    def _read(self, content: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """The image as uint8 [H, W], and the notes about the file."""
        if not content:
            raise InputError(f"{name} is empty (0 bytes); expected a PNG, JPEG or DICOM file")
        is_dicom = dicom.starts_as_dicom(content[: dicom.PREAMBLE])
        if not is_dicom and image.file_format(content[: image.SIGNATURE_BYTES]) is None:
            raise InputError(f"{name} is no PNG, JPEG or DICOM file, whatever its name says; choose an X-ray")
        if _png_bytes(content) > _MAX_BYTES:
            size = f"decoded it has {_png_bytes(content):,} bytes; the most that is read is {_MAX_BYTES:,}"
            raise InputError(f"{name}: {size}; make it smaller, or grey")
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
        return film.pixels, dicom.notes_of(film.remarks)


def check_system() -> None:
    """Raise InputError where the system has no files in memory.

    The decoders want a path, and uploads must not be written to a disk.
    """
    with contextlib.suppress(AttributeError, OSError), _file_in_memory(b"upload") as path:
        if path.read_bytes() == b"upload":
            return
    raise InputError(
        "tienet serve needs Linux with /proc: it keeps uploads as files in memory (memfd_create), which this system "
        "does not have; tienet report --out writes pages without a server"
    )


def printable(name: str) -> str:
    """The last part of a file's name, shortened and without characters that a message of one line cannot hold."""
    name = "".join(c if c.isprintable() else "?" for c in name.replace("\\", "/").rpartition("/")[2]).strip()
    if len(name) > _MAX_NAME_CHARACTERS:
        name = f"{name[: _MAX_NAME_CHARACTERS - 3]}..."
    return name or "the file"


@contextlib.contextmanager
def _file_in_memory(content: bytes) -> Iterator[Path]:
    """The path of a file in memory with this content, which this process and its children can open."""
    descriptor = os.memfd_create("upload", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _png_bytes(content: bytes) -> int:
    """How many bytes a PNG has when it is decoded, by its header; 0 for other files and for PNGs that are refused."""
    if image.file_format(content[: image.SIGNATURE_BYTES]) != "PNG" or len(content) < 26:
        return 0
    width, height, depth, colours = struct.unpack_from(">IIBB", content, 16)
    pixels = width * height
    if pixels > image.MAX_PIXELS:
        return 0  # image.read_gray refuses it before it decodes anything
    return pixels * _CHANNELS.get(colours, 4) * (2 if depth == 16 else 1)


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _encode_jpeg(gray: np.ndarray, max_px: int) -> bytes:
    """The image as a JPEG, shrunk where its longer side has more than `max_px`."""
    factor = min(1.0, max_px / max(gray.shape))
    if factor < 1:
        width, height = (max(1, round(factor * side)) for side in gray.shape[::-1])
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done, "cv2 could not encode a JPEG"
    return encoded.tobytes()
