"""TieNet as a Tensorpack ModelDesc: the graph of every mode, read from top to bottom.

Axes: B batch, T words, D grid side, C channels, H LSTM units, r attention rows, K labels.
"""

import numpy as np
import tensorflow as tf
from tensorpack import ModelDesc
from tensorpack.tfutils.common import get_global_step_var
from tensorpack.tfutils.summary import add_moving_summary
from tensorpack.tfutils.tower import get_current_tower_context

from tienet.config import Config
from tienet.data.text import OOV
from tienet.labels import K
from tienet.modeling import backbone, decoder, embedding, losses
from tienet.modeling.grid import transition_for
from tienet.modeling.layers import fully_connected, l2_loss, transition

tf1 = tf.compat.v1

SEED_PARTS = {"words": 1, "reports": 2, "dropout": 3}
"""What draws random numbers; each draws from (seed, part, step) alone, so a resumed run draws the same."""


class TieNet(ModelDesc):
    """The network of a config.

    Args:
        config: the run's settings.
        vocab_size: V. word_dim: E.
        feature_shape: [h, w, channels] of the backbone's output; None for modes without an image.
        label_weights: beta and lambda; None where nothing is trained.
        backbone_weights: name -> array, for `features=off`.
    """

    def __init__(
        self,
        config: Config,
        vocab_size: int,
        word_dim: int,
        label_weights: losses.LabelWeights | None = None,
        backbone_weights: dict[str, np.ndarray] | None = None,
    ):
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        self.word_dim = word_dim
        self.label_weights = label_weights or losses.LabelWeights.equal()
        self.backbone_weights = backbone_weights

    def inputs(self) -> list[tf.TensorSpec]:
        """Placeholders, by the names that the batches of `tienet.data.dataflow` use."""
        specs = [
            tf.TensorSpec([None, None], tf.int32, "word_ids"),  # <START> w_1 ... w_n, then <PAD>
            tf.TensorSpec([None], tf.int32, "word_len"),  # n + 1
            tf.TensorSpec([None, K], tf.float32, "labels"),
        ]
        if self.config.mode_parts.image:
            specs.insert(0, self._image_spec())
        return specs

    def _image_spec(self) -> tf.TensorSpec:
        if self.config.features == "off":
            px = self.config.image_px
            return tf.TensorSpec([None, px, px], tf.uint8, "image")
        side = backbone.grid_side(self.config.image_px, self.config.backbone_end)
        channels = backbone.ENDS[self.config.backbone_end][1]
        return tf.TensorSpec([None, side, side, channels], tf.float16, "features")

    def build_graph(self, *inputs: tf.Tensor) -> tf.Tensor | None:
        """The graph; returns the loss in training. Every quantity of the paper can be fetched by its name."""
        config, training = self.config, get_current_tower_context().is_training
        *image, word_ids, word_len, labels = inputs
        if training and config.report_drop:
            word_ids, word_len = self._drop_text(word_ids, word_len)
        mask = tf.sequence_mask(word_len, tf.shape(word_ids)[1])
        words = decoder.embed_words(word_ids, self.vocab_size, self.word_dim)

        if config.mode_parts.image:
            x = self._transition(image[0])
            h, a = decoder.read_with_image(words, x, config.lstm_units, config.attention_units)
        else:
            h = decoder.read_text(words, config.lstm_units)
        h = tf.where(mask[..., None], h, 0.0)

        G = embedding.text_attention(h, mask, config.attention_rows, config.attention_hidden)
        embeddings = [embedding.aete(G, h)]
        if config.mode_parts.image:
            a = tf.where(mask[..., None, None], a, 0.0)
            a_ws = embedding.saliency_attention(G, a)
            embeddings.append(embedding.sw_gap(a_ws, x))
            tf.identity(a, "a")
            tf.identity(a_ws, "a_ws")
        logits = self._classify(tf.concat(embeddings, -1))
        tf.identity(G, "G")
        tf.sigmoid(logits, "probabilities")
        return self._loss(logits, labels, G) if training else None

    def _transition(self, image: tf.Tensor) -> tf.Tensor:
        config = self.config
        if config.features == "off":
            weights = backbone.get_weights(self.backbone_weights, config.backbone_end)
            image = tf.stop_gradient(backbone.resnet50(backbone.preprocess(image), weights, config.backbone_end))
        shape = transition_for(config.image_px, config.backbone_end)
        return transition(tf.cast(image, tf.float32), config.transition_channels, shape.kernel, shape.stride)

    def _classify(self, features: tf.Tensor) -> tf.Tensor:
        config = self.config
        with tf1.variable_scope("classifier"):
            if get_current_tower_context().is_training and config.dropout:
                draw = tf.random.stateless_uniform(tf.shape(features), self._draw_seed("dropout"))
                features = tf.where(draw >= config.dropout, features / (1 - config.dropout), 0.0)
            if config.output_hidden:
                features = tf.nn.relu(fully_connected("hidden", features, config.output_hidden))
            return fully_connected("output", features, K)

    def _drop_text(self, word_ids: tf.Tensor, word_len: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Section 3.5: hide a share of the words (read as <OOV>) or of the reports (only <START> is read)."""
        config = self.config
        if config.report_drop_unit == "reports":
            draw = tf.random.stateless_uniform(tf.shape(word_len), self._draw_seed("reports"))
            return word_ids, tf.where(draw < config.report_drop, 1, word_len)
        draw = tf.random.stateless_uniform(tf.shape(word_ids), self._draw_seed("words"))
        hidden = (draw < config.report_drop) & (tf.range(tf.shape(word_ids)[1]) > 0)  # <START> stays
        return tf.where(hidden, OOV, word_ids), word_len

    def _draw_seed(self, part: str) -> tf.Tensor:
        step = tf.cast(get_global_step_var(), tf.int32)
        return tf.stack([self.config.seed * len(SEED_PARTS) + SEED_PARTS[part], step])

    def _loss(self, logits: tf.Tensor, labels: tf.Tensor, G: tf.Tensor) -> tf.Tensor:
        """L = alpha L_C + penalty + L2 (alpha = 1 in the modes that only annotate)."""
        config = self.config
        L_C = tf.identity(losses.classification_loss(logits, labels, self.label_weights), "L_C")
        penalty = tf.identity(config.penalty * losses.attention_penalty(G), "penalty")
        l2 = tf.identity(l2_loss(config.l2), "l2")
        loss = tf.add_n([L_C, penalty, l2], "loss")
        add_moving_summary(L_C, penalty, l2, loss)
        return loss

    def optimizer(self) -> tf1.train.Optimizer:
        """Adam; its rate is the variable `adam/learning_rate`, which a callback may lower."""
        rate = tf1.get_variable("adam/learning_rate", initializer=self.config.learning_rate, trainable=False)
        tf1.summary.scalar("learning_rate", rate)
        return tf1.train.AdamOptimizer(rate)
