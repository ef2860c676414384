"""What `Annotator` and `Reporter` share: networks that predict for single studies, given as arrays and strings.

An image is uint8 [H, W] of any size, and 0 is black, as `tienet.data.dicom.reader.read_gray` gives it.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.together import Load, OpenedRuns, open_model
from tienet.data.dataflow import pad
from tienet.data.image import check_gray, resize
from tienet.errors import InputError
from tienet.inference.judges import Judges
from tienet.inference.prediction import DISTANCE, Prediction, prediction_of
from tienet.inference.predictor import Predictor
from tienet.inference.together import mean_prediction
from tienet.labels import K
from tienet.modeling import outputs
from tienet.modeling.decoding import Decoding

MAX_IMAGES = 16
"""The largest number of images in one batch of the network. Larger batches take more memory and are no faster."""

LIST_OF_IMAGES = "expected a list of grey images, uint8 [H, W], one for each study"
"""What is said of images that are no list of them."""

MAX_REPORTS = 64
"""The largest number of reports in one batch where there are no images.

A call with several times as many is faster for each: reports of about the same length are then read together.
"""

_Self = TypeVar("_Self", bound="Pipeline")


class Pipeline:
    """The base class of Annotator and Reporter. Several threads may call one at once.

    Attributes:
        run: The opened run, or the opened runs that label as one model.
    """

    MODES: tuple[str, ...]

    def __init__(
        self,
        load: Load | OpenedRuns | Sequence[Load],
        decoding: Decoding | None = None,
        judges: Judges | None = None,
    ):
        self.run = self.open_run(load)
        self._thresholds = self.run.thresholds()
        with contextlib.ExitStack() as stack:  # the sessions live together, as each study needs all of them at once
            self._networks = [
                stack.enter_context(Predictor(run, features="off", decoding=decoding, judges=judges))
                for run in self.run.runs
            ]
            self._open_networks = stack.pop_all()
        self._network = self._networks[0]

    @classmethod
    def open_run(cls, load: Load | OpenedRuns | Sequence[Load]) -> OpenedRun | OpenedRuns:
        """Open a run, or several, and check all that `load` needs, without TensorFlow; raises InputError as it does."""
        run = open_model(load)
        run.check_mode(cls.__name__, cls.MODES)
        if len(run.runs) > 1 and run.mode_parts.writes:
            raise InputError(f"--load {run.load}: the reports of several runs have no mean; load one of them")
        run.check_files()
        return run

    @classmethod
    def load(cls: type[_Self], load: Load | OpenedRuns | Sequence[Load]) -> _Self:
        """Load the network of an opened run, of a run's folder (its best checkpoint) or of a checkpoint.

        Several of them, in a list, label as one model: the mean of their probabilities, with thresholds of its own
        (`tienet.checkpoint.together`).

        Raises:
            InputError: The run is of another mode, the checkpoint does not fit, or several do not fit together.
        """
        return cls(load)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the networks and their memory."""
        self._open_networks.close()

    @property
    def mode(self) -> str:
        """The run's mode."""
        return self._network.config.mode

    @property
    def needs_image(self) -> bool:
        """Whether the network takes an image."""
        return self._network.config.mode_parts.image

    @property
    def calibrated(self) -> bool:
        """Whether the probabilities are calibrated; of several runs, all of them."""
        return all(network.calibration is not None for network in self._networks)

    def _together(self, by_network: Sequence[list[Prediction]]) -> list[Prediction]:
        """The predictions of one network as they are, or the mean of those of several."""
        if len(by_network) == 1:
            return by_network[0]
        return [mean_prediction(of_study, self.run.calibration) for of_study in zip(*by_network, strict=True)]

    def _predict(
        self,
        network: Predictor,
        word_ids: list[np.ndarray],
        images: Sequence[np.ndarray] | None,
        maps: bool,
        words: list[list[str]] | None = None,
    ) -> list[Prediction]:
        """The predictions in the order of the studies, which are read in batches of reports of about the same length.

        Args:
            word_ids: The ids of each report's words; <START> alone where the network does not read a report.
            words: The words of the reports that are read; None where the network writes, or knows no report.
        """
        predictions: list[Prediction | None] = [None] * len(word_ids)
        order = sorted(range(len(word_ids)), key=lambda n: len(word_ids[n]))
        size = MAX_IMAGES if self.needs_image else MAX_REPORTS
        names = outputs.prediction_outputs(network.config.mode_parts, maps)
        distribution = network.image_distribution
        if distribution is not None:
            names.append(outputs.POOLED_FEATURES)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            ids = [word_ids[n] for n in chosen]
            resized = [_ensure_size(images[n], network.config.image_px) for n in chosen] if self.needs_image else []
            rows = network.run_batch(names, _batch(network, ids, resized))
            if distribution is not None:
                rows[DISTANCE] = distribution.distances(rows.pop(outputs.POOLED_FEATURES))
            for row, n in enumerate(chosen):
                study = {name: array[row] for name, array in rows.items()}
                read = None if words is None else words[n]
                predictions[n] = prediction_of(network, study, read, self._thresholds, self.run.calibration)
        return predictions

    def _check_images(self, images: Sequence[np.ndarray]) -> None:
        for n, image in enumerate(images, 1):
            check_gray(image, f"image {n} of {len(images)}")


def list_of(values: Iterable, kind: type, expected: str) -> list:
    """The values, of an iterator too, which the first look at it would use up.

    Raises:
        InputError: They are a text, nothing that has values, or not all of this kind; the message is `expected`.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(expected)
    values = list(values)
    if not all(isinstance(value, kind) for value in values):
        raise InputError(expected)
    return values


def _ensure_size(image: np.ndarray, image_px: int) -> np.ndarray:
    """The image as the network takes it; one that a caller resized while it read the file is taken as it is."""
    return image if image.shape == (image_px, image_px) else resize(image, image_px)


def _batch(network: Predictor, word_ids: list[np.ndarray], images: list[np.ndarray]) -> list[np.ndarray]:
    """The network's inputs for a batch.

    It is filled up to 1, 2, 4 ... studies, because XLA compiles each new size first.
    """
    mode = network.config.mode_parts
    missing = (1 << (len(word_ids) - 1).bit_length()) - len(word_ids)
    word_ids, images = word_ids + word_ids[-1:] * missing, images + images[-1:] * missing
    arrays = [np.stack(images)] if mode.image else []
    if mode.reads:
        arrays += [pad(word_ids), np.array([len(ids) for ids in word_ids], np.int32)]
    return [*arrays, np.full((len(word_ids), K), np.nan, np.float32)]
