"""Labels for reports from a trained network of mode `annotate-text`: the paper's auto-annotation put to use."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tienet.checkpoint.together import Load, open_model
from tienet.data.manifest import Manifest
from tienet.data.text import MAX_UNKNOWN_SHARE_OF_ALL, OOV, Vocab
from tienet.errors import InputError
from tienet.inference.together import PredictorTogether
from tienet.labels import LABELS, name_labels


class Labeller:
    """Reads reports and names the labels whose probability reaches the threshold of the validation split.

    Use it as a context manager, which frees the network's session. The network is loaded for the first reports that are
    labelled.

    Args:
        load: A run's folder or a checkpoint, of mode `annotate-text`; or several, which label as one model
            (`tienet.checkpoint.together`).
    Raises:
        InputError: The mode is another one, a file is missing, the checkpoint was never validated and has no
            thresholds, or several do not fit together.
    """

    def __init__(self, load: Load | Sequence[Load]):
        self._run = open_model(load)
        self._load = self._run.load
        self._run.check_mode("--labeller", ("annotate-text",))
        self._run.check_files()
        self._thresholds = self._run.thresholds()
        if np.isnan(self._thresholds).all():
            raise InputError(f"--labeller {load}: the checkpoint has no thresholds; give one that was validated")

    def __enter__(self) -> "Labeller":
        return self

    def __exit__(self, *_: object) -> None:
        if "_predictor" in vars(self):  # it was loaded
            self._predictor.close()

    @cached_property
    def _predictor(self) -> PredictorTogether:
        return PredictorTogether(self._run)

    def check_words(self, reports: Sequence[str]) -> str | None:
        """Check that the labeller's vocabulary, of several runs each, has the words of these reports.

        Returns:
            A note on the largest share of the words that one lacks; None if all have all of them.
        Raises:
            InputError: It lacks more than `MAX_UNKNOWN_SHARE_OF_ALL` of the words, so it was trained on other reports.
        """
        unknown = max(_unknown_share(run.vocab, reports) for run in self._run.runs)
        if unknown > MAX_UNKNOWN_SHARE_OF_ALL:
            raise InputError(
                f"--labeller {self._load}: its vocabulary lacks {unknown:.0%} of the words of these reports; "
                "give one that was trained on reports like these"
            )
        return f"the labeller {self._load} does not know {unknown:.1%} of the words" if unknown else None

    def label(self, studies: Manifest, reports: Sequence[str]) -> np.ndarray:
        """Label N reports.

        Args:
            studies: The N studies that the reports describe; their own reports are not read.
            reports: N reports.
        Returns:
            float32 [N, K], 1 or 0; always 0 for a label without a threshold.
        """
        if not any(report.strip() for report in reports):
            return np.zeros((len(reports), len(LABELS)), np.float32)
        studies = dataclasses.replace(studies, reports=list(reports))
        probabilities = self._predictor.probabilities(self._predictor.studies(studies))
        return np.nan_to_num(name_labels(probabilities, self._thresholds))


def _unknown_share(vocab: Vocab, reports: Sequence[str]) -> float:
    """The share of the words of these reports that a vocabulary lacks."""
    ids = [vocab.encode(report)[:-1] for report in reports]
    return sum(int((row == OOV).sum()) for row in ids) / max(sum(map(len, ids)), 1)
