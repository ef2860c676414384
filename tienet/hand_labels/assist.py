"""The labels of a network, for readers who label with its help."""

from collections.abc import Mapping

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS, name_labels


def check_labels(run: OpenedRun) -> None:
    """Raise InputError unless the run labels."""
    if not run.config.mode_parts.classifies:
        raise InputError(f"--assist {run.load}: mode {run.config.mode} gives no labels; expected a run that does")


def labels_of(run: OpenedRun, studies: Manifest) -> list[Mapping[str, tuple[float, bool | None]]]:
    """For each study the probability of each label and whether it is named, None without a threshold.

    Raises:
        InputError: The run does not fit the studies.
    """
    with Predictor(run) as predictor:
        probabilities = predictor.predict(predictor.studies(studies), progress=True).probabilities
    named = name_labels(probabilities, run.thresholds())
    return [
        {label: (float(row[k]), None if np.isnan(of_row[k]) else bool(of_row[k])) for k, label in enumerate(LABELS)}
        for row, of_row in zip(probabilities, named, strict=True)
    ]
