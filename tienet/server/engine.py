"""The networks of a server: one that looks at images (Reporter), one that reads reports (Annotator), or both."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.errors import InputError
from tienet.predict import Annotator, Prediction, Reporter
from tienet.server.batches import Batches
from tienet.server.images import ImageDecoder

MAX_BATCH = 16

Item = tuple[np.ndarray | None, str]
"""An image, uint8 [image_px, image_px] or None, and a report."""


class ServedNetwork:
    """A loaded network behind its queue.

    Attributes:
        name: of the run's folder. mode: its mode. image_px: side of its images; None where it looks at none.
        thresholds: float32 [K], NaN where unknown.
    """

    def __init__(self, reader: Annotator | Reporter, name: str, image_px: int, most: int = MAX_BATCH) -> None:
        """Args: most: requests worked on together, at most; fewer where timing says that this is faster."""
        self._reader = reader
        self.name, self.mode = name, reader.mode
        self.image_px = image_px if reader.needs_image else None
        example: Item = (None if self.image_px is None else np.zeros((image_px, image_px), np.uint8), "no effusion .")
        self.thresholds = self._read([example])[0].thresholds
        self.batches = Batches(self._read, fastest_size(self._read, example, most), f"network-{self.mode}")

    def submit(self, image: np.ndarray | None, report: str) -> Future[Prediction]:
        """Have a study read, with its maps."""
        return self.batches.submit((image, report))

    def close(self) -> None:
        """Finish what is being read, and free the network."""
        self.batches.close()
        self._reader.close()

    def _read(self, items: list[Item]) -> list[Prediction]:
        images = None if self.image_px is None else [image for image, _ in items]
        if self.mode in Annotator.MODES:
            return self._reader.annotate([report for _, report in items], images, maps=True)
        return self._reader.report(images, maps=True)


class Engine:
    """What a server answers with.

    Attributes:
        report: the network for images alone, or None. annotate: the one for reports, or None. decoder: of uploads.
    """

    def __init__(self, report: ServedNetwork | None = None, annotate: ServedNetwork | None = None) -> None:
        self.report, self.annotate = report, annotate
        self.decoder = ImageDecoder()

    @classmethod
    def load(cls, runs: Sequence[str | Path]) -> "Engine":
        """The networks of one or two runs; one of each kind.

        Raises:
            InputError, FileNotFoundError: a run cannot be loaded, or two do the same.
        """
        kinds: dict[str, OpenedRun] = {}
        for load in runs:
            run = open_run(load)
            run.check_mode("tienet serve", Reporter.MODES + Annotator.MODES)
            kind = "report" if run.config.mode in Reporter.MODES else "annotate"
            if kind in kinds:
                both = f"{kinds[kind].load} and {load}"
                raise InputError(
                    f"--load {both}: both have the place of `{kind}`; give one of {', '.join(Reporter.MODES)}"
                    f" and one of {', '.join(Annotator.MODES)}"
                )
            kinds[kind] = run
        networks = {}
        for kind, run in kinds.items():
            reader = (Reporter if kind == "report" else Annotator).load(run)
            networks[kind] = ServedNetwork(reader, run.folder.resolve().name, run.config.image_px)
        return cls(**networks)

    @property
    def networks(self) -> list[ServedNetwork]:
        """Those that are there."""
        return [network for network in (self.report, self.annotate) if network is not None]

    @property
    def alive(self) -> bool:
        """Whether all of it works."""
        return all(network.batches.alive for network in self.networks)

    def close(self) -> None:
        """Finish what is in work, drop what waits, free all."""
        self.decoder.close()
        for network in self.networks:
            network.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fastest_size(read: Callable[[list[Item]], object], example: Item, most: int) -> int:
    """Of 1, 2, 4 ... `most`, how many studies are best read at once; also compiles the network for these sizes."""
    best, best_seconds, size = 1, float("inf"), 1
    while size <= most:
        read([example] * size)
        seconds = min(_seconds(read, [example] * size) for _ in range(3)) / size
        if seconds > 0.95 * best_seconds:  # no faster: more together only wait longer
            break
        best, best_seconds, size = size, seconds, 2 * size
    return best


def _seconds(read: Callable[[list[Item]], object], items: list[Item]) -> float:
    start = time.monotonic()
    read(items)
    return time.monotonic() - start
