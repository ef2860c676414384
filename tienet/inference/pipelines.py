"""Predictions for single studies, given as arrays and strings. This is what other programs call.

An image is uint8 [H, W] of any size, and 0 is black, as `tienet.data.dicom.reader.read_gray` gives it.
"""

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.together import Load, OpenedRuns, open_model
from tienet.data.dataflow import pad
from tienet.data.features import image_distribution
from tienet.data.image import check_gray, resize
from tienet.data.text import OOV, START, ReportFault, find_report_fault, tokenize
from tienet.errors import InputError
from tienet.inference.judges import Judges
from tienet.inference.predictor import Predictor
from tienet.inference.together import mean_prediction
from tienet.labels import K, name_labels
from tienet.modeling import outputs
from tienet.modeling.decoding import Decoding

MAX_IMAGES = 16
"""The largest number of images in one batch of the network. Larger batches take more memory and are no faster."""

MAX_REPORTS = 64
"""The largest number of reports in one batch where there are no images.

A call with several times as many is faster for each: reports of about the same length are then read together.
"""

_DISTANCE = "image distance"  # beside the network's outputs for a batch, float32 [B]
_MAX_DECODINGS = 3  # that a Reporter keeps beside the one that it was loaded with

_Self = TypeVar("_Self", bound="_Pipeline")


@dataclass(frozen=True, eq=False)
class Prediction:
    """The network's prediction for one study.

    Attributes:
        probabilities: float32 [K], calibrated if the checkpoint is, of several runs the mean; NaN in mode caption.
        thresholds: float32 [K], the thresholds of the validation split; NaN where a label has none.
        labels: float32 [K], 1 for a label that is named and 0 for one that is not, as `labels.name_labels` says; NaN
            where there is no threshold.
        report: The report that the network wrote, with spaces between the words; None in modes that do not write.
        log_probability: The log-probability of the written report; None in modes that do not write.
        words: <START> and the n words that the network read or wrote; empty in mode classify.
        g: float32 [n + 1], the text attention of each word, eq. 4; None in mode caption.
        a: float32 [n + 1, D, D], the spatial attention of each word; None in modes without an image.
        a_ws: float32 [D, D], eq. 4; None where g or a is None.
        precision, recall: float32 [K], what the thresholds gave on the validation split; NaN where that is not known.
        G: float32 [r, n + 1], the text attention that g is the largest of, eq. 3: each of its r rows sums to 1 over the
            words. None where g is, and of several runs, whose rows have no order.
        cut_at: The number of words after which the report was cut, because no more are read or written; None if it is
            whole. A written report of as many words as may be written counts as cut: it did not come to its end.
        image_distance: How far the image is from the training images
            (`tienet.data.features.image_distribution`); None without an image, and of runs that do not know theirs.
        finding_maps: float32 [K, D, D], what each place of the image adds to the log-odds of each label, with the
            attention as it is (`tienet.modeling.finding_maps`); above 0 where it speaks for the label. None in mode
            caption and without an image; of several runs the mean.

    g, G, a, a_ws and finding_maps are also None unless maps were asked for.
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
    precision: np.ndarray = field(default_factory=lambda: np.full(K, np.nan, np.float32))
    recall: np.ndarray = field(default_factory=lambda: np.full(K, np.nan, np.float32))
    cut_at: int | None = None
    G: np.ndarray | None = None
    finding_maps: np.ndarray | None = None
    image_distance: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of the prediction should know."""
        said = None if self.image_distance is None else image_distribution.note_on(self.image_distance)
        return () if said is None else (said,)


class _Pipeline:
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
                rows[_DISTANCE] = distribution.distances(rows.pop(outputs.POOLED_FEATURES))
            for row, n in enumerate(chosen):
                study = {name: array[row] for name, array in rows.items()}
                predictions[n] = self._prediction(network, study, None if words is None else words[n])
        return predictions

    def _prediction(self, network: Predictor, study: dict[str, np.ndarray], words: list[str] | None) -> Prediction:
        """The prediction for one study, from the network's outputs for it."""
        mode, vocab, report, cut_at = network.config.mode_parts, network.run.vocab, None, None
        if mode.writes:
            written = study[outputs.WORD_IDS][1 : study[outputs.WORD_LEN]]
            report, words = vocab.decode(written), [vocab.words[i] for i in written]
            cut_at = len(words) if len(words) == network.decoding.max_words else None
        words = ["<START>", *words] if mode.reads else []
        G = study[outputs.G][:, : len(words)].copy() if outputs.G in study else None
        probabilities = study.get(outputs.PROBABILITIES, np.full(K, np.nan, np.float32))
        calibration = self.run.calibration
        shares = {} if calibration is None else {"precision": calibration.precision, "recall": calibration.recall}
        return Prediction(
            probabilities=probabilities.copy(),  # copies, above and below: a view would keep the whole batch in memory
            thresholds=self._thresholds.copy(),
            labels=name_labels(probabilities, self._thresholds),
            report=report,
            log_probability=float(study[outputs.LOG_PROBABILITY]) if mode.writes else None,
            words=words,
            g=None if G is None else G.max(axis=0),
            a=study[outputs.A][: len(words)].copy() if outputs.A in study else None,
            a_ws=study[outputs.A_WS].copy() if outputs.A_WS in study else None,
            **shares,
            cut_at=cut_at,
            G=G,
            finding_maps=_finding_maps(study, network.calibration),
            image_distance=float(study[_DISTANCE]) if _DISTANCE in study else None,
        )

    def _check_images(self, images: Sequence[np.ndarray]) -> None:
        for n, image in enumerate(images, 1):
            check_gray(image, f"image {n} of {len(images)}")


class Annotator(_Pipeline):
    """Predicts labels from a report and its image (mode annotate), or from the report alone (annotate-text)."""

    MODES = ("annotate", "annotate-text")

    def find_fault(self, report: str) -> ReportFault | None:
        """Why this report should get no labels, such as words that the network does not know; None if it should.

        `annotate` does not ask: the commands and the server do before they call it.
        """
        found = (find_report_fault(report, n.run.vocab, n.config.max_words) for n in self._networks)
        return next((fault for fault in found if fault is not None), None)

    @property
    def max_words(self) -> int:
        """The number of words after which a report is cut; of several runs, the smallest one."""
        return min(network.config.max_words for network in self._networks)

    def count_unknown(self, words: Sequence[str]) -> int:
        """How many of these words the network does not know; of several, the one that knows the fewest."""
        return max(sum(word not in network.run.vocab.ids for word in words) for network in self._networks)

    def annotate(
        self, reports: Sequence[str], images: Sequence[np.ndarray] | None = None, maps: bool = False
    ) -> list[Prediction]:
        """Predict the labels of studies. A report is cut after the run's `max_words` words, as in training.

        Args:
            reports: The reports; an empty string is allowed.
            images: One image for each report if `needs_image`, otherwise None.
            maps: Give g, G, a, a_ws and finding_maps, too.
        Returns:
            A prediction for each study. Its words are those of the report, also those that the network does not know.
        Raises:
            InputError: There are not as many images as reports, or one of the images or reports is not one.
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
        whole = [tokenize(report) for report in reports]
        return self._together([self._read(network, whole, images, maps) for network in self._networks])

    def _read(
        self, network: Predictor, whole: list[list[str]], images: Sequence[np.ndarray] | None, maps: bool
    ) -> list[Prediction]:
        """The predictions of one network for reports that are given as words."""
        max_words, vocab = network.config.max_words, network.run.vocab
        words = [report[:max_words] for report in whole]
        word_ids = [np.array([START, *(vocab.ids.get(w, OOV) for w in report)], np.int32) for report in words]
        predictions = self._predict(network, word_ids, images, maps, words)
        return [
            replace(prediction, cut_at=max_words) if len(report) > max_words else prediction
            for prediction, report in zip(predictions, whole, strict=True)
        ]


class Reporter(_Pipeline):
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
        self, images: Sequence[np.ndarray], maps: bool = False, decoding: Decoding | None = None
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


def _finding_maps(study: dict[str, np.ndarray], calibration: Calibration | None) -> np.ndarray | None:
    """The maps of the findings in the log-odds of the calibrated probabilities, float32 [K, D, D]."""
    if outputs.FINDING_MAPS not in study:
        return None
    temperatures = 1.0 if calibration is None else calibration.temperatures
    return np.moveaxis(study[outputs.FINDING_MAPS] / temperatures, -1, 0).astype(np.float32)


def _ensure_size(image: np.ndarray, image_px: int) -> np.ndarray:
    """The image as the network takes it; one that a caller resized while it read the file is taken as it is."""
    return image if image.shape == (image_px, image_px) else resize(image, image_px)


def _batch(network: Predictor, word_ids: list[np.ndarray], images: list[np.ndarray]) -> list[np.ndarray]:
    """The network's inputs for a batch.

    A batch with images is filled up to 1, 2, 4 ... studies, because XLA compiles each new size first.
    """
    mode = network.config.mode_parts
    if mode.image:
        missing = (1 << (len(images) - 1).bit_length()) - len(images)
        word_ids, images = word_ids + word_ids[-1:] * missing, images + images[-1:] * missing
    arrays = [np.stack(images)] if mode.image else []
    if mode.reads:
        arrays += [pad(word_ids), np.array([len(ids) for ids in word_ids], np.int32)]
    return [*arrays, np.full((len(word_ids), K), np.nan, np.float32)]
