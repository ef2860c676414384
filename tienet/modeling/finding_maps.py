"""What each place of an image adds to the logit of each finding.

Axes: B batch, D grid side, C channels, F features of the classifier, K labels.
"""

import tensorflow as tf

tf1 = tf.compat.v1


def finding_maps(x: tf.Tensor, pooled: tf.Tensor, features: tf.Tensor, hidden: int) -> tf.Tensor:
    """The classifier's slope times what each place gives to the pooled activations.

    Where SW-GAP (eq. 5) pools and the classifier is one layer this is a_ws(l) (w_k x(l)), with a_ws as `spread` gives
    it: the sum over the places is what the image adds to the logit, and the rest are the report and the bias. So it is
    in mode `classify` with the pooling "mean", where it is the class activation w_k x(l) / D^2 of Wang et al. (2017),
    and "max". With "lse" and with the biases of hidden units it is that to the first order.

    It is called where the classifier's variables are there already.

    Args:
        x: float32 [B, D, D, C], as only the pooling takes it: the attention must not depend on this tensor, and counts
            as it is.
        pooled: float32 [B, C], pooled from x, each channel for itself.
        features: float32 [B, F], what the classifier takes: `pooled` are the last C of them.
        hidden: The number of its hidden units (ReLU); 0: it is one layer.
    Returns:
        float32 [B, D, D, K].
    """
    channels = x.shape[-1]
    parts = x * tf.gradients(pooled, x)[0]
    with tf1.variable_scope("classifier", reuse=True):
        if hidden:
            W = tf1.get_variable("hidden/W")
            is_on = tf.cast(features @ W + tf1.get_variable("hidden/b") > 0, tf.float32)
            parts, channels = tf.tensordot(parts, W[-channels:], 1) * is_on[:, None, None], hidden
        return tf.tensordot(parts, tf1.get_variable("output/W")[-channels:], 1)
