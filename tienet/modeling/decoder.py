"""The RNN of section 3.1: word vectors in, LSTM states h and spatial attention a out, and the next word's softmax.

With an image it is the attention LSTM of Xu et al. (2015); without one (`annotate-text`) it is a plain LSTM that starts
from h_0 = 0. Reading a given report and writing one (`generate`) use the same weights, which `Decoder` makes once.
Axes: B batch, T words, L = D*D locations, C channels, H LSTM units, A attention units, E word vector, V vocabulary.
"""

from typing import NamedTuple

import tensorflow as tf

from tienet.config import Config
from tienet.modeling.layers import bias, fully_connected, weight
from tienet.modeling.lstm import cell, loop, way, whole
from tienet.modeling.lstm import step as attention_step
from tienet.modeling.lstm.attention import Locations

tf1 = tf.compat.v1


class ImageContext(NamedTuple):
    """What the RNN takes from a batch of images, computed once and not at every step."""

    x: tf.Tensor  # [B, L, C], the locations
    u: tf.Tensor  # [B, L, A], W_x x + b_x
    h_0: tf.Tensor  # [B, H]
    c_0: tf.Tensor  # [B, H]


class LSTMOutputs(NamedTuple):
    """The states and the attention after each word of the reports that were read."""

    h: tf.Tensor  # [B, T, H]
    a: tf.Tensor | None  # [B, T, D, D], each step sums to 1; None without an image


class Decoder:
    """The RNN's weights and its steps.

    Args:
        config: The run's settings: sizes and options.
        vocab_size: V.
        word_dim: E.
        x: float32 [B, D, D, C], the transition layer's activations; None in a mode without an image.

    Attributes:
        config: The run's settings.
        image_context: What the RNN takes from `x`; None without an image.
        side: D; None without an image.
    """

    def __init__(self, config: Config, vocab_size: int, word_dim: int, x: tf.Tensor | None = None):
        self.config = config
        H = config.lstm_units
        # Training gives them their first values, from the vocabulary's embeddings.npy. They have no weight decay.
        self._vectors = tf1.get_variable(
            "word_vectors", [vocab_size, word_dim], initializer=tf1.random_normal_initializer()
        )
        # What a GPU writes by is compiled, and takes no variable; reading gathers from the variable itself everywhere.
        self._read_vectors = read(self._vectors) if way.whole() else self._vectors
        with tf1.variable_scope("lstm"):
            self._W_w = read(weight("W_w", [word_dim, 4 * H]))
            self._b = read(bias("b", 4 * H, _forget_bias_initializer(H)))
            self.image_context = None if x is None else self._image_context(x)
            W_r = read(weight("W_r", [H, 4 * H], tf1.orthogonal_initializer()))
            self._weights = self._image_weights(x.shape[3], W_r) if x is not None else W_r
        self.side = None if x is None else x.shape[1]
        self._deep = config.deep_output and config.mode_parts.writes
        self._softmax = _Softmax(config, vocab_size, word_dim, self._deep) if config.predicts_words else None

    def _image_context(self, x: tf.Tensor) -> ImageContext:
        config = self.config
        locations = tf.reshape(x, [-1, x.shape[1] * x.shape[2], x.shape[3]])
        mean = tf.reduce_mean(locations, 1)
        h_0 = tf.tanh(fully_connected("h_0", mean, config.lstm_units))
        c_0 = tf.tanh(fully_connected("c_0", mean, config.lstm_units))
        u = fully_connected("attention_x", locations, config.attention_units)
        if config.attention_norm:
            u = standardise_locations(u)
        return ImageContext(locations, u, h_0, c_0)

    def _image_weights(self, C: int, W_r: tf.Tensor) -> attention_step.Weights:
        H, A = self.config.lstm_units, self.config.attention_units
        gate = {}
        if self.config.attention_gate:
            gate = {"w_beta": weight("beta/W", [H, 1])[:, 0], "b_beta": bias("beta/b", 1)[0]}
        return attention_step.Weights(
            W_rh=tf.concat([W_r, weight("attention_h/W", [H, A])], 1),
            v=weight("attention_v/W", [A, 1])[:, 0],
            W_z=read(weight("W_z", [C, 4 * H])),
            **gate,
        )

    def embed(self, word_ids: tf.Tensor) -> tf.Tensor:
        """int32 [...] -> word vectors float32 [..., E]."""
        return tf.gather(self._read_vectors, word_ids)

    def read(self, word_ids: tf.Tensor, image_context: ImageContext | None = None) -> LSTMOutputs:
        """Run the RNN over given reports.

        Args:
            word_ids: int32 [B, T], <START> first.
            image_context: The images that the reports belong to; None: `self.image_context`, all of the batch.
        """
        gates = self._word_gates(tf.gather(self._vectors, word_ids))
        if self.image_context is None:
            return LSTMOutputs((whole if way.whole() else cell).lstm(gates, self._weights), None)
        x, u, h_0, c_0 = image_context or self.image_context
        h, a = (whole if way.whole() else loop).attention_lstm(x, u, gates, h_0, c_0, self._weights)
        return LSTMOutputs(h, self.on_grid(a))

    def on_grid(self, a: tf.Tensor) -> tf.Tensor:
        """Attention over the locations, [B, T, L], as maps, [B, T, D, D]."""
        return tf.reshape(a, [-1, tf.shape(a)[1], self.side, self.side])

    def step(
        self, images: Locations, word_ids: tf.Tensor, h: tf.Tensor, c: tf.Tensor, beams: int = 1
    ) -> attention_step.Step:
        """Read one word, int32 [B], from the states h and c [B, H] before it.

        Args:
            images: `lstm.attention.locations` of the image context's x and u.
            beams: W, how many reports of each image are written. `word_ids`, h, c and the result then have B * W rows,
                in which the rows of an image stand beside each other.
        """
        return attention_step.step(images, self._word_gates(self.embed(word_ids)), h, c, self._weights, beams)

    def word_logits(self, h: tf.Tensor, word_ids: tf.Tensor, z: tf.Tensor | None) -> tf.Tensor:
        """Logits of the next word, [N, V], after the words `word_ids` [N] were read into the states h [N, H].

        `z` [N, C] is the context of that step, which only the deep output (`deep_output`) takes.
        """
        return self._softmax(h, self.embed(word_ids), z)

    def contexts(self, a: tf.Tensor, h: tf.Tensor) -> tf.Tensor | None:
        """The context z of every step, [B, T, C], of reports that were read; None unless the word softmax takes it."""
        if not self._deep:
            return None
        z = tf.matmul(tf.reshape(a, [-1, tf.shape(a)[1], self.side**2]), self.image_context.x)
        if self._weights.w_beta is None:
            return z
        h_before = tf.concat([self.image_context.h_0[:, None], h[:, :-1]], 1)
        return z * tf.sigmoid(tf.linalg.matvec(h_before, self._weights.w_beta) + self._weights.b_beta)[..., None]

    def _word_gates(self, words: tf.Tensor) -> tf.Tensor:
        """W_w w_t + b, [..., 4H]."""
        return tf.tensordot(words, self._W_w, axes=1) + self._b


class _Softmax:
    """Logits of the next word: W_o h + b; where `deep`, Xu's L_o(w + L_h h + L_z z) + b."""

    def __init__(self, config: Config, vocab_size: int, word_dim: int, deep: bool):
        self._deep = deep
        with tf1.variable_scope("word_softmax"):
            if self._deep:
                self._L_h = read(weight("L_h", [config.lstm_units, word_dim]))
                self._L_z = read(weight("L_z", [config.transition_channels, word_dim]))
            self._W_o = read(weight("W_o", [word_dim if self._deep else config.lstm_units, vocab_size]))
            self._b = read(bias("b", vocab_size))

    def __call__(self, h: tf.Tensor, words: tf.Tensor, z: tf.Tensor | None) -> tf.Tensor:
        if self._deep:
            h = words + tf.matmul(h, self._L_h) + tf.matmul(z, self._L_z)
        return tf.matmul(h, self._W_o) + self._b


def read(variable: tf.Variable) -> tf.Tensor:
    """The value of a variable, read here and not at each turn of the loops over the words that use it."""
    return tf.convert_to_tensor(variable)


def standardise_locations(u: tf.Tensor) -> tf.Tensor:
    """Give each unit of u [B, L, A] the mean 0 and the standard deviation 1 over an image's locations.

    What all locations share cancels in the softmax over them. Left in, it saturates the tanh and hides what differs.
    """
    mean, variance = tf.nn.moments(u, axes=[1], keepdims=True)
    return (u - mean) * tf.math.rsqrt(variance + 1e-5)


def _forget_bias_initializer(units: int):
    """Biases with which the forget gates start open: 1 for f, 0 for the others (order i, f, o, g)."""
    return tf1.constant_initializer([0.0] * units + [1.0] * units + [0.0] * 2 * units)
