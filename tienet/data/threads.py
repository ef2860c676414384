"""The threads of this process for files and pixels, which all callers share: there are never more of them than cores.

OpenCV, NumPy, zlib and the system's calls do not hold Python's lock meanwhile.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

from tienet import cpu

T, R = TypeVar("T"), TypeVar("R")


def map_in_threads(work: Callable[[T], R], items: Iterable[T], least_cores: int = 2) -> list[R]:
    """work(item) of each item, in order; the first error is raised, when no thread works any more.

    What the threads use, such as an open file, may therefore be closed afterwards.

    Args:
        work: It must not call this function itself.
        least_cores: With fewer cores the caller does all of the work.
    """
    if cpu.usable_cores() < least_cores:
        return list(map(work, items))
    futures = [_threads().submit(work, item) for item in items]
    wait(futures)
    return [future.result() for future in futures]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cpu.usable_cores(), thread_name_prefix="files")
