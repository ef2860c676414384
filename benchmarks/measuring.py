"""Seconds, peak memory, and the rate of a large matrix product, of the process that calls."""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

STATUS = Path("/proc/self/status")
SIDE = 4096
"""Of the square matrices whose product is the measure of the rest."""


@dataclass
class Measured:
    """What one case gave.

    Attributes:
        seconds: of one repetition (the median). peak_bytes: the process's largest resident memory.
        operations: floating-point operations that the work needs; 0 where it only moves data.
        product_rate: operations a second of the large matrix product in the same process; None: not measured.
        more: other figures by name, as JSON can hold them.
    """

    seconds: float
    peak_bytes: int
    operations: int = 0
    product_rate: float | None = None
    more: dict[str, object] = field(default_factory=dict)


def repeat(work: Callable[[], object], least: int, warm_up: int, least_seconds: float = 0.0) -> list[float]:
    """Seconds of each call of `work` after `warm_up` others: `least` calls, more until they took `least_seconds`."""
    for _ in range(warm_up):
        work()
    seconds: list[float] = []
    taken = 0.0
    while len(seconds) < least or taken < least_seconds:
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
        taken += seconds[-1]
    return seconds


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes.

    `ru_maxrss` may be the parent's, which a new process takes over when it is started; VmHWM is its own.
    """
    if STATUS.is_file():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Let `peak_memory` start anew from what is resident now, where the system lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


class MatrixProduct:
    """tf.matmul of two float32 [side, side], timed before and after what is compared with it.

    Args:
        side: 0 measures nothing. repeats: at a time.
    """

    def __init__(self, side: int = SIDE, repeats: int = 2):
        self._side, self._repeats = side, repeats
        self._seconds: list[float] = []

    def measure(self) -> None:
        """Time it; the memory that it took is given back and forgotten."""
        if not self._side:
            return
        import tensorflow as tf

        sides = [tf.random.stateless_uniform([self._side, self._side], [0, n]) for n in range(2)]
        self._seconds += repeat(lambda: tf.matmul(*sides), self._repeats, warm_up=0 if self._seconds else 1)
        sides.clear()
        forget_peak()

    @property
    def rate(self) -> float | None:
        """Operations a second, by the median."""
        return 2 * self._side**3 / statistics.median(self._seconds) if self._seconds else None


def machine() -> dict[str, object]:
    """What the figures depend on: processor, cores, memory and versions."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "tensorflow": _version("tensorflow", "tensorflow-cpu"),
        "numpy": _version("numpy"),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(*names: str) -> str | None:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
