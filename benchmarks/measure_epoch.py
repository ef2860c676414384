"""Case: epochs of the real trainer on synthetic studies from the feature cache."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import synthetic
from benchmarks.measuring import Measured, peak_memory
from tienet import cli, devices
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
    import tensorflow as tf
    from tensorpack.callbacks import Callback
    from tensorpack.tfutils.sesscreate import NewSessionCreator
    from tensorpack.tfutils.sessinit import JustCurrentSession

    from tienet.data.batch_split import BatchSplit
    from tienet.data.dataflow import TrainingBatches
    from tienet.interruption import Interruption
    from tienet.modeling.model import TieNet
    from tienet.training.callbacks import EpochLength
    from tienet.training.trainer import QueueInput, Trainer

    V, E = 1457, 200

    class Clock(Callback):
        """Measures the seconds of each epoch, from its first step to its last."""

        def __init__(self):
            self.seconds: list[float] = []

        def _before_epoch(self) -> None:
            self._start = time.perf_counter()

        def _after_epoch(self) -> None:
            self.seconds.append(time.perf_counter() - self._start)

    config = preset("openi", mode).replace(**(settings or {}))
    with tempfile.TemporaryDirectory() as temporary, Interruption() as interruption:
        cache = synthetic.store(Path(temporary) / "cache", config)
        synthetic.fill_with_holes(cache, studies)
        batches = TrainingBatches(
            synthetic.studies(cache, config, words if config.mode_parts.reads else 1, V), config.batch, seed=0
        )
        statistics_ = np.random.default_rng(0).random((2, cache.row_shape[2]), np.float32) + 0.5
        model = TieNet(config, V, E, feature_statistics=statistics_)
        clock = Clock()
        with tf.Graph().as_default():
            batch_split = BatchSplit.from_batch(config.batch, None)
            trainer = Trainer(batch_split, batches, interruption)
            queue = tf.compat.v1.FIFOQueue(4, [spec.dtype for spec in model.inputs()], name="batches")
            signature = model.get_input_signature()
            trainer.setup_graph(signature, QueueInput(batches, queue), model.build_graph, model.optimizer)
            trainer.train_with_defaults(
                callbacks=[EpochLength(batches.steps_per_epoch, WARM_UP), clock],
                extra_callbacks=[],
                monitors=[],
                session_creator=NewSessionCreator(config=devices.session_config()),
                session_init=JustCurrentSession(),
                steps_per_epoch=batches.steps_per_epoch,
                starting_epoch=1,
                max_epoch=1 + epochs,
            )
        if error := trainer.failure or batches.error:
            raise error
        if interruption.wanted:
            raise interruption.error()
    steps = batches.steps_per_epoch
    more = {
        "studies": studies,
        "epochs": epochs,
        "steps": steps,
        "all_seconds": [round(s, 3) for s in clock.seconds[1:]],
    }
    return Measured(statistics.fmean(clock.seconds[1:]), peak_memory(), more=more)
