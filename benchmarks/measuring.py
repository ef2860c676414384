"""Measures the calling process: seconds, peak memory, and the rate of a large matrix product."""

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
"""Rows and columns of the square matrices whose product the other rates are compared with."""


@dataclass
class Measured:
    """What one case measured.

    Attributes:
        seconds: The seconds of one repetition (the median).
        peak_bytes: The process's largest resident memory.
        operations: The floating-point operations that the work needs; 0 where it only moves data.
        product_rate: Operations a second of the large matrix product in the same process; None: not measured.
        more: Other figures by name, as JSON can hold them.
    """

    seconds: float
    peak_bytes: int
    operations: int = 0
    product_rate: float | None = None
    more: dict[str, object] = field(default_factory=dict)


def repeat(work: Callable[[], object], least: int, warm_up: int, least_seconds: float = 0.0) -> list[float]:
    """Call `work` `warm_up` times and then at least `least` times, until these calls took `least_seconds` together.

    Returns:
        The seconds of each call after the warm-up.
    """
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

    VmHWM is the process's own. `ru_maxrss` may be that of its parent, which a new process inherits when it is started.
    """
    if STATUS.is_file():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Reset `peak_memory` to what is resident now, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


class MatrixProduct:
    """The product of two float32 [side, side] by `tf.matmul`, timed before and after what is compared with it.

    Args:
        side: Rows and columns of both matrices; 0 measures nothing.
        repeats: How often the product is timed by each call of `measure`.
    """

    def __init__(self, side: int = SIDE, repeats: int = 2):
        self._side, self._repeats = side, repeats
        self._seconds: list[float] = []

    def measure(self) -> None:
        """Time the product; afterwards its memory is freed and does not count in `peak_memory`."""
        if not self._side:
            return
        import tensorflow as tf

        sides = [tf.random.stateless_uniform([self._side, self._side], [0, n]) for n in range(2)]
        self._seconds += repeat(lambda: tf.matmul(*sides), self._repeats, warm_up=0 if self._seconds else 1)
        sides.clear()
        forget_peak()

    @property
    def rate(self) -> float | None:
        """Operations a second by the median time; None if nothing was measured."""
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
