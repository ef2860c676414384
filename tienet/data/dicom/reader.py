"""X-rays in DICOM files: a child process reads the image in grey and the header.

    film = read_dicom("chest.dcm")       # a Dicom
    gray = read_gray("chest.dcm")        # only the pixels; this function reads PNG and JPEG files too
    with Reader() as reader:             # a separate process, for example for each thread
        film = reader.read("chest.dcm")

`pixels` says how stored values become grey. Pixels are never turned or mirrored; `Dicom.upright` says whether they are
stored the way a film hangs. The child process imports neither TensorFlow nor the calling script.
"""

import atexit
import json
import multiprocessing
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.data import image
from tienet.data.dicom.subject import is_no_x_ray
from tienet.data.dicom.view import LATERAL, is_upright
from tienet.errors import InputError

MAX_BYTES = 512 << 20
MAX_SECONDS = 60.0
PREAMBLE = 132  # the number of bytes up to the letters DICM, which are included
_FIRST_VRS = frozenset([b"AE", b"CS", b"DA", b"DT", b"LO", b"OB", b"SH", b"ST", b"TM", b"UI", b"UL"])
_FIRST_BYTES = 1024  # the longest first element

NOT_DICOM = "file that is no DICOM"
DIED = "DICOM at which the decoder stopped"

TURNED = "says that the picture is stored mirrored or turned; it is read as it is stored"
OTHER_PART = "says that it shows another part of the body ({}); the networks know the chest"
NO_X_RAY = "says that it is no plain X-ray (modality {}); the networks know plain X-rays"
SIDEWAYS = "says that this is a lateral view; the networks know frontal ones"


class DicomError(InputError):
    """A DICOM file that cannot be read as an image.

    `reason` is the kind of fault, without the name of the file and without any value in it.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Dicom:
    r"""The parts of a DICOM file that are used. Strings are empty if the file does not have the element.

    Attributes:
        pixels: uint8 [H, W], 0 is black; None if only the header was read.
        patient_id, study_uid, sop_uid, accession: Identifiers of the patient, which must not be written anywhere.
        modality: The modality, such as CR or DX.
        view: "PA", "AP", "LATERAL", "OTHER" (a view is named, but none of these), or "".
        orientation: PatientOrientation, such as L\F.
        body_part: The part of the body if it is named and not the chest, in one word of `subject`'s, such as "knee".
        notes: Remarks on the image that a user should know, without values of the file.
    """

    pixels: np.ndarray | None
    patient_id: str
    study_uid: str
    sop_uid: str
    accession: str
    modality: str
    view: str
    orientation: str
    body_part: str = ""
    notes: tuple[str, ...] = ()

    @property
    def upright(self) -> bool:
        """False if PatientOrientation says that a frontal or unknown view is stored mirrored or turned."""
        return self.view == LATERAL or is_upright(self.orientation)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of its labels or report should know; each goes on after the words "the file"."""
        found = {
            TURNED: not self.upright,
            SIDEWAYS: self.view == LATERAL,
            OTHER_PART.format(self.body_part): bool(self.body_part),
            NO_X_RAY.format(self.modality): is_no_x_ray(self.modality),
        }
        return (*self.notes, *(remark for remark, holds in found.items() if holds))


def is_dicom(path: Path | str) -> bool:
    """Whether a file starts as DICOM files do, whatever its name. Raises OSError if it cannot be opened."""
    with Path(path).open("rb") as file:
        return starts_as_dicom(file.read(PREAMBLE))


def starts_as_dicom(start: bytes) -> bool:
    """Whether the first PREAMBLE bytes of a file are those of DICOM.

    They end with the letters DICM. Some programs leave out the preamble: then the file starts with an element of group
    0002 (explicit VR) or 0008 (explicit or implicit VR), in little endian, and the next element has a higher tag.
    """
    if start[PREAMBLE - 4 : PREAMBLE] == b"DICM":
        return True
    if len(start) < 8:
        return False
    group, element, vr, length = struct.unpack_from("<HH2sH", start)
    if group not in (2, 8) or element > 0xFF or (group == 2 and vr not in _FIRST_VRS):
        return False
    end = 8 + length
    if vr not in _FIRST_VRS:
        end = 8 + int.from_bytes(start[4:8], "little")
    elif vr == b"OB":
        end = 12 + int.from_bytes(start[8:12], "little")
    if end > _FIRST_BYTES or end % 2:
        return False
    return end + 4 > len(start) or (group, element) < struct.unpack_from("<HH", start, end)


def read_dicom(path: Path | str) -> Dicom:
    """Read one file in a child process, which is kept for the next file.

    Raises:
        FileNotFoundError: There is no such file.
        DicomError: The file is no DICOM, is of a kind that is not read (several frames, no or floating-point pixels,
            more than 16 bits), is broken, is too large (MAX_BYTES, image.MAX_PIXELS), or takes more than MAX_SECONDS
            to decode.
    """
    return _shared_reader().read(path)


def read_gray(path: Path | str) -> np.ndarray:
    """Read a PNG, JPEG or DICOM file as uint8 [H, W], 0 is black. Raises as `image.read_gray` and `read_dicom`."""
    return read_gray_and_remarks(path)[0]


def read_gray_and_remarks(path: Path | str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read a PNG, JPEG or DICOM file as uint8 [H, W], and `Dicom.remarks`. Raises as `read_gray`."""
    path = Path(path)
    try:
        is_readable_dicom = path.is_file() and os.access(path, os.R_OK) and is_dicom(path)
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    if is_readable_dicom:
        film = read_dicom(path)
        return film.pixels, film.remarks
    return image.read_gray(path), ()


def notes_of(remarks: Sequence[str]) -> tuple[str, ...]:
    """Remarks on a file as sentences."""
    return tuple(f"The file {remark}." for remark in remarks)


class Reader:
    """A child process that reads DICOM files, one at a time; it is started when needed, and again after it died."""

    def __init__(self, seconds: float = MAX_SECONDS) -> None:
        """Args: seconds: The longest time that one file may take."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._connection: multiprocessing.connection.Connection | None = None
        self._closed = False

    def read(self, path: Path | str) -> Dicom:
        """Read the header and the pixels. Raises as `read_dicom`."""
        return self._request(Path(path), with_pixels=True)

    def read_header(self, path: Path | str) -> Dicom:
        """Read only the header, of any DICOM file; `pixels` is None. Raises as `read_dicom`."""
        return self._request(Path(path), with_pixels=False)

    def close(self) -> None:
        """End the process, even in the middle of a file; the reader cannot be used any more."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, path: Path, with_pixels: bool) -> Dicom:
        _check_file(path)
        with self._lock:
            self._start()
            try:
                self._connection.send_bytes(json.dumps({"path": str(path.absolute()), "pixels": with_pixels}).encode())
                answer = json.loads(self._connection.recv_bytes())
                pixels = self._receive(answer["shape"]) if answer.get("shape") else None
            except (EOFError, OSError):
                raise DicomError(f"{path}: {self._why_it_died()}", DIED) from None
            except BaseException:  # such as Ctrl-C: the next request would receive the rest of this answer
                self._end()
                raise
        if "error" in answer:
            raise DicomError(f"{path}: {answer['error']}", answer["reason"])
        header = answer["header"]
        return Dicom(pixels=pixels, **(header | {"notes": tuple(header["notes"])}))

    def _receive(self, shape: tuple[int, int]) -> np.ndarray:
        height, width = shape
        content = self._connection.recv_bytes(image.MAX_PIXELS)
        return np.frombuffer(bytearray(content), np.uint8).reshape(height, width)

    def _start(self) -> None:
        if self._closed:
            raise InputError("the reader of DICOM files was closed")
        if self._process is not None:
            return
        ours, theirs = multiprocessing.Pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from tienet.data.dicom.worker import serve; "
            f"serve({theirs.fileno()}, {self._seconds!r})"
        )
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # decoders write messages of their own there
                env=os.environ | one_thread,  # because each thread reserves memory
            )
        self._connection = ours
        try:
            answer = json.loads(ours.recv_bytes())
        except (EOFError, OSError):
            raise RuntimeError(f"the process that reads DICOM files did not start: {self._why_it_died()}") from None
        if "missing" in answer:
            self._end()
            raise ModuleNotFoundError(answer["error"], name=answer["missing"])

    def _why_it_died(self) -> str:
        process = self._process
        self._end()
        status = process.returncode
        if status == -signal.SIGALRM:
            return f"decoding took more than {self._seconds:g} s"
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        return f"the decoder stopped on it ({how}); the file is broken, or made to do harm"

    def _end(self) -> None:
        process, self._process = self._process, None
        self._connection.close()
        try:
            process.wait(timeout=1)  # it may be about to end by a signal that tells why
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DicomError(f"{path} is not a file", NOT_DICOM)
        if status.st_size > MAX_BYTES:
            too_large = f"{status.st_size:,} bytes; the most that is read is {MAX_BYTES:,}"
            raise DicomError(f"{path}: {too_large}", "DICOM that is too large")
        if not is_dicom(path):
            raise DicomError(f"{path} is no DICOM file (no DICM at byte 128, and no element at its start)", NOT_DICOM)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except OSError as error:
        raise DicomError(f"{path} cannot be read ({error.strerror})", NOT_DICOM) from None


_shared: dict[int, Reader] = {}
_shared_lock = threading.Lock()


def _shared_reader() -> Reader:
    """The shared reader of this process; a reader that was inherited by a fork belongs to the parent process."""
    with _shared_lock:
        if os.getpid() not in _shared:
            _shared.clear()
            _shared[os.getpid()] = Reader()
            atexit.register(_shared[os.getpid()].close)
        return _shared[os.getpid()]
