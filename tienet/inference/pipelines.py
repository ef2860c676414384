"""Single studies, as arrays and strings, read by a trained network: what other programs call.

An image is uint8 [H, W] of any size, 0 is black, as `tienet.data.dicom.reader.read_gray` gives it.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.data.dataflow import pad
from tienet.data.image import check_gray, resize
from tienet.data.text import OOV, START, tokenize
from tienet.errors import InputError
from tienet.inference.predictor import Predictor
from tienet.labels import K
from tienet.modeling import outputs
from tienet.modeling.generate import Decoding

MAX_IMAGES = 16
"""In one run of the network. More are read in several runs: larger ones take memory and are no faster."""

MAX_REPORTS = 64
"""The same without images. A call with several times as many is faster: it reads those of like length together."""

_MAX_DECODINGS = 3  # other than the one that a Reporter was loaded with

_Self = TypeVar("_Self", bound="_Pipeline")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network makes of one study.

    Attributes:
        probabilities: float32 [K], calibrated where the checkpoint is; NaN in mode caption.
        thresholds: float32 [K], of the validation split; NaN where there is none.
        labels: float32 [K], 1 from the threshold on, 0 below, NaN where there is none.
        report: what it wrote, words joined by spaces; None where it does not write.
        log_probability: of that report.
        words: <START> and the n words read or written; none in mode classify.
        g: float32 [n + 1], text attention of each word, eq. 4; None in mode caption.
        a: float32 [n + 1, D, D], spatial attention of each word; None without an image.
        a_ws: float32 [D, D], eq. 4; None where g or a is.

    g, a and a_ws are None, too, unless maps were asked for.
    """

    probabilities: np.ndarray
    thresholds: np.ndarray
    labels: np.ndarray
    report: str | None
    log_probability: float | None
    words: list[str]
    g: np.ndarray | None
    a: np.ndarray | None
    a_ws: np.ndarray | None


class _Pipeline:
    """What Annotator and Reporter share. Several threads may call one at once."""

    MODES: tuple[str, ...]

    def __init__(self, load: str | Path | OpenedRun, decoding: Decoding | None = None):
        self.run = open_run(load)
        self.run.check_mode(type(self).__name__, self.MODES)
        self._network = Predictor(self.run, features="off", decoding=decoding)
        self._thresholds = self.run.thresholds()

    @classmethod
    def load(cls: type[_Self], load: str | Path | OpenedRun) -> _Self:
        """The network of a run's folder (its best checkpoint) or of a checkpoint.

        Raises:
            InputError: it is of another mode, or does not fit.
        """
        return cls(load)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the network."""
        self._network.close()

    @property
    def mode(self) -> str:
        """The run's mode."""
        return self._network.config.mode

    @property
    def needs_image(self) -> bool:
        """Whether it looks at an image."""
        return self._network.config.mode_parts.image

    @property
    def calibrated(self) -> bool:
        """Whether the probabilities are calibrated."""
        return self._network.calibration is not None

    def _read(
        self,
        network: Predictor,
        word_ids: list[np.ndarray],
        images: Sequence[np.ndarray] | None,
        maps: bool,
        words: list[list[str]] | None = None,
    ) -> list[Prediction]:
        """In the order given, read in batches of reports that are about as long; `words` of reports that are given."""
        predictions: list[Prediction | None] = [None] * len(word_ids)
        order = sorted(range(len(word_ids)), key=lambda n: len(word_ids[n]))
        size = MAX_IMAGES if self.needs_image else MAX_REPORTS
        names = outputs.prediction_outputs(network.config.mode_parts, maps)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            ids = [word_ids[n] for n in chosen]
            pictures = [_ensure_size(images[n], network.config.image_px) for n in chosen] if self.needs_image else []
            rows = network.run_batch(names, _inputs(network, ids, pictures))
            for row, n in enumerate(chosen):
                one = {name: array[row] for name, array in rows.items()}
                predictions[n] = self._prediction(network, one, None if words is None else words[n])
        return predictions

    def _prediction(self, network: Predictor, one: dict[str, np.ndarray], words: list[str] | None) -> Prediction:
        """From the network's results for one study."""
        mode, vocab, report = network.config.mode_parts, network.run.vocab, None
        if mode.writes:
            written = one[outputs.WORD_IDS][1 : one[outputs.WORD_LEN]]
            report, words = vocab.decode(written), [vocab.words[i] for i in written]
        words = ["<START>", *words] if mode.reads else []
        probabilities = one.get(outputs.PROBABILITIES, np.full(K, np.nan, np.float32))
        labels = np.where(np.isnan(self._thresholds), np.nan, probabilities >= self._thresholds).astype(np.float32)
        return Prediction(
            probabilities=probabilities.copy(),  # here and below: no view that keeps the whole batch
            thresholds=self._thresholds.copy(),
            labels=labels,
            report=report,
            log_probability=float(one[outputs.LOG_PROBABILITY]) if mode.writes else None,
            words=words,
            g=one[outputs.G][:, : len(words)].max(axis=0) if outputs.G in one else None,
            a=one[outputs.A][: len(words)].copy() if outputs.A in one else None,
            a_ws=one[outputs.A_WS].copy() if outputs.A_WS in one else None,
        )

    def _check_images(self, images: Sequence[np.ndarray]) -> None:
        for n, image in enumerate(images, 1):
            check_gray(image, f"image {n} of {len(images)}")


class Annotator(_Pipeline):
    """Labels from a report and its image (mode annotate), or from the report alone (annotate-text)."""

    MODES = ("annotate", "annotate-text")

    def annotate(
        self, reports: Sequence[str], images: Sequence[np.ndarray] | None = None, maps: bool = False
    ) -> list[Prediction]:
        """Read studies; the longest report that is read whole has `max_words` words, as in training.

        Args:
            reports: may be empty strings.
            images: one for each report if `needs_image`, else None.
            maps: also g, a and a_ws.
        Returns:
            A reading for each; its words are the report's own, also those that the network does not know.
        Raises:
            InputError: not as many images as reports, or an image or a report that is none.
        """
        if isinstance(reports, str) or not all(isinstance(report, str) for report in reports):
            raise InputError("reports: expected a list of strings, one for each study")
        if self.needs_image and (images is None or len(images) != len(reports)):
            there = "none" if images is None else len(images)
            raise InputError(f"images: {there} for {len(reports)} reports; mode annotate needs one for each")
        if not self.needs_image and images is not None:
            raise InputError(
                "images: mode annotate-text reads reports alone; leave them out, or load a run of annotate"
            )
        if self.needs_image:
            self._check_images(images)
        most, vocab = self._network.config.max_words, self._network.run.vocab
        words = [tokenize(report)[:most] for report in reports]
        word_ids = [np.array([START, *(vocab.ids.get(word, OOV) for word in of_one)], np.int32) for of_one in words]
        return self._read(self._network, word_ids, images, maps, words)


class Reporter(_Pipeline):
    """Labels and a report from an image (mode report), labels alone (classify), or a report alone (caption)."""

    MODES = ("report", "classify", "caption")

    def __init__(self, load: str | Path | OpenedRun, decoding: Decoding | None = None):
        super().__init__(load, decoding)
        self._lock = threading.Lock()
        self._others: dict[Decoding, Predictor] = {}

    @property
    def writes(self) -> bool:
        """Whether it writes reports."""
        return self._network.config.mode_parts.writes

    def report(
        self, images: Sequence[np.ndarray], maps: bool = False, decoding: Decoding | None = None
    ) -> list[Prediction]:
        """Look at images.

        Args:
            maps: also g, a and a_ws.
            decoding: how reports are written; None: greedily, as in training. Another one than before takes about as
                long as loading; the last ones are kept.
        Returns:
            A reading for each image.
        Raises:
            InputError: an image that is none, or a decoding where no report is written.
        """
        self._check_images(images)
        if decoding is not None and not self.writes:
            raise InputError(
                f"decoding: mode {self.mode} writes no reports; leave it out, or load a run of mode report"
            )
        network = self._network if decoding is None else self._with(decoding)
        return self._read(network, [np.array([START], np.int32)] * len(images), images, maps)

    def _with(self, decoding: Decoding) -> Predictor:
        """The network that writes in another way; dropped ones are freed when no thread uses them any more."""
        with self._lock:
            network = self._others.pop(decoding, None) or Predictor(self.run, features="off", decoding=decoding)
            self._others[decoding] = network
            while len(self._others) > _MAX_DECODINGS:
                del self._others[next(iter(self._others))]
            return network

    def close(self) -> None:
        """Free the network."""
        super().close()
        with self._lock:
            for network in self._others.values():
                network.close()
            self._others.clear()


def _ensure_size(image: np.ndarray, image_px: int) -> np.ndarray:
    """The image as the network takes it; one that a caller resized while it read the file is taken as it is."""
    return image if image.shape == (image_px, image_px) else resize(image, image_px)


def _inputs(network: Predictor, word_ids: list[np.ndarray], pictures: list[np.ndarray]) -> list[np.ndarray]:
    """The network's inputs. Batches with pictures are filled up to 1, 2, 4 ...: each new size is compiled first."""
    mode = network.config.mode_parts
    if mode.image:
        missing = (1 << (len(pictures) - 1).bit_length()) - len(pictures)
        word_ids, pictures = word_ids + word_ids[-1:] * missing, pictures + pictures[-1:] * missing
    arrays = [np.stack(pictures)] if mode.image else []
    if mode.reads:
        arrays += [pad(word_ids), np.array([len(ids) for ids in word_ids], np.int32)]
    return [*arrays, np.full((len(word_ids), K), np.nan, np.float32)]
