"""Made-up evaluations of folds, written by the code that writes real ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tienet import files
from tienet.evaluation import judged as judgements
from tienet.evaluation.judged import Judged, set_of_studies
from tienet.labels import LABELS, K, name_labels
from tienet.modes import MODES

RUNS = {"annotate-text-0": "annotate-text", "annotate-0": "annotate", "classify": "classify",
        "classify-lse": "classify", "report": "report", "caption": "caption"}  # fmt: skip
"""The mode of each run, by the name of its folder; its skill falls in this order."""

WORDS = ("heart", "lungs", "clear", "effusion", "mass", "no", "small", ".")
FOLDS = 3


class MadeUp:
    """A data set of N studies of N / 2 patients, and the evaluations of its folds in `root`.

    Each fold's run has scores on a scale of its own. The studies with number 3, 13 ... have no true report.
    """

    def __init__(self, root: Path, N: int = 90) -> None:
        self.root = root
        random = np.random.default_rng(0)
        self.patient_ids = [f"p{n // 2}" for n in range(N)]
        self.study_ids = [f"s{n}" for n in range(N)]
        self.fold_of = (np.arange(N) // 2) % FOLDS
        self.labels = (random.random((N, K)) < 0.3).astype(np.float32)
        self.labels[:, LABELS.index("Hernia")] = 0
        self.labels[random.random((N, K)) < 0.05] = np.nan
        self.reports = ["" if n % 10 == 3 else _sentence(random) for n in range(N)]

    def folder(self, fold: int) -> Path:
        return self.root / f"openi-fold-{fold + 1}"

    def write(self, runs: Sequence[str] = tuple(RUNS), folds: Sequence[int] = range(FOLDS), labeller: bool = True):
        """Write the evaluations of some folds; returns their folders."""
        for fold in folds:
            for name in runs:
                self.write_run(fold, name, labeller)
        return [self.folder(fold) for fold in folds]

    def write_run(self, fold: int, name: str, labeller: bool = True) -> Path:
        rows = np.flatnonzero(self.fold_of == fold)
        mode, data = MODES[RUNS[name]], self.folder(fold).name
        folder = self.folder(fold) / data / name
        folder.mkdir(parents=True, exist_ok=True)
        metrics = {
            "mode": mode.name,
            "column": "I, mean pooling" if name == "classify" else mode.paper_name,
            "data": data,
            "split": "test",
            "all_studies": set_of_studies(self.study_ids, self.patient_ids),
            "seen": {"train": 0, "val": 0},
            "differs": [f"trained on {data}, the paper's on chestxray14", "penalty is 0.01, the paper's 1.0"],
        }
        files.write_json(folder / "metrics.json", metrics)
        place = list(RUNS).index(name)
        controls = {"tfidf_logistic": self.judged(rows, 90 + fold, 1.5, classifies=True)} if mode.classifies else {}
        if mode.classifies and mode.image:
            controls["pooled_logistic"] = self.judged(rows, 80 + fold, 0.5, classifies=True)
        if mode.writes:
            controls["nearest_report"] = self.judged(rows, 70 + fold, 0, writes=True, labeller=labeller)
        parts = {"classifies": mode.classifies, "writes": mode.writes, "labeller": labeller}
        judgements.write(folder, self.judged(rows, 10 * place + fold, 2 - 0.3 * place, **parts), controls)
        return folder

    def judged(
        self, rows: np.ndarray, seed: int, skill: float, classifies=False, writes=False, labeller=True
    ) -> Judged:
        """What a run with this skill says of the studies in `rows`; each fold's seed gives its own scale and offset."""
        random = np.random.default_rng(seed)
        labels, said = self.labels[rows], {}
        if classifies:
            logits = random.normal(size=labels.shape) + skill * np.nan_to_num(labels)
            said["logits"] = np.round(logits * (1 + seed % 10) + 20 * (seed % 10), 1).astype(np.float32)
            thresholds = np.quantile(said["logits"], 0.7, axis=0)
            thresholds[2] = np.nan
            said["named"] = name_labels(said["logits"], thresholds)
        if writes:
            said["reports"] = [self.reports[n] for n in rows]
            said["written"] = [_sentence(random) for _ in rows]
        if writes and labeller:
            there = np.array([bool(report) for report in said["reports"]])[:, None]
            for name in ("read_labels", "written_labels"):
                guessed = (random.random(labels.shape) < 0.3).astype(np.float32)
                said[name] = np.where(there, guessed, np.nan).astype(np.float32)
        return Judged([self.study_ids[n] for n in rows], [self.patient_ids[n] for n in rows], labels, **said)


def _sentence(random: np.random.Generator) -> str:
    return " ".join(random.choice(WORDS, size=random.integers(3, 9)))
