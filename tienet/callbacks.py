"""What happens between the steps of training."""

import sys
from pathlib import Path

import tensorflow as tf
from tensorpack.callbacks import Callback
from tensorpack.train.base import StopTraining

from tienet import checkpoint
from tienet.checkpoint import TrainingState
from tienet.config import Config
from tienet.data.dataflow import Studies
from tienet.evaluation.auroc import MEANS, evaluate_auc
from tienet.evaluation.thresholds import youden
from tienet.predict import predict_all

tf1 = tf.compat.v1


class EpochLength(Callback):
    """The first epoch of a resumed run is as long as what is left of it."""

    def __init__(self, steps_per_epoch: int, first_step: int):
        self._steps, self._left = steps_per_epoch, steps_per_epoch - first_step % steps_per_epoch

    def _before_epoch(self) -> None:
        self.trainer.loop._steps_per_epoch = self._left
        self._left = self._steps


class LearningRateDrop(Callback):
    """The rate is divided by ten once `lr_drop_at` of the epochs are over."""

    def __init__(self, config: Config):
        self._first_low_epoch = round(config.lr_drop_at * config.epochs) + 1
        self._rates = (config.learning_rate, config.learning_rate / 10)

    def _setup_graph(self) -> None:
        self._variable = next(v for v in tf1.global_variables() if v.op.name == "adam/learning_rate")

    def _before_epoch(self) -> None:
        self._variable.load(self._rates[self.epoch_num >= self._first_low_epoch], tf1.get_default_session())


class Validation(Callback):
    """Each epoch: AUC on the validation split, the best and the latest checkpoint, early stopping.

    Args:
        logdir: the run's folder. config: patience and batch. studies: the validation split.
        state: how far the run has come; updated here.
    """

    def __init__(self, logdir: Path, config: Config, studies: Studies, state: TrainingState):
        self._logdir, self._config, self._studies, self._state = logdir, config, studies, state

    def _setup_graph(self) -> None:
        names = [spec.name for spec in self.trainer.input_signature]
        self._predict = self.trainer.get_predictor(names, ["probabilities"])
        self._saver = tf1.train.Saver(tf1.global_variables(), max_to_keep=0, save_relative_paths=True)

    def _trigger_epoch(self) -> None:
        state, config, labels = self._state, self._config, self._studies.labels
        scores = predict_all(self._studies, config.batch, lambda batch: self._predict(*batch)[0])
        means = evaluate_auc(scores, labels, self._studies.manifest.patient_ids, resamples=0)
        for name in MEANS:
            if means[name] is not None:
                self.trainer.monitors.put_scalar(f"val_{name}", means[name])
        better = state.judge(self.global_step, self.epoch_num, means["avg"])
        self._save([round(float(threshold), 6) for threshold in youden(scores, labels)], better)
        auc = "undefined" if means["avg"] is None else f"{means['avg']:.4f}"
        mark = "  best so far" if better else ""
        print(f"epoch {self.epoch_num}/{config.epochs}: validation AUC {auc}{mark}", file=sys.stderr, flush=True)
        if config.patience and state.epochs_since_best >= config.patience:
            print(f"stopped: no better validation AUC for {config.patience} epochs", file=sys.stderr)
            raise StopTraining("early stopping")

    def _after_train(self) -> None:
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            self._state.step = self.trainer.global_step
            self._save(None, False)
            print(f"\ninterrupted at step {self._state.step}; go on with --resume", file=sys.stderr)

    def _save(self, thresholds: list[float] | None, best: bool) -> None:
        session = tf1.get_default_session()
        checkpoint.save(self._logdir, session, self._saver, self._state, thresholds, best)
