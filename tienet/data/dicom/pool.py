"""Threads that work on many files at once, each with its own process that reads DICOM files."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from tienet.data.dicom.reader import Reader
from tienet.progress import over

Item = TypeVar("Item")
Result = TypeVar("Result")


class ReaderPool:
    """A pool of threads with one `Reader` each; a reader starts its process at its first DICOM file.

    When the `with` block is left, also by Ctrl-C, the readers are ended even in the middle of a file, and work that has
    not begun is dropped.
    """

    def __init__(self, workers: int) -> None:
        """Args: workers: The number of threads."""
        self._executor = ThreadPoolExecutor(workers)
        self._readers = [Reader() for _ in range(workers)]
        self._free: SimpleQueue[Reader] = SimpleQueue()
        for reader in self._readers:
            self._free.put(reader)

    def map(self, work: Callable[[Reader, Item], Result], items: Sequence[Item], what: str) -> list[Result]:
        """Apply `work` to each item, with a progress bar that is named `what`; returns the results in order.

        No other thread uses the reader during a call of `work`.
        """

        def run(item: Item) -> Result:
            reader = self._free.get()
            try:
                return work(reader, item)
            finally:
                self._free.put(reader)

        results = self._executor.map(run, items)
        return list(over(results, what, "files", len(items)))

    def __enter__(self) -> "ReaderPool":
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        for reader in self._readers:
            reader.close()
        self._executor.shutdown(wait=True)
