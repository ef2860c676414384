"""Requests that come at about the same time are worked on together."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WAIT_S = 0.02
"""How long the first of a batch waits for others."""


class ClosedError(RuntimeError):
    """The server stops: what still waits is not worked on."""


class Batches(Generic[Item, Result]):
    """One thread that takes what waits, at most `most` at a time, and hands it to `work`."""

    def __init__(self, work: Callable[[list[Item]], Sequence[Result]], most: int, name: str) -> None:
        """Args: work: items -> a result for each, in their order. name: the thread's."""
        self.most = most
        self.batch_seconds = 0.0
        """Of late, for a batch."""
        self._work = work
        self._waiting: SimpleQueue[tuple[Item, Future] | None] = SimpleQueue()
        self._closed, self._closing = False, threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are worked on."""
        return self._thread.is_alive()

    def submit(self, item: Item) -> Future[Result]:
        """Have an item worked on. Its future may be cancelled while it waits."""
        future: Future[Result] = Future()
        with self._closing:
            if self._closed:
                future.set_exception(ClosedError())
            else:
                self._waiting.put((item, future))
        return future

    def seconds_for(self, waiting: int) -> int:
        """About how long as many requests take, at least 1."""
        return max(1, math.ceil(self.batch_seconds * math.ceil(waiting / self.most)))

    def close(self) -> None:
        """Finish the batch in work and fail what waits with ClosedError."""
        with self._closing:
            self._closed = True
        self._waiting.put(None)
        self._thread.join()
        while True:
            try:
                left = self._waiting.get_nowait()
            except Empty:
                return
            if left is not None and left[1].set_running_or_notify_cancel():
                left[1].set_exception(ClosedError())

    def _run(self) -> None:
        while not self._closed:
            batch = self._collect()
            batch = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
            if batch and self._closed:
                for _, future in batch:
                    future.set_exception(ClosedError())
            elif batch:
                start = time.monotonic()
                self._answer(batch)
                last = time.monotonic() - start
                self.batch_seconds = 0.8 * self.batch_seconds + 0.2 * last if self.batch_seconds else last

    def _collect(self) -> list[tuple[Item, Future]]:
        """The first that comes, and those that come while it waits."""
        first = self._waiting.get()
        if first is None:
            return []
        batch, deadline = [first], time.monotonic() + WAIT_S
        while len(batch) < self.most:
            try:
                other = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if other is None:
                break
            batch.append(other)
        return batch

    def _answer(self, batch: list[tuple[Item, Future]]) -> None:
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:  # one must not fail the others
                for one in batch:
                    self._answer([one])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
