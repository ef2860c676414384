"""Controls: plain scikit-learn models on the split of the network. What does not beat them has learnt little.

Axes: N training studies, V validation studies, M judged studies, K = 15 labels. Each label has a logistic regression
of its own, trained on the training studies that know the label. The strength of its L2 penalty (1/C, one for all
labels) is the one with the best mean AUC over the findings on the validation studies; the judged ones are never seen.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import auc
from tienet.labels import FINDINGS, LABELS, K

# The first C of each is the one that is used where the validation studies cannot decide.
TFIDF_C = (10.0, 1.0, 100.0)
POOLED_C = (0.001, 0.0001, 0.01)

_Features = np.ndarray | scipy.sparse.csr_matrix


def tfidf_logistic(
    train_reports: Sequence[str],
    train_labels: np.ndarray,
    test_reports: Sequence[str],
    *,
    val_reports: Sequence[str] | None = None,
    val_labels: np.ndarray | None = None,
) -> np.ndarray:
    """Logistic regression on the TF-IDF of a report's 1-, 2- and 3-grams, counted over the training reports.

    Args:
        train_labels, val_labels: float [N, K] and [V, K]; 1, 0 or NaN (unknown).
        val_reports: None: C is the first of TFIDF_C.
    Returns:
        float32 [M, K]: log-odds; NaN in a label's column where training has one class only.
    Raises:
        InputError: no training report has a word.
    """
    # our own words, so scikit-learn shall not cut the text again
    vectorizer = TfidfVectorizer(analyzer=_ngrams, sublinear_tf=True)
    try:
        train = vectorizer.fit_transform(train_reports)
    except ValueError:
        raise InputError(f"none of the {len(train_reports)} training reports has a word; no TF-IDF control") from None
    val = None if val_reports is None else vectorizer.transform(val_reports)
    test = vectorizer.transform(test_reports)
    # liblinear is the fast one on sparse columns
    model = LogisticRegression(solver="liblinear", random_state=0, max_iter=1000)
    return _one_model_per_label(model, TFIDF_C, train, train_labels, test, val, val_labels, "TF-IDF control")


def pooled_logistic(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    *,
    val_features: np.ndarray | None = None,
    val_labels: np.ndarray | None = None,
) -> np.ndarray:
    """Logistic regression on backbone features pooled over the image, standardised by the training studies.

    Args:
        train_features, val_features, test_features: float [N, 2C], [V, 2C], [M, 2C]: mean and max over the grid.
            val_features None: C is the first of POOLED_C.
        train_labels, val_labels: float [N, K] and [V, K]; 1, 0 or NaN (unknown).
    Returns:
        float32 [M, K]: log-odds; NaN in a label's column where training has one class only.
    """
    scaler = StandardScaler()
    train = scaler.fit_transform(np.asarray(train_features, np.float32))
    val = None if val_features is None else scaler.transform(np.asarray(val_features, np.float32))
    test = scaler.transform(np.asarray(test_features, np.float32))
    model = LogisticRegression(solver="lbfgs", max_iter=1000)
    return _one_model_per_label(model, POOLED_C, train, train_labels, test, val, val_labels, "image control")


def _ngrams(report: str) -> list[str]:
    """The 1-, 2- and 3-grams of the report's words."""
    words = tokenize(report)
    return [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]


def _one_model_per_label(
    model: LogisticRegression,
    grid: Sequence[float],
    train: _Features,
    train_labels: np.ndarray,
    test: _Features,
    val: _Features | None,
    val_labels: np.ndarray | None,
    title: str,
) -> np.ndarray:
    """Scores of the judged studies by the models whose C is best on the validation studies."""
    if len(train_labels) != train.shape[0]:
        raise ValueError(f"{train.shape[0]} training studies and {len(train_labels)} rows of labels")
    scores, best = np.full((test.shape[0], K), np.nan, np.float32), -1.0
    grid = grid if val is not None else grid[:1]
    # one thread: the products are small, and threads that wait for each other cost fifteen times as much
    with threadpool_limits(1), tqdm(total=len(grid) * K, desc=title, unit=" models") as bar:
        for C in grid:
            models = []
            for label in range(K):
                models.append(_fit(model.set_params(C=C), train, train_labels[:, label]))
                bar.update()
            reached = 0.0 if val is None else _mean_auc(_scores(models, val), val_labels)
            if reached > best:
                scores, best = _scores(models, test), reached
    return scores


def _fit(model: LogisticRegression, features: _Features, labels: np.ndarray) -> LogisticRegression | None:
    """A fitted copy of `model`, or None where the known labels are of one class."""
    known = ~np.isnan(labels)
    if len(np.unique(labels[known])) < 2:
        return None
    return clone(model).fit(features[known], labels[known])


def _scores(models: Sequence[LogisticRegression | None], features: _Features) -> np.ndarray:
    scores = np.full((features.shape[0], K), np.nan, np.float32)
    for label, model in enumerate(models):
        if model is not None:
            scores[:, label] = model.decision_function(features)
    return scores


def _mean_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the findings that have both classes; 0 where none has."""
    columns = [LABELS.index(finding) for finding in FINDINGS]
    aucs = [value for column in columns if (value := auc(scores[:, column], labels[:, column])) is not None]
    return float(np.mean(aucs)) if aucs else 0.0
