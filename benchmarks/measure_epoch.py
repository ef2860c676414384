"""Case: epochs of the real trainer on synthetic studies from the feature cache."""

import statistics
import tempfile
from pathlib import Path

from benchmarks import synthetic
from benchmarks.measuring import Measured, peak_memory
from tienet import cli
from tienet.config import preset

WARM_UP = 5  # steps


def epoch(
    studies: int,
    epochs: int = 1,
    mode: str = "classify",
    words: int = 64,
    settings: dict[str, object] | None = None,
) -> Measured:
    """One epoch with preset `openi`, by the trainer, queue and batches of train.py, on a cache whose data are holes.

    Args:
        studies: The number of training studies.
        epochs: How many epochs are timed, after a few steps that compile; the result is their mean.
        words: The words of each report, where the mode reads one.
        settings: Settings of `Config` that differ from the preset.
    """
    cli.start_tensorflow()
    from benchmarks import training

    config = preset("openi", mode).replace(**(settings or {}))
    with tempfile.TemporaryDirectory() as temporary:
        cache = synthetic.store(Path(temporary) / "cache", config)
        synthetic.fill_with_holes(cache, studies)
        made_up = synthetic.studies(cache, config, words if config.mode_parts.reads else 1, training.V)
        seconds = training.train(made_up, 1 + epochs, WARM_UP)[1:]
    more = {
        "studies": studies,
        "epochs": epochs,
        "steps": -(-studies // config.batch),
        "all_seconds": [round(s, 3) for s in seconds],
    }
    return Measured(statistics.fmean(seconds), peak_memory(), more=more)
