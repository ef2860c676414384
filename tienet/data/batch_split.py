"""How the studies of an update are divided: over workers, their towers, and one after another (accumulation)."""

from collections.abc import Iterator
from dataclasses import dataclass

from tienet.errors import InputError


@dataclass(frozen=True)
class BatchSplit:
    """`parts` equal parts of a batch, in the order (accumulation step, worker, tower).

    Attributes:
        accumulate: how many parts a tower takes one after another for one update.
        workers: processes. worker: which of them this is. towers: GPUs of each.
    """

    accumulate: int = 1
    workers: int = 1
    worker: int = 0
    towers: int = 1

    @classmethod
    def from_batch(
        cls, batch: int, tower_batch: int | None, workers: int = 1, worker: int = 0, towers: int = 1
    ) -> "BatchSplit":
        """`batch` studies per update, `tower_batch` on a tower at a time (None: all of its share).

        Raises:
            InputError: it does not come out even; the nearest that do are named.
        """
        at_once = workers * towers * (tower_batch or 1)
        who = " x ".join(
            f"{n:,} {what}{'s' * (n > 1)}"
            for n, what in ((workers, "worker"), (towers, "GPU"), (tower_batch, "study"))
            if n and (n > 1 or what == "study")
        ).replace("studys", "studies")
        if tower_batch is not None and tower_batch < 1:
            raise InputError(f"--tower-batch {tower_batch}: expected 1 or more")
        if batch % at_once:
            near = [n for n in (batch // at_once * at_once, (batch // at_once + 1) * at_once) if n]
            raise InputError(f"batch={batch} does not divide by {who}; use {' or '.join(map(str, near))}")
        return cls(batch // at_once if tower_batch else 1, workers, worker, towers)

    @property
    def parts(self) -> int:
        """Of each batch, over all workers."""
        return self.accumulate * self.workers * self.towers

    def own_parts(self) -> Iterator[int]:
        """Numbers of the parts that this worker takes, in the order in which its towers take them."""
        for step in range(self.accumulate):
            first = (step * self.workers + self.worker) * self.towers
            yield from range(first, first + self.towers)


WHOLE_BATCH = BatchSplit()
"""One tower takes the whole batch."""
