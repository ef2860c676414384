"""Validation after each epoch: the scores, which checkpoint is the best, and when to stop early."""

import sys
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from tienet.checkpoint.earlier_run import LAST_EPOCH
from tienet.checkpoint.entries import TrainingState
from tienet.checkpoint.thresholds import choose
from tienet.checkpoint.validation_record import ValidationRecord
from tienet.checkpoint.writing import Writing
from tienet.config import Config
from tienet.data import leaks
from tienet.data.dataflow import Studies
from tienet.data.text import Vocab
from tienet.evaluation.metrics.auroc import MEANS, evaluate_auc
from tienet.inference.predictor import Rows, padded_batch, predict_all, written_reports
from tienet.interruption import Interruption
from tienet.modeling import outputs
from tienet.modeling.model import ONLY_IN_TRAINING
from tienet.pages.plain_text import counted
from tienet.progress import Progress
from tienet.training.choice import Choice, describe_writing, written_words
from tienet.training.logs import ScalarLog
from tienet.training.memory import FOR_VALIDATION, told
from tienet.training.saving import Saving

tf1 = tf.compat.v1

MAX_SAMPLE_REPORTS = 3
"""How many reports of the validation split are logged after each epoch at most."""


def measure(rows: Rows, studies: Studies, vocab: Vocab) -> tuple[dict[str, float | None], list[str], Writing | None]:
    """The scores of the validation split.

    Returns:
        The scores by name, None where a score is undefined; the written reports (none in modes that do not write); and
        what these are like (None there).
        avg, wavg and avg10 are mean AUCs as in `tienet.evaluation.metrics.auroc`; read_avg is the mean AUC of mode
        `report` when it is given the true reports. bleu4 and cider are BLEU-4 and CIDEr, ended the share of the written
        reports that came to their end, words_mean their mean number of words, distinct_reports the number of different
        ones over the number of studies, and L_R the loss of the true reports per word. a_entropy and G_entropy are
        means over the studies, where 1 means uniform attention.
    """
    scores: dict[str, float | None] = {}
    patients = studies.manifest.patient_ids
    for name, prefix in ((outputs.PROBABILITIES, ""), (outputs.READ_PROBABILITIES, "read_")):
        if name in rows:
            means = evaluate_auc(np.stack(rows[name]), studies.labels, patients, resamples=0)
            scores |= {f"{prefix}{mean}": means[mean] for mean in (MEANS if not prefix else MEANS[:1])}
    for name in (outputs.A_ENTROPY, outputs.G_ENTROPY):
        if name in rows:
            scores[name] = float(np.mean(rows[name]))
    if outputs.WORD_IDS not in rows:
        return scores, [], None
    reports = written_reports(rows, vocab)
    with_report = [n for n, true in enumerate(studies.manifest.reports) if true.strip()]
    writing = describe_writing(studies.manifest.reports, reports, written_words(rows), studies.config.written_words)
    scores |= {name: getattr(writing, name) for name in ("bleu4", "cider", "ended", "words_mean")}
    scores["distinct_reports"] = writing.distinct / writing.studies
    scores["L_R"] = float(np.mean([rows[outputs.L_R][n] for n in with_report])) if with_report else None
    return scores, reports, writing


def choose_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> list[float]:
    """The thresholds with the largest F1 as a checkpoint's entry has them, which give the same float32 when read back.

    They are not rounded to a number of decimals: a threshold of 3e-7 would become 0, and every study would be named.

    Args:
        probabilities: float32 [N, K].
        labels: [N, K], 1, 0 or NaN (unknown).
    Returns:
        K numbers, each the shortest decimals of its float32.
    """
    return [float(str(threshold)) for threshold in choose(probabilities, labels).values]


class Validation(Saving):
    """After each epoch: logs the scores of `measure`, and saves the latest checkpoint and the best one.

    The best checkpoint is the one with the largest score of `tienet.training.choice`; where the split cannot rank the
    epochs (`tienet.training.ranking`), it is the one after the last epoch, and nothing stops early. In modes that
    classify it has a record of its logits, and thresholds where an AUC is defined.

    Args:
        logdir: The run's folder.
        config: The settings; used for the mode, the batch and the patience.
        studies: The validation split.
        vocab: The run's vocabulary.
        state: How far the run has come; updated here.
        interruption: What may interrupt the run.
        choice: The score of an epoch.
        json_log: Where the sample reports are logged, beside TensorBoard.
    """

    def __init__(
        self,
        logdir: Path,
        config: Config,
        studies: Studies,
        vocab: Vocab,
        state: TrainingState,
        interruption: Interruption,
        choice: Choice,
        json_log: ScalarLog | None = None,
    ):
        super().__init__(logdir, state, interruption, json_log)
        self._config, self._studies, self._vocab, self._choice = config, studies, vocab, choice

    def should_stop(self) -> bool:
        """Whether the best epoch is `patience` epochs ago; never where `patience` is 0 or no epoch is the best."""
        patience = self._config.patience if self._ranks else 0
        return bool(patience) and self._state.epochs_since_best >= patience

    @property
    def _ranks(self) -> bool:
        return self._state.chosen_by != LAST_EPOCH

    def _setup_graph(self) -> None:
        inputs = [spec.name for spec in self.trainer.input_signature if spec.name not in ONLY_IN_TRAINING]
        self._names = outputs.validation_outputs(self._config.mode_parts)
        self._predict = self.trainer.get_predictor(inputs, self._names)
        super()._setup_graph()

    def _trigger_epoch(self) -> None:
        state, config = self._state, self._config
        what = f"epoch {self.epoch_num}/{config.epochs}: validation"
        progress = Progress(len(self._studies), what, "studies", keep=False)
        batch = padded_batch(config.batch, len(self._studies))
        with told("in validation", batch, FOR_VALIDATION):
            rows = predict_all(self._studies, batch, self._predict_batch, progress)
        scores, reports, writing = measure(rows, self._studies, self._vocab)
        score = self._choice.score(scores.get("avg"), writing)
        thresholds = record = None
        if config.mode_parts.classifies:
            if scores["avg"] is not None:
                thresholds = choose_thresholds(np.stack(rows[outputs.PROBABILITIES]), self._studies.labels)
            record = ValidationRecord(np.stack(rows[outputs.LOGITS]), self._studies.labels, self._fingerprints)
        with self._interruption.deferred():  # an epoch is recorded and saved, or neither
            self._log_scores(scores | {"score": score} if reports else scores, reports)
            self._write_log()
            kept = self._record_epoch(score)
            self._save(thresholds, kept, writing, record)
            self._log_line(scores, writing, score, kept)
        self.trainer.exchange_status(busy=False)
        if self.should_stop():
            print(f"stopped: no better {state.chosen_by} for {config.patience} epochs", file=sys.stderr)

    def _record_epoch(self, score: float | None) -> bool:
        """Record the end of this epoch; returns whether its checkpoint is kept as the best."""
        if self._ranks:
            return self._state.record_epoch(self.global_step, self.epoch_num, score)
        last = self.epoch_num == self._config.epochs
        self._state.record_unranked(self.global_step, self.epoch_num, last)
        return last

    def _predict_batch(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        self.trainer.exchange_status(busy=True)
        return dict(zip(self._names, self._predict(*arrays), strict=True))

    def _log_scores(self, scores: dict[str, float | None], reports: list[str]) -> None:
        for name, value in scores.items():
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
            for n in np.linspace(0, len(reports) - 1, min(MAX_SAMPLE_REPORTS, len(reports))).astype(int)
        ]
        if self._json_log is not None:
            self._json_log.process_scalar("val_sample_reports", samples)
        texts = [f"**{s['study_id']}** written: {s['written']}\n\ntrue: {s['true']}" for s in samples]
        self.trainer.monitors.put_summary(_text_summary("val_sample_reports", texts))

    def _log_line(
        self, scores: dict[str, float | None], writing: Writing | None, score: float | None, kept: bool
    ) -> None:
        """Print one line; it shows at once a run that writes one report for all images, or reports without an end."""
        parts = []
        if self._config.mode_parts.classifies:
            parts.append("AUC undefined" if scores["avg"] is None else f"AUC {scores['avg']:.4f}")
        if writing is not None:
            metrics = (("BLEU-4", writing.bleu4), ("CIDEr", writing.cider))
            parts += [f"{name} undefined" if value is None else f"{name} {value:.4f}" for name, value in metrics]
            parts.append(f"{counted(writing.distinct, 'distinct report')} of {writing.studies:,}")
            parts.append(f"{writing.words_mean:.0f} words")
            parts += [f"{writing.cut} without an end"] * bool(writing.cut)
            parts.append("score undefined" if score is None else f"score {score:.4f}")
            parts[-1] += " (not fit to be shown)" * (score is not None and score < 0)
        mark = ("  best so far" if self._ranks else "  the last; kept") * kept
        epoch = f"epoch {self.epoch_num}/{self._config.epochs}"
        print(f"{epoch}: validation {', '.join(parts)}{mark}", file=sys.stderr, flush=True)

    @cached_property
    def _fingerprints(self) -> list[leaks.Fingerprint]:
        return leaks.fingerprints(self._studies.manifest)


def _text_summary(tag: str, texts: list[str]) -> tf1.Summary:
    """A summary of texts for the text tab of TensorBoard."""
    metadata = tf1.SummaryMetadata(plugin_data=tf1.SummaryMetadata.PluginData(plugin_name="text"))
    tensor = tf1.make_tensor_proto([text.encode() for text in texts], tf.string)
    return tf1.Summary(value=[tf1.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])
