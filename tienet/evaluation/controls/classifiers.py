"""Controls by AUC: plain scikit-learn models on the studies that the network uses. A useful network must beat them.

Axes: N training studies, V validation studies, M evaluated studies, K = 15 labels. Each label has a logistic
regression of its own, trained on the training studies whose label is known. The strength 1/C of the L2 penalty is the
same for all labels; it is the one with the best mean AUC over the findings on the validation studies. The evaluated
studies have no part in that choice.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import auc
from tienet.labels import FINDINGS, LABELS, K
from tienet.progress import Progress

# The values of C that are tried. The first is used where there are no validation studies to choose by.
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
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logistic regression on the TF-IDF of a report's 1-, 2- and 3-grams, counted over the training reports.

    Args:
        train_reports, val_reports, test_reports: N, V and M reports. Without `val_reports`, C is the first of TFIDF_C.
        train_labels, val_labels: float [N, K] and [V, K]; 1, 0 or NaN (unknown).
    Returns:
        The log-odds float32 [M, K] and [V, K] (None without `val_reports`); NaN in the column of a label that has one
        class only in training.
    Raises:
        InputError: No training report has a word.
    """
    # The n-grams are made here: scikit-learn would split the text into other words.
    vectorizer = TfidfVectorizer(analyzer=_ngrams, sublinear_tf=True)
    try:
        train = vectorizer.fit_transform(train_reports)
    except ValueError:
        raise InputError(f"none of the {len(train_reports)} training reports has a word; no TF-IDF control") from None
    val = None if val_reports is None else vectorizer.transform(val_reports)
    test = vectorizer.transform(test_reports)
    # liblinear is the fastest solver on sparse columns.
    model = LogisticRegression(solver="liblinear", random_state=0, max_iter=1000)
    return _score_by_label(model, TFIDF_C, train, train_labels, test, val, val_labels, "TF-IDF control")


def pooled_logistic(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    *,
    val_features: np.ndarray | None = None,
    val_labels: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logistic regression on backbone features pooled over the image, standardised by the training studies.

    Args:
        train_features, val_features, test_features: float [N, 2C], [V, 2C], [M, 2C]: mean and maximum over the grid.
            Without `val_features`, C is the first of POOLED_C.
        train_labels, val_labels: float [N, K] and [V, K]; 1, 0 or NaN (unknown).
    Returns:
        The log-odds float32 [M, K] and [V, K] (None without `val_features`); NaN in the column of a label that has one
        class only in training.
    """
    scaler = StandardScaler()
    train = scaler.fit_transform(np.asarray(train_features, np.float32))
    val = None if val_features is None else scaler.transform(np.asarray(val_features, np.float32))
    test = scaler.transform(np.asarray(test_features, np.float32))
    model = LogisticRegression(solver="lbfgs", max_iter=1000)
    return _score_by_label(model, POOLED_C, train, train_labels, test, val, val_labels, "image control")


def _ngrams(report: str) -> list[str]:
    """The 1-, 2- and 3-grams of the report's words."""
    words = tokenize(report)
    return [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]


def _score_by_label(
    model: LogisticRegression,
    grid: Sequence[float],
    train: _Features,
    train_labels: np.ndarray,
    test: _Features,
    val: _Features | None,
    val_labels: np.ndarray | None,
    title: str,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Train a model per label for each C; returns the test and validation scores by the C that validates best."""
    if len(train_labels) != train.shape[0]:
        raise ValueError(f"{train.shape[0]} training studies and {len(train_labels)} rows of labels")
    scores, val_scores, best = np.full((test.shape[0], K), np.nan, np.float32), None, -1.0
    grid = grid if val is not None else grid[:1]
    # One thread: the products are small, and threads that wait for each other take fifteen times as long.
    with threadpool_limits(1), Progress(len(grid) * K, title, "models") as bar:
        for C in grid:
            models = []
            for label in range(K):
                models.append(_fit(model.set_params(C=C), train, train_labels[:, label]))
                bar.update()
            of_val = None if val is None else _decision_scores(models, val)
            val_auc = 0.0 if of_val is None else _mean_auc(of_val, val_labels)
            if val_auc > best:
                scores, val_scores, best = _decision_scores(models, test), of_val, val_auc
    return scores, val_scores


def _fit(model: LogisticRegression, features: _Features, labels: np.ndarray) -> LogisticRegression | None:
    """Fit a copy of `model` to the known labels; returns None where these have one class only."""
    known = ~np.isnan(labels)
    if len(np.unique(labels[known])) < 2:
        return None
    return clone(model).fit(features[known], labels[known])


def _decision_scores(models: Sequence[LogisticRegression | None], features: _Features) -> np.ndarray:
    scores = np.full((features.shape[0], K), np.nan, np.float32)
    for label, model in enumerate(models):
        if model is not None:
            scores[:, label] = model.decision_function(features)
    return scores


def _mean_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """The mean AUC over the findings that have both classes; 0 where none has."""
    columns = [LABELS.index(finding) for finding in FINDINGS]
    aucs = [value for column in columns if (value := auc(scores[:, column], labels[:, column])) is not None]
    return float(np.mean(aucs)) if aucs else 0.0
