"""Labels for reports from a trained network of mode `annotate-text`: auto-annotation put to use."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tienet.checkpoint.run_folder import open_run
from tienet.data.manifest import Manifest
from tienet.data.text import OOV
from tienet.errors import InputError
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS

MAX_UNKNOWN_SHARE = 0.2
"""A labeller that does not know more than this share of the true reports' words is refused."""


class Labeller:
    """Reads reports and names the labels whose probability reaches the threshold of the validation split.

    Args:
        load: a run's folder or a checkpoint, of mode `annotate-text`.
    Raises:
        InputError: another mode, or no thresholds (a checkpoint that was never validated).
    """

    def __init__(self, load: str | Path):
        run = open_run(load)
        run.check_mode("--labeller", ("annotate-text",))
        self._thresholds = run.thresholds()
        if np.isnan(self._thresholds).all():
            raise InputError(f"--labeller {load}: the checkpoint has no thresholds; give one that was validated")
        self._network, self._load = Predictor(run), load

    def __enter__(self) -> "Labeller":
        return self

    def __exit__(self, *_: object) -> None:
        self._network.close()

    def check_words(self, reports: Sequence[str]) -> str | None:
        """A note if the labeller does not know some of these reports' words; None if it knows all.

        Raises:
            InputError: it does not know more than `MAX_UNKNOWN_SHARE` of them: its vocabulary is of other reports.
        """
        ids = [self._network.run.vocab.encode(report)[:-1] for report in reports]
        total = sum(map(len, ids))
        unknown = sum(int((row == OOV).sum()) for row in ids) / max(total, 1)
        if unknown > MAX_UNKNOWN_SHARE:
            raise InputError(
                f"--labeller {self._load}: its vocabulary lacks {unknown:.0%} of the words of these reports; "
                "give one that was trained on reports like these"
            )
        return f"the labeller {self._load} does not know {unknown:.1%} of the words" if unknown else None

    def label(self, studies: Manifest, reports: Sequence[str]) -> np.ndarray:
        """float32 [N, K], 1 or 0; 0 for a label without a threshold. `reports` take the place of the studies' own."""
        if not any(report.strip() for report in reports):
            return np.zeros((len(reports), len(LABELS)), np.float32)
        part = dataclasses.replace(studies, reports=list(reports))
        probabilities = self._network.probabilities(self._network.studies(part))
        return (probabilities >= np.nan_to_num(self._thresholds, nan=np.inf)).astype(np.float32)
