"""What is measured on the validation split after each epoch, which checkpoint is kept, and when to stop."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.callbacks import Callback, JSONWriter

from tienet.checkpoint import save
from tienet.checkpoint.entries import TrainingState
from tienet.config import Config
from tienet.data.dataflow import Studies
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import MEANS, evaluate_auc
from tienet.evaluation.metrics.captions import bleu4
from tienet.evaluation.metrics.thresholds import youden
from tienet.inference.predictor import Rows, predict_all, written_reports
from tienet.interruption import Interruption
from tienet.modes import Mode

tf1 = tf.compat.v1

SAMPLES = 3


def result_names(mode: Mode) -> list[str]:
    """What `TieNet` is asked for."""
    names = ["probabilities", "G_entropy"] if mode.classifies and mode.reads else ["probabilities"] * mode.classifies
    if mode.image and mode.reads:
        names.append("a_entropy")
    if mode.writes:
        names += ["written/word_ids", "written/word_len", "read/L_R"]
    if mode.writes and mode.classifies:
        names.append("read/probabilities")
    return names


def measure(rows: Rows, studies: Studies, vocab: Vocab) -> tuple[dict[str, float | None], list[str]]:
    """The figures by name, None where undefined, and the written reports (none in modes that do not write).

    avg, wavg, avg10: AUC as in `auroc`. read_avg: the same when mode `report` is given the true reports. bleu4;
    distinct_reports: different reports / studies; L_R: of the true reports, per word. a_entropy, G_entropy: the mean
    over studies, 1 is uniform.
    """
    figures: dict[str, float | None] = {}
    patients = studies.manifest.patient_ids
    for name, prefix in (("probabilities", ""), ("read/probabilities", "read_")):
        if name in rows:
            means = evaluate_auc(np.stack(rows[name]), studies.labels, patients, resamples=0)
            figures |= {f"{prefix}{mean}": means[mean] for mean in (MEANS if not prefix else MEANS[:1])}
    for name in ("a_entropy", "G_entropy"):
        if name in rows:
            figures[name] = float(np.mean(rows[name]))
    if "written/word_ids" not in rows:
        return figures, []
    reports = written_reports(rows, vocab)
    there = [n for n, true in enumerate(studies.manifest.reports) if true.strip()]
    figures["bleu4"] = bleu4([studies.manifest.reports[n] for n in there], [reports[n] for n in there])
    figures["distinct_reports"] = len(set(reports)) / len(reports)
    figures["L_R"] = float(np.mean([rows["read/L_R"][n] for n in there]))
    return figures, reports


class Validation(Callback):
    """Each epoch: the figures of `measure`, the best and the latest checkpoint, and whether it is enough.

    The best is judged by the mean AUC, in mode `caption` by BLEU-4. When the run is interrupted, what it has come to
    is saved too.

    Args:
        logdir: the run's folder. config: patience and batch. studies: the validation split. vocab: the run's words.
        state: how far the run has come; updated here. interruption: by which it may stop.
        json_log: where the sample reports go beside TensorBoard.
    """

    def __init__(
        self,
        logdir: Path,
        config: Config,
        studies: Studies,
        vocab: Vocab,
        state: TrainingState,
        interruption: Interruption,
        json_log: JSONWriter | None = None,
    ):
        self._logdir, self._config, self._studies, self._vocab, self._state = logdir, config, studies, vocab, state
        self._interruption, self._json_log = interruption, json_log

    def enough(self) -> bool:
        """True once no epoch was better for `patience` epochs."""
        return bool(self._config.patience) and self._state.epochs_since_best >= self._config.patience

    def _setup_graph(self) -> None:
        inputs = [spec.name for spec in self.trainer.input_signature if spec.name != "draw"]
        self._names = result_names(self._config.mode_parts)
        self._predict = self.trainer.get_predictor(inputs, self._names)
        self._saver = tf1.train.Saver(tf1.global_variables(), max_to_keep=0, save_relative_paths=True)

    def _trigger_epoch(self) -> None:
        state, config = self._state, self._config
        rows = predict_all(self._studies, config.batch, self._predict_batch)
        figures, reports = measure(rows, self._studies, self._vocab)
        thresholds = None
        if config.mode_parts.classifies:
            found = youden(np.stack(rows["probabilities"]), self._studies.labels)
            thresholds = [round(float(threshold), 6) for threshold in found]
        with self._interruption.deferred():  # an epoch is judged and saved, or neither
            self._log(figures, reports)
            if self._json_log is not None:
                self._json_log._trigger()  # on disk before the checkpoint: a kill in between repeats the epoch
            better = state.record_epoch(self.global_step, self.epoch_num, figures["avg" if thresholds else "bleu4"])
            self._save(thresholds, better)
            self._say(figures, reports, better)
        self.trainer.meet(busy=False)
        if self.enough():
            print(f"stopped: no better {config.mode_parts.chosen_by} for {config.patience} epochs", file=sys.stderr)

    def _predict_batch(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        self.trainer.meet(busy=True)
        return dict(zip(self._names, self._predict(*arrays), strict=True))

    def _log(self, figures: dict[str, float | None], reports: list[str]) -> None:
        for name, value in figures.items():
            if value is not None:
                self.trainer.monitors.put_scalar(f"val_{name}", value)
        if not reports:
            return
        samples = [
            {
                "study_id": self._studies.manifest.study_ids[n],
                "written": reports[n],
                "true": self._studies.manifest.reports[n],
            }
            for n in np.linspace(0, len(reports) - 1, min(SAMPLES, len(reports))).astype(int)
        ]
        if self._json_log is not None:
            self._json_log.process_scalar("val_sample_reports", samples)
        texts = [f"**{s['study_id']}** written: {s['written']}\n\ntrue: {s['true']}" for s in samples]
        self.trainer.monitors.put_summary(_text_summary("val_sample_reports", texts))

    def _say(self, figures: dict[str, float | None], reports: list[str], better: bool) -> None:
        """One line, in which a run that writes one report for every image is seen at once."""
        parts = []
        if self._config.mode_parts.classifies:
            parts.append("AUC undefined" if figures["avg"] is None else f"AUC {figures['avg']:.4f}")
        if reports:
            parts.append(f"BLEU-4 {figures['bleu4']:.4f}, {len(set(reports))} distinct reports of {len(reports)}")
        mark = "  best so far" if better else ""
        epoch = f"epoch {self.epoch_num}/{self._config.epochs}"
        print(f"{epoch}: validation {', '.join(parts)}{mark}", file=sys.stderr, flush=True)

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

    def _save(self, thresholds: list[float] | None, best: bool) -> None:
        session = tf1.get_default_session()
        save.save(self._logdir, session, self._saver, self._state, thresholds, best)


def _text_summary(tag: str, texts: list[str]) -> tf1.Summary:
    """Texts as TensorBoard's text tab shows them."""
    metadata = tf1.SummaryMetadata(plugin_data=tf1.SummaryMetadata.PluginData(plugin_name="text"))
    tensor = tf1.make_tensor_proto([text.encode() for text in texts], tf.string)
    return tf1.Summary(value=[tf1.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])
