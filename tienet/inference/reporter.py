"""Labels and reports from images."""

import threading
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from tienet.checkpoint.together import Load, OpenedRuns
from tienet.data.text import START
from tienet.errors import InputError
from tienet.inference.judges import Judges
from tienet.inference.pipeline import LIST_OF_IMAGES, Pipeline, list_of
from tienet.inference.prediction import Prediction
from tienet.inference.predictor import Predictor
from tienet.modeling.decoding import Decoding

_MAX_DECODINGS = 3  # that a Reporter keeps beside the one that it was loaded with

_Self = TypeVar("_Self", bound="Reporter")


class Reporter(Pipeline):
    """Predicts labels and a report from an image (mode report), only labels (classify) or only a report (caption)."""

    MODES = ("report", "classify", "caption")

    def __init__(
        self,
        load: Load | OpenedRuns | Sequence[Load],
        decoding: Decoding | None = None,
        judges: Judges | None = None,
    ):
        super().__init__(load, decoding, judges)
        self._judges, self._lock = judges, threading.Lock()
        self._others: dict[Decoding, Predictor] = {}

    @classmethod
    def load(
        cls: type[_Self],
        load: Load | OpenedRuns | Sequence[Load],
        decoding: Decoding | None = None,
        judges: Judges | None = None,
    ) -> _Self:
        """Load the network of an opened run, of a run's folder (its best checkpoint) or of a checkpoint.

        Several of mode `classify`, in a list, label as one model, as in `Annotator.load`.

        Args:
            decoding: How reports are written; None: greedily.
            judges: What chooses among the candidates of the decoding `consistent`. They stay the caller's, to close.
        Raises:
            InputError: The run is of another mode, the checkpoint does not fit, or several do not fit together.
        """
        return cls(load, decoding, judges)

    @property
    def writes(self) -> bool:
        """Whether the network writes reports."""
        return self._network.config.mode_parts.writes

    def report(
        self, images: Iterable[np.ndarray], maps: bool = False, decoding: Decoding | None = None
    ) -> list[Prediction]:
        """Predict the labels and reports of images, as far as the mode has them.

        Args:
            images: The images, of any size.
            maps: Give g, G, a, a_ws and finding_maps, too.
            decoding: How reports are written; None: as the Reporter was loaded, by default greedily. The first call
                with another decoding takes about as long as loading; the networks of the last few are kept.
        Returns:
            A prediction for each image.
        Raises:
            InputError: One of the images is not one, or a decoding is given where no report is written.
        """
        images = list_of(images, object, f"images: {LIST_OF_IMAGES}")
        self._check_images(images)
        if decoding is not None and not self.writes:
            raise InputError(
                f"decoding: mode {self.mode} writes no reports; leave it out, or load a run of mode report"
            )
        networks = self._networks if decoding is None else [self._network_with(decoding)]
        starts = [np.array([START], np.int32)] * len(images)
        return self._together([self._predict(network, starts, images, maps) for network in networks])

    def _network_with(self, decoding: Decoding) -> Predictor:
        """The network that writes by `decoding`. One that is dropped is freed when no thread uses it any more."""
        with self._lock:
            network = self._others.pop(decoding, None)
            network = network or Predictor(self.run, features="off", decoding=decoding, judges=self._judges)
            self._others[decoding] = network
            while len(self._others) > _MAX_DECODINGS:
                del self._others[next(iter(self._others))]
            return network

    def close(self) -> None:
        """Free the networks and their memory."""
        super().close()
        with self._lock:
            for network in self._others.values():
                network.close()
            self._others.clear()
