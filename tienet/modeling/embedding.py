"""The features that the classifier takes: AETE (eq. 3), SW-GAP (eq. 4, 5), and the pooling of mode `classify`.

AETE: attention-encoded text embedding. SW-GAP: saliency-weighted global average pooling.

Axes: B batch, T words, D grid side, C channels, H LSTM units, r attention rows, s attention hidden units.
"""

import tensorflow as tf

from tienet.modeling.layers import fully_connected

tf1 = tf.compat.v1

_PADDED = -1e30  # a score that the softmax turns into exactly 0 and that has the gradient 0


def text_attention(h: tf.Tensor, mask: tf.Tensor, rows: int, hidden: int) -> tf.Tensor:
    """Eq. 3: G = softmax(W_s2 tanh(W_s1 h)), the softmax over the real words.

    Args:
        h: float32 [B, T, H], LSTM states.
        mask: bool [B, T], True for real words; each report has at least one.
        rows: r.
        hidden: s.
    Returns:
        G float32 [B, r, T]; each row sums to 1 over the real words and is 0 on padding.
    """
    with tf1.variable_scope("text_attention"):
        hidden_units = tf.tanh(fully_connected("W_s1", h, hidden, use_bias=False))
        scores = tf.transpose(fully_connected("W_s2", hidden_units, rows, use_bias=False), [0, 2, 1])
    return tf.nn.softmax(tf.where(mask[:, None], scores, _PADDED))


def aete(G: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
    """M = G h; x_aete = max over the r rows of M: G [B, r, T], h [B, T, H] -> float32 [B, H]."""
    return tf.reduce_max(tf.matmul(G, h), axis=1)


def saliency_attention(G: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
    """Eq. 4: g_t = max over r of G[:, t]; a_ws = sum_t g_t a_t.

    Args:
        G: float32 [B, r, T]. a: float32 [B, T, D, D], each step sums to 1.
    Returns:
        a_ws float32 [B, D, D]; sums to sum_t g_t, between 1 and r.
    """
    return tf.einsum("bt,btyx->byx", tf.reduce_max(G, axis=1), a)


def spread(a_ws: tf.Tensor, uniform_share: float) -> tf.Tensor:
    """(1 - s) a_ws + s (mean of a_ws over the locations), for a share s in 0 to 1; the sum stays. The paper has s = 0.

    With s = 1 `sw_gap` of it is the mean of x over the locations, times the sum of a_ws.
    """
    if not uniform_share:
        return a_ws
    return (1 - uniform_share) * a_ws + uniform_share * tf.reduce_mean(a_ws, [1, 2], keepdims=True)


def sw_gap(a_ws: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Eq. 5: x_swgap = sum over the locations of a_ws x: [B, D, D], [B, D, D, C] -> float32 [B, C]."""
    return tf.einsum("byx,byxc->bc", a_ws, x)


def pool(x: tf.Tensor, how: str, r: float) -> tf.Tensor:
    """The global pooling of mode `classify` (Wang et al. 2017): x [B, D, D, C] -> float32 [B, C].

    Args:
        how: "mean", "max", or "lse", which is x* + 1/r ln(mean over the locations of exp(r (x - x*))), where x* is the
            channel's maximum.
        r: The r of "lse", which becomes the mean as r goes to 0 and the maximum as r goes to infinity.
    """
    if how == "mean":
        return tf.reduce_mean(x, [1, 2])
    largest = tf.reduce_max(x, [1, 2], keepdims=True)
    if how == "max":
        return largest[:, 0, 0]
    return largest[:, 0, 0] + tf.math.log(tf.reduce_mean(tf.exp(r * (x - largest)), [1, 2])) / r
