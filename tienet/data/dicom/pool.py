"""Work on many files at once, each thread with a process of its own that reads DICOM."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from tqdm import tqdm

from tienet.data.dicom.reader import Reader

Item = TypeVar("Item")
Result = TypeVar("Result")


class ReaderPool:
    """Threads, and as many readers; these are started where a DICOM file is met.

    Leaving the block, by Ctrl-C too, ends the readers in the middle of their files and drops what has not begun.
    """

    def __init__(self, workers: int) -> None:
        self._executor = ThreadPoolExecutor(workers)
        self._readers = [Reader() for _ in range(workers)]
        self._free: SimpleQueue[Reader] = SimpleQueue()
        for reader in self._readers:
            self._free.put(reader)

    def map(self, work: Callable[[Reader, Item], Result], items: Sequence[Item], what: str) -> list[Result]:
        """The results in order, with a progress bar; `work` has the reader to itself."""

        def run(item: Item) -> Result:
            reader = self._free.get()
            try:
                return work(reader, item)
            finally:
                self._free.put(reader)

        results = self._executor.map(run, items)
        return list(tqdm(results, total=len(items), desc=what, unit="", file=sys.stderr, disable=None))

    def __enter__(self) -> "ReaderPool":
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        for reader in self._readers:
            reader.close()
        self._executor.shutdown(wait=True)
