"""Dynamic batching: requests that come at about the same time are predicted in one batch."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WAIT_S = 0.02
"""How long the first item of a batch waits for others, in seconds."""


class ClosedError(RuntimeError):
    """The server is stopping, and an item that was still waiting will not be worked on."""


class Batches(Generic[Item, Result]):
    """A queue with one thread that takes the waiting items, at most `max_size` at a time, and hands them to `work`.

    Attributes:
        max_size: The largest number of items in a batch.
        batch_seconds: Moving average of the seconds that a batch takes; 0 before the first one.
    """

    def __init__(self, work: Callable[[list[Item]], Sequence[Result]], max_size: int, name: str) -> None:
        """Start the thread.

        Args:
            work: Takes the items of a batch and returns a result for each, in the same order.
            max_size: The largest number of items in a batch.
            name: The thread's name.
        """
        self.max_size = max_size
        self.batch_seconds = 0.0
        self._work = work
        self._queue: SimpleQueue[tuple[Item, Future] | None] = SimpleQueue()
        self._closed, self._closing = False, threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is running, so that new items will be worked on."""
        return self._thread.is_alive()

    def submit(self, item: Item) -> Future[Result]:
        """Queue an item.

        Returns:
            The future of its result, which may be cancelled while the item waits. It raises ClosedError if the queue
            was closed, and whatever `work` raised for this item.
        """
        future: Future[Result] = Future()
        with self._closing:
            if self._closed:
                future.set_exception(ClosedError())
            else:
                self._queue.put((item, future))
        return future

    def seconds_for(self, count: int) -> int:
        """About how many seconds `count` items take, rounded up; at least 1."""
        return max(1, math.ceil(self.batch_seconds * math.ceil(count / self.max_size)))

    def close(self) -> None:
        """Finish the batch that is being worked on, and fail the items that wait with ClosedError."""
        with self._closing:
            self._closed = True
        self._queue.put(None)
        self._thread.join()
        while True:
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return
            if entry is not None and entry[1].set_running_or_notify_cancel():
                entry[1].set_exception(ClosedError())

    def _run(self) -> None:
        while not self._closed:
            batch = self._collect()
            batch = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
            if batch and self._closed:
                for _, future in batch:
                    future.set_exception(ClosedError())
            elif batch:
                start = time.monotonic()
                self._work_on(batch)
                last = time.monotonic() - start
                self.batch_seconds = 0.8 * self.batch_seconds + 0.2 * last if self.batch_seconds else last

    def _collect(self) -> list[tuple[Item, Future]]:
        """Wait for an item, then for further ones until the batch is full or MAX_WAIT_S are over."""
        first = self._queue.get()
        if first is None:
            return []
        batch, deadline = [first], time.monotonic() + MAX_WAIT_S
        while len(batch) < self.max_size:
            try:
                entry = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if entry is None:
                break
            batch.append(entry)
        return batch

    def _work_on(self, batch: list[tuple[Item, Future]]) -> None:
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:  # each item is tried alone, so that the one that fails does not fail the others
                for entry in batch:
                    self._work_on([entry])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
