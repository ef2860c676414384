"""The networks of a server: a Reporter, which reads images alone, an Annotator, which reads reports, or both."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.together import Load, OpenedRuns, open_model
from tienet.errors import InputError
from tienet.predict import Annotator, Prediction, Reporter
from tienet.server.batches import Batches
from tienet.server.images import ImageDecoder

MAX_BATCH = 16
"""The largest number of studies that are predicted in one batch."""

Item = tuple[np.ndarray | None, str]
"""The image, uint8 [image_px, image_px] or None, and the report of a study."""


class ServedNetwork:
    """A loaded network behind a queue.

    Attributes:
        name: The name of the run's folder; of several runs, their names.
        mode: The run's mode.
        image_px: The side of the network's square images in pixels; None where it takes no image.
        thresholds: float32 [K], the thresholds of the labels; NaN where there is none.
        notes: What a user should know of the run: that nobody can use the reports that it writes, and why
            (`OpenedRun.writing_flaw`), and by how much the labels go by the attention map (`Config.map_remark`).
        batches: The queue.
    """

    def __init__(
        self,
        pipeline: Annotator | Reporter,
        name: str,
        image_px: int,
        max_batch: int = MAX_BATCH,
        remarks: Sequence[str] = (),
    ) -> None:
        """Measure which batch size is fastest, and start the queue.

        Args:
            pipeline: The loaded network; `close` closes it.
            name: The name of the run's folder.
            image_px: The side of the run's images, also where the mode takes none.
            max_batch: The largest batch size that may be chosen.
            remarks: What a user should know of the run.
        """
        self._pipeline = pipeline
        self.name, self.mode = name, pipeline.mode
        self.notes = [f"{name}: {remark}" for remark in remarks]
        self.image_px = image_px if pipeline.needs_image else None
        example: Item = (None if self.image_px is None else np.zeros((image_px, image_px), np.uint8), "no effusion .")
        self.thresholds = self._predict([example])[0].thresholds
        batch_size = find_batch_size(self._predict, example, max_batch)
        self.batches = Batches(self._predict, batch_size, f"network-{self.mode}")

    def submit(self, image: np.ndarray | None, report: str) -> Future[Prediction]:
        """Queue a study.

        Args:
            image: uint8 [image_px, image_px]; None where `image_px` is None.
            report: The report's text; ignored by a network that reads images alone.
        Returns:
            The future of its prediction, with attention maps.
        """
        return self.batches.submit((image, report))

    def find_fault(self, report: str) -> str | None:
        """Why a report gets no labels (`Annotator.find_fault`); None if it gets some.

        A network that sees the image, too, reads an empty report as well.
        """
        if self.image_px is not None and not report.strip():
            return None
        fault = self._pipeline.find_fault(report)
        return fault and fault.message

    def close(self) -> None:
        """Finish the batch that is being predicted, and free the network."""
        self.batches.close()
        self._pipeline.close()

    def _predict(self, items: list[Item]) -> list[Prediction]:
        images = None if self.image_px is None else [image for image, _ in items]
        if self.mode in Annotator.MODES:
            return self._pipeline.annotate([report for _, report in items], images, maps=True)
        return self._pipeline.report(images, maps=True)


class Engine:
    """What a server predicts with.

    Attributes:
        report: The network that reads images alone, or None.
        annotate: The network that reads reports, or None.
        decoder: Decodes the uploaded images.
    """

    def __init__(self, report: ServedNetwork | None = None, annotate: ServedNetwork | None = None) -> None:
        self.report, self.annotate = report, annotate
        self.decoder = ImageDecoder()

    @classmethod
    def load(cls, runs: Sequence[Load | OpenedRuns]) -> "Engine":
        """Load the networks of one or two models: at most one that reads images alone, and one that reads reports.

        Several runs of one mode that only labels are one model (`tienet.checkpoint.together`).

        Raises:
            InputError, FileNotFoundError: A run cannot be loaded, or two have the same place and are not one model.
        """
        networks = {}
        for model in open_runs(runs):
            kind, first = _kind(model.runs[0]), model.runs[0]
            pipeline = (Reporter if kind == "report" else Annotator).load(model)
            name = ", ".join(run.folder.resolve().name for run in model.runs)
            remarks = [remark for remark in (first.writing_flaw, first.config.map_remark) if remark]
            networks[kind] = ServedNetwork(pipeline, name, first.config.image_px, remarks=remarks)
        return cls(**networks)

    @property
    def networks(self) -> list[ServedNetwork]:
        """The networks that this server was started with."""
        return [network for network in (self.report, self.annotate) if network is not None]

    @property
    def alive(self) -> bool:
        """Whether every network's queue is running."""
        return all(network.batches.alive for network in self.networks)

    def close(self) -> None:
        """Finish the batches that are being predicted, drop the requests that wait, and free the networks."""
        self.decoder.close()
        for network in self.networks:
            network.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_runs(loads: Sequence[Load | OpenedRuns]) -> list[OpenedRun | OpenedRuns]:
    """Open the runs of `Engine.load` and check them, without TensorFlow; those of one place become one model.

    Raises:
        InputError, FileNotFoundError: As `Engine.load`.
    """
    by_kind: dict[str, list[OpenedRun]] = {}
    for load in loads:
        for run in open_model(load).runs:
            run.check_mode("tienet serve", Reporter.MODES + Annotator.MODES)
            by_kind.setdefault(_kind(run), []).append(run)
    return [_open_model_of(kind, runs) for kind, runs in by_kind.items()]


def _open_model_of(kind: str, runs: list[OpenedRun]) -> OpenedRun | OpenedRuns:
    """What has one place in the server: a run, or several that label as one model."""
    for run in runs[1:]:
        both = f"{runs[0].load} and {run.load}"
        if run.config.mode != runs[0].config.mode or run.config.mode_parts.writes:
            raise InputError(
                f"--load {both}: both have the place of `{kind}`; give one of {', '.join(Reporter.MODES)}"
                f" and one of {', '.join(Annotator.MODES)} (several of one mode that only labels are one model)"
            )
        if run.config.mode_parts.image and run.config.image_px != runs[0].config.image_px:
            raise InputError(
                f"--load {both}: take images of {runs[0].config.image_px} and of {run.config.image_px} pixels; "
                "give runs that take the same size"
            )
    model = open_model(runs)
    model.check_files()
    return model


def _kind(run: OpenedRun) -> str:
    """Which place of the server a run has: it reads images alone, `report`, or reports, `annotate`."""
    return "report" if run.config.mode in Reporter.MODES else "annotate"


def find_batch_size(predict: Callable[[list[Item]], object], example: Item, max_size: int) -> int:
    """Which of the batch sizes 1, 2, 4 ... up to `max_size` takes the least time for each study.

    Each size is run once before it is timed, so that the network is compiled for it before the first request comes.
    """
    best, best_seconds, size = 1, float("inf"), 1
    while size <= max_size:
        predict([example] * size)
        seconds = min(_time(predict, [example] * size) for _ in range(3)) / size
        if seconds > 0.95 * best_seconds:  # hardly faster: a larger batch would only make the requests wait longer
            break
        best, best_seconds, size = size, seconds, 2 * size
    return best


def _time(predict: Callable[[list[Item]], object], items: list[Item]) -> float:
    """The seconds that a batch takes."""
    start = time.monotonic()
    predict(items)
    return time.monotonic() - start
