"""How the studies of one update are divided over workers, over their towers (GPUs), and over accumulation steps."""

from collections.abc import Iterator
from dataclasses import dataclass

from tienet.config import Config
from tienet.errors import InputError


@dataclass(frozen=True)
class BatchSplit:
    """A batch cut into `parts` equal parts, which are numbered in the order (accumulation step, worker, tower).

    Attributes:
        accumulate: The number of parts that a tower takes one after another for one update.
        workers: The number of worker processes.
        worker: The index of this process among the workers, from 0.
        towers: The number of GPUs of each worker.
    """

    accumulate: int = 1
    workers: int = 1
    worker: int = 0
    towers: int = 1

    @classmethod
    def from_batch(
        cls, batch: int, tower_batch: int | None, workers: int = 1, worker: int = 0, towers: int = 1
    ) -> "BatchSplit":
        """Split `batch` studies per update so that a tower takes `tower_batch` studies at a time.

        Args:
            tower_batch: If None, a tower takes its whole share of the batch at once.
        Raises:
            InputError: The batch cannot be cut into equal parts; the message names the nearest sizes that can.
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
        """The number of parts that each batch is cut into, over all workers."""
        return self.accumulate * self.workers * self.towers

    def own_parts(self) -> Iterator[int]:
        """The numbers of the parts that this worker takes, in the order in which its towers take them."""
        for step in range(self.accumulate):
            first = (step * self.workers + self.worker) * self.towers
            yield from range(first, first + self.towers)


def check_halves(config: Config, part_size: int) -> None:
    """Raise InputError if a part of a batch is too small to be halved, as `classify_on=half` does.

    Args:
        part_size: The number of studies of each part.
    """
    mode = config.mode_parts
    if mode.writes and mode.classifies and config.classify_on == "half" and part_size == 1:
        raise InputError(
            "setting classify_on='half' divides the studies that a GPU takes at a time in two, and it takes 1; give "
            "--tower-batch 2 or more, a larger --batch, fewer GPUs, or --set classify_on=own"
        )


WHOLE_BATCH = BatchSplit()
"""The split in which one tower takes the whole batch."""
