"""The RNN of section 3.1: word vectors in, LSTM states h and spatial attention a out.

With an image it is the attention LSTM of Xu et al. (2015); without one (`annotate-text`) a plain LSTM from h_0 = 0.
Axes: B batch, T words, L = D*D locations, C channels, H LSTM units, A attention units, E word vector.
"""

import tensorflow as tf

from tienet.modeling import attention_lstm
from tienet.modeling.layers import bias, fully_connected, weight

tf1 = tf.compat.v1


def embed_words(word_ids: tf.Tensor, vocab_size: int, dim: int) -> tf.Tensor:
    """word_ids int32 [B, T] -> word vectors float32 [B, T, E]; trained on, and not under weight decay.

    Their first values are set by `tienet.training` from the vocabulary's `embeddings.npy`.
    """
    vectors = tf1.get_variable("word_vectors", [vocab_size, dim], initializer=tf1.random_normal_initializer())
    return tf.nn.embedding_lookup(vectors, word_ids)


def read_with_image(words: tf.Tensor, x: tf.Tensor, units: int, attention_units: int):
    """Read a report while looking at the image.

    Args:
        words: float32 [B, T, E], <START> first.
        x: float32 [B, D, D, C], transition activations.
        units: H. attention_units: A.
    Returns:
        h float32 [B, T, H]; a float32 [B, T, D, D], each step sums to 1.
    """
    D, C = x.shape[1], x.shape[3]
    locations = tf.reshape(x, [-1, D * D, C])
    with tf1.variable_scope("lstm"):
        mean = tf.reduce_mean(locations, 1)
        h_0 = tf.tanh(fully_connected("h_0", mean, units))
        c_0 = tf.tanh(fully_connected("c_0", mean, units))
        u = fully_connected("attention_x", locations, attention_units)
        weights = attention_lstm.Weights(
            W_h=weight("attention_h/W", [units, attention_units]),
            v=weight("attention_v/W", [attention_units, 1])[:, 0],
            W_z=weight("W_z", [C, 4 * units]),
            W_r=_recurrent_weight(units),
        )
        h, a = attention_lstm.attention_lstm(locations, u, _word_gates(words, units), h_0, c_0, weights)
    return tf.transpose(h, [1, 0, 2]), tf.reshape(tf.transpose(a, [1, 0, 2]), [-1, tf.shape(h)[0], D, D])


def read_text(words: tf.Tensor, units: int) -> tf.Tensor:
    """Read a report alone: words float32 [B, T, E] -> h float32 [B, T, H], from h_0 = c_0 = 0."""
    with tf1.variable_scope("lstm"):
        gates = _word_gates(words, units)
        W_r = tf.convert_to_tensor(_recurrent_weight(units))
        T = tf.shape(gates)[0]
        zero = tf.zeros([tf.shape(words)[0], units])

        def body(t, h, c, states):
            h, c = attention_lstm.lstm_cell(gates[t] + h @ W_r, c)
            return t + 1, h, c, states.write(t, h)

        states = tf.TensorArray(tf.float32, T, element_shape=[None, units])
        *_, states = tf.while_loop(lambda t, *_: t < T, body, (0, zero, zero, states), maximum_iterations=T)
    return tf.transpose(states.stack(), [1, 0, 2])


def _word_gates(words: tf.Tensor, units: int) -> tf.Tensor:
    """W_w w_t + b of every step at once, [T, B, 4H]."""
    gates = tf.tensordot(words, weight("W_w", [words.shape[-1], 4 * units]), axes=1) + bias(
        "b", 4 * units, _forget_bias_initializer(units)
    )
    return tf.transpose(gates, [1, 0, 2])


def _recurrent_weight(units: int) -> tf.Variable:
    return weight("W_r", [units, 4 * units], tf1.orthogonal_initializer())


def _forget_bias_initializer(units: int):
    """Forget gates start open: bias 1 (order i, f, o, g)."""
    return tf1.constant_initializer([0.0] * units + [1.0] * units + [0.0] * 2 * units)
