"""The child process in which `reader.Reader` has its files read.

Decoders are native code. Broken or hostile files can make them crash, hang, or request all the memory of the machine.
In this process such a file ends only the process itself: the kernel limits its memory, and a timer kills it when a file
takes too long.
"""

import json
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path

MAX_MEMORY_BYTES = 2 << 30


def serve(descriptor: int, seconds: float) -> None:
    """Answer requests until the parent process closes the connection.

    A request is JSON with `path` and `pixels` (bool). An answer is JSON with `header` and `shape` (or null), and the
    pixels follow as bytes if there is a shape; or JSON with `error` and `reason` (the kind of fault, without any value
    of the file).

    Args:
        descriptor: The file descriptor of the connection.
        seconds: The longest time that one file may take.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process decides when to stop
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with Connection(descriptor) as connection:
        try:
            from tienet.data.dicom import pixels as dicom_pixels

            dicom_pixels.prepare()
        except ImportError as error:
            _send(connection, missing=error.name, error=str(error))
            return
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the patient's data
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        _send(connection, ready=True)
        while True:
            try:
                request = json.loads(connection.recv_bytes())
            except EOFError:
                return
            signal.setitimer(signal.ITIMER_REAL, seconds)
            _answer(connection, Path(request["path"]), request["pixels"])
            signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(connection: Connection, path: Path, with_pixels: bool) -> None:
    from tienet.data.dicom import pixels as dicom_pixels

    try:
        header, pixels = dicom_pixels.read(path, with_pixels)
    except dicom_pixels.RefusedError as error:
        _send(connection, error=_one_line(error), reason=error.reason)
    except MemoryError:
        too_much = f"reading it takes more than {MAX_MEMORY_BYTES >> 30} GB of memory"
        _send(connection, error=too_much, reason=dicom_pixels.BROKEN)
    except Exception:  # its text is about the code, and says nothing to somebody who has only the file
        unknown = "its header or its pixels are broken; copy the file again, or save it uncompressed"
        _send(connection, error=unknown, reason=dicom_pixels.BROKEN)
    else:
        _send(connection, header=header, shape=None if pixels is None else pixels.shape)
        if pixels is not None:
            connection.send_bytes(pixels.data.cast("B"))


def _send(connection: Connection, **answer: object) -> None:
    connection.send_bytes(json.dumps(answer).encode())


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 240 else text[:237] + "..."
