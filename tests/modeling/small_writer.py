"""A small writer whose words are not all alike, and its step as a NumPy function."""

import numpy as np
import tensorflow as tf

from tienet.config import Config
from tienet.modeling import generate
from tienet.modeling.decoder import Decoder
from tienet.modeling.lstm.attention import locations

tf1 = tf.compat.v1
V, E, D, C, B = 9, 5, 3, 6, 5
"""The vocabulary, a word vector, the side of the grid, the channels, and the images of a batch."""
SMALL = {"backbone_end": "res4f", "image_px": 256, "transition_channels": C, "attention_units": 4, "lstm_units": 7}
MAX = 8


class Net:
    """A decoder whose words are not all alike, and its step as a NumPy function.

    Building it and compiling what it writes by takes seconds, so that several tests share one (`shared_nets`).
    """

    def __init__(self, **settings):
        self.graph, self._written = tf.Graph(), {}
        self.images = np.maximum(np.random.default_rng(0).standard_normal((B, D, D, C)), 0).astype(np.float32)
        with self.graph.as_default():
            tf1.set_random_seed(0)
            self.x = tf1.placeholder_with_default(self.images, [None, D, D, C])
            self.decoder = Decoder(Config().replace(mode="caption", **SMALL, **settings), V, E, self.x)
            config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
            self._session = tf1.Session(config=config)
            self.run = self._session.run
            self.run(tf1.global_variables_initializer())
            self.run([tf1.assign(v, 3 * v) for v in tf1.trainable_variables()])  # so that reports differ
            self._values, self._changed = self.run(tf1.trainable_variables()), False
            self._word, self._h, self._c = (
                tf1.placeholder(tf.int32, [None]),
                tf1.placeholder(tf.float32, [None, 7]),
                tf1.placeholder(tf.float32, [None, 7]),
            )
            images = locations(*self.decoder.image_context[:2])
            step = self.decoder.step(images, self._word, self._h, self._c)
            logits = self.decoder.word_logits(step.h, self._word, step.z)
            self._step = [tf.nn.log_softmax(logits), step.h, step.c]

    def set(self, name, value):
        """Give a trainable variable another value, until `restore`."""
        (variable,) = tf1.trainable_variables(name)
        self._changed = True
        self.run(tf1.assign(variable, tf.broadcast_to(value, variable.shape)))

    def restore(self):
        """Give all variables the values that they began with."""
        if self._changed:
            for variable, value in zip(tf1.trainable_variables(), self._values, strict=True):
                variable.load(value, self._session)
            self._changed = False

    def close(self):
        self._session.close()

    def start(self, n):
        """(h_0, c_0) of image n."""
        image_context = self.run(self.decoder.image_context, {self.x: self.images[n : n + 1]})
        return image_context.h_0, image_context.c_0

    def step(self, n, word, h, c):
        """ln p of the next word [V], h and c, after image n's step."""
        feed = {self.x: self.images[n : n + 1], self._word: [word], self._h: h, self._c: c}
        log_p, h, c = self.run(self._step, feed)
        return log_p[0].astype(np.float64), h, c

    def write(self, decoding, images=None):
        if decoding not in self._written:
            self._written[decoding] = generate.write(self.decoder, decoding)
        return self.run(self._written[decoding], {} if images is None else {self.x: images})
