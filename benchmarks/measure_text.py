"""Cases: the AUC intervals of an evaluation, and the vocabulary's word vectors."""

import collections
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import operations
from benchmarks.measuring import Measured, peak_memory
from tienet.labels import LABELS

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = 1e-3  # gensim's default: words that are more frequent than this share of all words are read less often
REPORTS, REPORT_WORDS = 1000, 40


def evaluation(studies: int = 25_596, patients: int = 2_797, resamples: int = 1000) -> Measured:
    """`evaluate_auc` on random scores of 15 labels, by default for the studies of ChestX-ray14's test split."""
    from tienet.evaluation.metrics.auroc import evaluate_auc

    rng = np.random.default_rng(0)
    share = rng.exponential(size=patients)
    of_each = 1 + rng.multinomial(studies - patients, share / share.sum())
    patient_ids = [f"p{patient}" for patient in np.repeat(np.arange(patients), of_each)]
    labels = (rng.random((studies, len(LABELS))) < np.geomspace(0.003, 0.4, len(LABELS))).astype(np.float32)
    scores = (labels + rng.normal(size=labels.shape)).astype(np.float32)
    start = time.perf_counter()
    evaluate_auc(scores, labels, patient_ids, resamples=resamples)
    seconds = time.perf_counter() - start
    positives = labels.sum(axis=0).astype(int)
    needed = operations.bootstrap(resamples, patients, studies, (studies - positives).tolist(), positives.tolist())
    return Measured(seconds, peak_memory(), needed, more={"whole_numbers": True})


def vocabulary(corpus: str, dim: int = 200, epochs: int = 5) -> Measured:
    """`build_vocab.sh` on a text, one abstract a line; the beginnings of its first lines are the training reports."""
    import pandas as pd

    from tienet.data import manifest, word_vectors

    path = Path(corpus).absolute()
    lines = [line.split() for line, _ in zip(word_vectors.read_lines(path), range(REPORTS), strict=False)]
    reports = [" ".join(words[:REPORT_WORDS]) for words in lines if words]
    with tempfile.TemporaryDirectory() as temporary:
        rows = pd.DataFrame({"report": reports, "image": "", "split": "train"} | dict.fromkeys(LABELS, np.nan))
        rows["study_id"] = rows["patient_id"] = [f"s{n}" for n in range(len(rows))]
        manifest.write(Path(temporary) / "made-up" / "manifest.csv", rows)
        command = ["bash", str(ROOT / "data_prep/build_vocab.sh"), "--data-root", temporary, "--data", "made-up"]
        command += ["--corpus", str(path), "--dim", str(dim), "--epochs", str(epochs)]
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=os.environ | {"PYTHON": sys.executable}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        error = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(error.strip().splitlines()[-1])
    running, kept = _running_words(path, reports)
    needed = operations.skip_gram(epochs * kept, dim)
    return Measured(seconds, usage.ru_maxrss * 1024, needed, more={"running_words": running})


def _running_words(path: Path, reports: list[str]) -> tuple[int, float]:
    """How many words of the text and the reports occur at least twice, and how many of these an epoch keeps.

    word2vec keeps a word that occurs v times among N with the probability sqrt(t / v) + t / v, where t = SAMPLE N.
    """
    from tienet.data.text import tokenize
    from tienet.data.word_vectors import read_lines

    counts: collections.Counter[str] = collections.Counter()
    for lines in (read_lines(path), reports):
        for line in lines:
            counts.update(tokenize(line))
    seen = np.array([count for count in counts.values() if count >= 2], np.float64)
    t = SAMPLE * seen.sum()
    return int(seen.sum()), float((seen * np.minimum(1, np.sqrt(t / seen) + t / seen)).sum())
