"""The losses of section 3.4 and the weights that they take from the training set."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tienet.labels import FINDINGS, LABELS, NO_FINDING, K


@dataclass(frozen=True)
class LabelWeights:
    """beta and lambda of eq. 6.

    Attributes:
        beta_P: |N| / (|P| + |N|), the weight of positive labels.
        beta_N: |P| / (|P| + |N|), the weight of negative labels.
        lambda_m: (Q - Q_m) / Q of each label, float32 [K].
        note: Why the weights are equal though they were to come from the labels; None if they do.
    """

    beta_P: float
    beta_N: float
    lambda_m: np.ndarray
    note: str | None = None

    @classmethod
    def from_labels(cls, labels: np.ndarray) -> "LabelWeights":
        """The weights of the training labels y, [Q, K] of 1, 0 and NaN (unknown).

        Only what is known counts, so that unlabelled studies do not pass for healthy ones:

            P = {q: y_qm = 1 for a finding m}
            N = {q not in P: y_qm = 1 for No_Finding, or y_qm = 0 for all 14 findings}
            beta_P = |N| / (|P| + |N|),  beta_N = |P| / (|P| + |N|)
            Q = the number of studies whose label m is known,  Q_m = that of those with y_qm = 1
            lambda_m = (Q - Q_m) / Q;  1 if no label m is known

        A study in neither P nor N has labels that leave open whether it has a finding: none at all, or some findings
        known to be 0, others unknown, and No_Finding not 1. It does not count in beta; its known labels count in
        lambda and in the loss. Where P or N is empty one beta would be 0, and with it the weight of every positive
        or every negative label. All weights are then 1, as `equal` gives them, and `note` says so.
        """
        diseased, healthy = _states(labels)
        P, N = int(diseased.sum()), int(healthy.sum())
        if not (P and N):
            what = f"all {P + N:,} training studies whose state is known have {'a finding' if P else 'none'}"
            return cls.equal(f"{what}, so that a beta of eq. 6 would be 0; all weights of the labels are 1")
        known = np.maximum((~np.isnan(labels)).sum(axis=0), 1)
        share = np.nansum(labels, axis=0) / known
        return cls(beta_P=N / (P + N), beta_N=P / (P + N), lambda_m=(1 - share).astype(np.float32))

    @classmethod
    def equal(cls, note: str | None = None) -> "LabelWeights":
        """Weights of 1, which make eq. 6 the plain cross-entropy."""
        return cls(beta_P=1.0, beta_N=1.0, lambda_m=np.ones(K, np.float32), note=note)


@dataclass(frozen=True)
class ReportWeights:
    """What L_R of a report counts, by whether its study has a finding; both are 1 in the paper.

    Most studies have no finding, and their reports are alike: the likeliest report of any image then is one of those,
    and it names nothing.

    Attributes:
        diseased: The weight of a study with y_m = 1 for a finding m.
        healthy: The weight of a study whose findings are all known to be absent. All other studies have 1.
        mean_words: The mean number of words of the training reports, <END> counted, where a report counts by how many
            it has; None where all reports count the same. The word that ends a short report then has the weight of any
            other word, and what is written is longer.
    """

    diseased: float = 1.0
    healthy: float = 1.0
    mean_words: float | None = None

    @classmethod
    def from_labels(
        cls, labels: np.ndarray, finding_share: float | None, mean_words: float | None = None
    ) -> "ReportWeights":
        """The weights with which the studies with a finding have the share `finding_share` of L_R.

        With P and N as in `LabelWeights.from_labels`:

            diseased = finding_share (|P| + |N|) / |P|,  healthy = (1 - finding_share) (|P| + |N|) / |N|

        so that their mean is 1. Both are 1 where `finding_share` is None, and where P or N is empty.

        Args:
            labels: The training labels, [Q, K] of 1, 0 and NaN (unknown).
            finding_share: A share, or None.
            mean_words: As the attribute.
        """
        diseased, healthy = _states(labels)
        P, N = int(diseased.sum()), int(healthy.sum())
        if finding_share is None or not (P and N):
            return cls(mean_words=mean_words)
        return cls(finding_share * (P + N) / P, (1 - finding_share) * (P + N) / N, mean_words)

    def of(self, labels: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """The weight of each study, float32 [B].

        Args:
            labels: float32 [B, K] of 1, 0 and NaN.
            counts: float32 [B], the words of each report, <END> counted.
        """
        findings, no_finding = labels[:, : len(FINDINGS)], labels[:, LABELS.index(NO_FINDING)]
        diseased = tf.reduce_any(tf.equal(findings, 1), 1)
        healthy = ~diseased & (tf.equal(no_finding, 1) | tf.reduce_all(tf.equal(findings, 0), 1))
        weights = tf.where(diseased, self.diseased, tf.where(healthy, self.healthy, 1.0))
        return weights if self.mean_words is None else weights * counts / self.mean_words


def _states(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which studies are in P and which in N (`LabelWeights.from_labels`): bool [Q] each, from labels [Q, K]."""
    findings = labels[:, : len(FINDINGS)]
    diseased = (findings == 1).any(axis=1)
    return diseased, ~diseased & ((labels[:, LABELS.index(NO_FINDING)] == 1) | (findings == 0).all(axis=1))


def classification_loss(logits: tf.Tensor, labels: tf.Tensor, weights: LabelWeights) -> tf.Tensor:
    """Eq. 6: L_C = mean over the batch of sum_m lambda_m (beta_P [y=1] -ln f + beta_N [y=0] -ln(1 - f)).

    Args:
        logits: float32 [B, K], f = sigmoid(logits).
        labels: float32 [B, K], 1, 0 or NaN; a NaN label is unknown and adds nothing.
    Returns:
        A scalar.
    """
    known = tf.math.is_finite(labels)
    y = tf.where(known, labels, 0.0)
    beta = y * weights.beta_P + (1 - y) * weights.beta_N
    terms = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits) * beta * weights.lambda_m
    return tf.reduce_mean(tf.reduce_sum(tf.where(known, terms, 0.0), axis=1))


def attention_penalty(G: tf.Tensor) -> tf.Tensor:
    """Lin et al. (2017): batch mean of ||G G^T - I||_F^2, for G [B, r, T]; a scalar."""
    difference = tf.matmul(G, G, transpose_b=True) - tf.eye(G.shape[1])
    return tf.reduce_mean(tf.reduce_sum(difference**2, axis=[1, 2]))


def report_loss(
    logits: tf.Tensor, targets: tf.Tensor, rows: tf.Tensor, counts: tf.Tensor, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """L_R of each report without Xu's term: the mean of -weight ln p(w) over its words, <END> among them.

    Args:
        logits: float32 [N, V], the logits of the N words of all reports, packed.
        targets: int32 [N], the words that should follow.
        rows: int64 [N], the report of each word, rising.
        counts: float32 [B], how many of the N words each report has.
        weights: float32 [N], what each word counts (`data.sentences.word_weights`); None: 1, as in the paper.
    Returns:
        float32 [B]; 0 for a report without words. Its mean does not change where a batch is split over towers.
    """
    nll = -tf.gather(tf.nn.log_softmax(logits), targets, batch_dims=1)
    nll = nll if weights is None else weights * nll
    return tf.math.divide_no_nan(tf.math.unsorted_segment_sum(nll, rows, tf.size(counts)), counts)


def doubly_stochastic(a: tf.Tensor) -> tf.Tensor:
    """Xu et al. (2015): batch mean of sum over the locations of (1 - sum_t a_t)^2; a [B, T, D, D], 0 on padding."""
    return tf.reduce_mean(tf.reduce_sum((1 - tf.reduce_sum(a, 1)) ** 2, [1, 2]))


def relative_entropy(p: tf.Tensor, outcomes: tf.Tensor | float) -> tf.Tensor:
    """-sum p ln p over the last axis, as a share of the largest possible, ln(outcomes); 1 is uniform.

    Args:
        p: float32 [..., N]; each row sums to 1 or is 0.
        outcomes: How many of N can be above 0; it is broadcast to [...].
    Returns:
        float32 [...]; 1 where there is only one outcome.
    """
    entropy = -tf.reduce_sum(tf.math.xlogy(p, p), -1)
    maximum = tf.math.log(tf.cast(outcomes, tf.float32))
    return tf.where(maximum > 0, tf.math.divide_no_nan(entropy, maximum), tf.ones_like(entropy))
