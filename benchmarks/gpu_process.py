"""Rows of `benchmarks.gpu`: functions yield them in a process of their own, which writes each as soon as it is there.

`python -m benchmarks.gpu_process JSON` imports what the function that the JSON names needs, waits for a line on
standard input, calls the function with its arguments, and prints a line for each row that it yields. `Process` starts
such a process, so that the next one imports while one measures, and yields the rows as they come.
"""

import contextlib
import ctypes
import dataclasses
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.case import ROOT, Case, FailedError
from tienet import cli

MARK = "ROW "
"""What the line of a row starts with; all other lines of the process are dropped."""

WITHOUT_TENSORFLOW = ("torch_head", "sharing", "data_set")
"""The functions whose processes do not import TensorFlow."""

_LONGEST_REASON = 300  # characters
_SAMPLED_S = 0.1
_MAX_GPUS = 64


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: The row's name, such as "head/T=64".
        value: The figure.
        unit: Its unit.
        compile_s: The seconds of compiling and warming up before it; None where nothing was compiled.
        note: What else should be known, in one line.
    """

    name: str
    value: float
    unit: str
    compile_s: float | None = None
    note: str = ""


class Process:
    """A case's process, which imports what it needs as soon as this is made, and touches no GPU before `rows`.

    Args:
        environment: Variables beside those of this process.
        temporary: The folder of the process's temporary files.
    """

    def __init__(self, case: Case, environment: dict[str, str], temporary: Path):
        self._case = case
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `end`)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu_process", json.dumps([case.function, case.arguments])],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(temporary)} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )

    def rows(self, timeout: float) -> Iterator[tuple[Row, float]]:
        """Yield each row, with the most memory of all GPUs so far in bytes; the process has ended afterwards.

        The memory is what the process and all that it starts took from the GPUs, beside what others had at the start.

        Args:
            timeout: Seconds from now on after which the process, and all that it started, is killed.
        Raises:
            FailedError: The process failed or was killed; the message is one line. Rows may have come before.
        """
        deadline = time.monotonic() + timeout
        try:
            with GpuMemory() as memory:
                with contextlib.suppress(BrokenPipeError):  # it has failed, and its status says so below
                    print("go", file=self._process.stdin, flush=True)
                for line in _lines(self._process, deadline):
                    if line.startswith(MARK):
                        yield Row(**json.loads(line.removeprefix(MARK))), memory.peak
                self._process.wait(max(deadline - time.monotonic(), 1.0))
            if self._process.returncode:
                self._errors.seek(0)
                raise FailedError(f"{self._case.name}: {_reason(self._process.returncode, self._errors.read())}")
        except (TimeoutError, subprocess.TimeoutExpired):
            self._errors.seek(0)
            reason = f"not done after {timeout:.0f} s; the last line of its errors: {_reason(0, self._errors.read())}"
            raise FailedError(f"{self._case.name}: {reason}") from None
        finally:
            self.end()

    def end(self) -> None:
        """End the process and all that it has started, if it has not ended yet."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _lines(process: subprocess.Popen, deadline: float) -> Iterator[str]:
    """The lines that the process prints; raises TimeoutError at the deadline."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            return
        yield line


def _reason(status: int, errors: str) -> str:
    """Why a process has failed, in one line."""
    if status < 0:
        return f"killed by signal {-status}"
    lines = [line for line in errors.strip().splitlines() if line.strip()]
    return lines[-1].strip()[:_LONGEST_REASON] if lines else "no message"


class GpuMemory:
    """A context that watches the memory of all GPUs through NVIDIA's library, a few times a second.

    Attributes:
        peak: The most bytes beside those that were taken at the start; 0 where there is no GPU.
    """

    def __init__(self):
        self.peak = 0
        self._ended = threading.Event()

    def __enter__(self) -> "GpuMemory":
        self._nvml = _nvml()
        self._start = self._used()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while self._nvml is not None and not self._ended.wait(_SAMPLED_S):
            self.peak = max(self.peak, self._used() - self._start)

    def _used(self) -> int:
        """The bytes that are taken on all GPUs."""
        if self._nvml is None:
            return 0
        total, handle, memory = 0, ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()  # total, free, used
        for n in range(_MAX_GPUS):
            if self._nvml.nvmlDeviceGetHandleByIndex_v2(n, ctypes.byref(handle)):
                break
            if not self._nvml.nvmlDeviceGetMemoryInfo(handle, memory):
                total += memory[2]
        return total


def _nvml() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library


# ---- in the process of a case ----


def memory_of_arrays(name: str) -> Iterator[Row]:
    """The row of the most GPU memory that TensorFlow's arrays took in this process; none without a GPU.

    It comes last, after all that is measured: asking starts TensorFlow's other way to the GPU, beside the sessions.
    """
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        yield Row(f"{name}/memory of arrays", tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9, "GB")


def main() -> None:
    """Call the function that the command line names as JSON, once a line has come, and print its rows."""
    function, arguments = json.loads(sys.argv[1])
    module, _, name = function.partition(":")
    called = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    if name not in WITHOUT_TENSORFLOW:
        cli.start_tensorflow()  # which takes seconds, and no GPU
    if not sys.stdin.readline():
        return
    for row in called(**arguments):
        print(MARK + json.dumps(dataclasses.asdict(row)), flush=True)


if __name__ == "__main__":
    cli.run(main)
