"""What saves the checkpoints of a training: after each epoch, and when it is interrupted.

`tienet.training.validation` chooses the best one among them. A run that learns from the validation split too has no
score to choose by: `LastEpoch` keeps the one after the last epoch.
"""

import sys
from pathlib import Path

import tensorflow as tf
from tensorpack.callbacks import Callback

from tienet.checkpoint import save
from tienet.checkpoint.earlier_run import EarlierRun
from tienet.checkpoint.entries import TrainingState
from tienet.checkpoint.validation_record import ValidationRecord
from tienet.checkpoint.writing import Writing
from tienet.errors import InputError
from tienet.interruption import Interruption
from tienet.training.logs import ScalarLog

tf1 = tf.compat.v1


class Saving(Callback):
    """Saves a checkpoint when the run is interrupted; what is saved after an epoch is for those that inherit from it.

    Args:
        logdir: The run's folder.
        state: How far the run has come; updated here.
        interruption: What may interrupt the run.
        json_log: The log that is written before a checkpoint.
    """

    def __init__(
        self, logdir: Path, state: TrainingState, interruption: Interruption, json_log: ScalarLog | None = None
    ):
        self._logdir, self._state, self._interruption, self._json_log = logdir, state, interruption, json_log

    def should_stop(self) -> bool:
        """Whether the training stops before its last epoch."""
        return False

    def _setup_graph(self) -> None:
        self._saver = tf1.train.Saver(tf1.global_variables(), max_to_keep=0, save_relative_paths=True)

    def _write_log(self) -> None:
        if self._json_log is not None:
            self._json_log._trigger()  # before the checkpoint: a kill in between then repeats the epoch

    def _after_train(self) -> None:
        trainer, state = self.trainer, self._state
        if self._interruption.wanted is None or trainer.failure or not trainer.between_updates:
            return
        with self._interruption.deferred():
            if trainer.global_step != state.step:
                state.step = trainer.global_step
                try:
                    self._save(None, False)
                except InputError as error:
                    trainer.failure = error
                    return
        print(f"\nstopped at step {state.step}; go on with --resume", file=sys.stderr)

    def _save(
        self,
        thresholds: list[float] | None,
        best: bool,
        writing: Writing | None = None,
        record: ValidationRecord | None = None,
    ) -> None:
        session = tf1.get_default_session()
        save.save(self._logdir, session, self._saver, self._state, thresholds, best, writing, record)


class LastEpoch(Saving):
    """After each epoch: saves the latest checkpoint, and the one after the last epoch as the best.

    Args:
        earlier: The run whose thresholds that checkpoint has, and whose best epoch is the last one here.
        logdir, state, interruption, json_log: As in `Saving`.
    """

    def __init__(
        self,
        earlier: EarlierRun,
        logdir: Path,
        state: TrainingState,
        interruption: Interruption,
        json_log: ScalarLog | None = None,
    ):
        super().__init__(logdir, state, interruption, json_log)
        self._earlier = earlier

    def _trigger_epoch(self) -> None:
        state, epoch, epochs = self._state, self.epoch_num, self._earlier.epoch
        is_last = epoch == epochs
        with self._interruption.deferred():  # an epoch is recorded and saved, or neither
            self._write_log()
            state.record_unranked(self.global_step, epoch, is_last)
            self._save(self._earlier.thresholds if is_last else None, is_last)
            mark = f"  the last, as many as {self._earlier.name} had at its best; kept" * is_last
            print(f"epoch {epoch}/{epochs}: not validated{mark}", file=sys.stderr, flush=True)
        self.trainer.exchange_status(busy=False)
