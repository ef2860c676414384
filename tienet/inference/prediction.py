"""What a network says of one study, for other programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tienet.checkpoint.calibration import Calibration
from tienet.data.features import image_distribution
from tienet.labels import K, name_labels
from tienet.modeling import outputs

if TYPE_CHECKING:
    from tienet.inference.predictor import Predictor

DISTANCE = "image distance"
"""The name of `Prediction.image_distance` beside the network's outputs."""


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


def prediction_of(
    network: "Predictor",
    study: Mapping[str, np.ndarray],
    words: list[str] | None,
    thresholds: np.ndarray,
    calibration: Calibration | None,
) -> Prediction:
    """The prediction for one study.

    Args:
        network: The network that gave the outputs.
        study: Its outputs for the study by name, and DISTANCE where the network knows its training images.
        words: The words of the report that was read; None where the network writes, or knows no report.
        thresholds: float32 [K], NaN where a label has none.
        calibration: What the thresholds gave on the validation split; None where that is not known.
    """
    mode, vocab, report, cut_at = network.config.mode_parts, network.run.vocab, None, None
    if mode.writes:
        written = study[outputs.WORD_IDS][1 : study[outputs.WORD_LEN]]
        report, words = vocab.decode(written), [vocab.words[i] for i in written]
        cut_at = len(words) if len(words) == network.decoding.max_words else None
    words = ["<START>", *words] if mode.reads else []
    G = study[outputs.G][:, : len(words)].copy() if outputs.G in study else None
    probabilities = study.get(outputs.PROBABILITIES, np.full(K, np.nan, np.float32))
    shares = {} if calibration is None else {"precision": calibration.precision, "recall": calibration.recall}
    return Prediction(
        probabilities=probabilities.copy(),  # copies, above and below: a view would keep the whole batch in memory
        thresholds=thresholds.copy(),
        labels=name_labels(probabilities, thresholds),
        report=report,
        log_probability=float(study[outputs.LOG_PROBABILITY]) if mode.writes else None,
        words=words,
        g=None if G is None else G.max(axis=0),
        a=study[outputs.A][: len(words)].copy() if outputs.A in study else None,
        a_ws=study[outputs.A_WS].copy() if outputs.A_WS in study else None,
        **shares,
        cut_at=cut_at,
        G=G,
        finding_maps=calibrated_maps(study, network.calibration),
        image_distance=float(study[DISTANCE]) if DISTANCE in study else None,
    )


def calibrated_maps(study: dict[str, np.ndarray], calibration: Calibration | None) -> np.ndarray | None:
    """The maps of the findings in the log-odds of the calibrated probabilities, float32 [K, D, D]."""
    if outputs.FINDING_MAPS not in study:
        return None
    temperatures = 1.0 if calibration is None else calibration.temperatures
    return np.moveaxis(study[outputs.FINDING_MAPS] / temperatures, -1, 0).astype(np.float32)
