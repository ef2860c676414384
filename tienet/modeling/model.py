"""TieNet as a Tensorpack ModelDesc: the graph of every mode, read from top to bottom.

Axes: B batch, T words, D grid side, C channels, H LSTM units, r attention rows, V vocabulary, K labels.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorpack import ModelDesc
from tensorpack.tfutils.summary import add_moving_summary
from tensorpack.tfutils.tower import get_current_tower_context

from tienet.config import Config
from tienet.grid import ENDS, backbone_side, transition_for
from tienet.labels import K
from tienet.modeling import backbone, candidates, embedding, generate, losses, outputs, shape_math, words
from tienet.modeling.decoder import Decoder, ImageContext
from tienet.modeling.decoding import Decoding
from tienet.modeling.draws import Draws
from tienet.modeling.finding_maps import finding_maps
from tienet.modeling.layers import fully_connected, l2_loss, transition, with_position
from tienet.modeling.lstm import way
from tienet.modeling.optimizers import DenseOptimizer, TwoRatesOptimizer

tf1 = tf.compat.v1


CLASSIFIER_SCOPES = ("classifier/", "text_attention/")
"""The scopes of the variables that only networks with a classifier have, where reports are read."""


ONLY_IN_TRAINING = ("word_weights", "draw")
"""The inputs that the network takes in training alone, those behind `TieNet.study_inputs`."""


class _Report(NamedTuple):
    """A report after it was read or written, as the classifier takes it; `a` and `x` are None without an image."""

    h: tf.Tensor  # [B, T, H], 0 on padding
    a: tf.Tensor | None  # [B, T, D, D], 0 on padding
    mask: tf.Tensor  # bool [B, T], True for <START> and the words
    x: tf.Tensor | None  # [B, D, D, C]


class _Classification(NamedTuple):
    """The logits of a report's labels and what they come from; `a_ws` and `x` are None without an image."""

    logits: tf.Tensor  # [B, K]
    G: tf.Tensor  # [B, r, T]
    a_ws: tf.Tensor | None  # [B, D, D]
    x: tf.Tensor | None  # [B, D, D, C], as SW-GAP takes it, on which G and a_ws do not depend
    embeddings: list[tf.Tensor]  # what the classifier takes: x_aete, and x_swgap behind it


class Tower(NamedTuple):
    """The tensors of a tower in training in which the number of words may differ from update to update.

    `inputs` has all of `TieNet.inputs` by their names; the others are None where it reads no words of its own.
    """

    inputs: dict[str, tf.Tensor]
    own_ids: tf.Tensor | None  # int32 [rows, T]
    own_len: tf.Tensor | None  # int32 [rows]


class TieNet(ModelDesc):
    """The network of a config. Its outputs outside of training are declared in `tienet.modeling.outputs`.

    Args:
        config: The run's settings.
        vocab_size: V.
        word_dim: E, the length of a word vector.
        label_weights: beta and lambda of eq. 6; None where nothing is trained.
        report_weights: What L_R of each report counts; None: all count the same.
        backbone_weights: The backbone's arrays by name, for `features=off`.
        feature_statistics: float32 [2, channels], mean and standard deviation, for `feature_norm`.
        decoding: How reports are written at test time; None: greedily.
        impression: The id of the heading that follows the findings (`data.text.IMPRESSION`); None: there is none.
    """

    def __init__(
        self,
        config: Config,
        vocab_size: int,
        word_dim: int,
        label_weights: losses.LabelWeights | None = None,
        report_weights: losses.ReportWeights | None = None,
        backbone_weights: dict[str, np.ndarray] | None = None,
        feature_statistics: np.ndarray | None = None,
        decoding: Decoding | None = None,
        impression: int | None = None,
    ):
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        self.word_dim = word_dim
        self.label_weights = label_weights or losses.LabelWeights.equal()
        self.report_weights = report_weights or losses.ReportWeights()
        self.backbone_weights = backbone_weights
        self.feature_statistics = feature_statistics
        self.decoding = (decoding or Decoding()).completed(config, impression)
        self.towers: list[Tower] = []  # of the training graph, in their order
        self.summary_decay = 0.95  # decay of the logged losses' moving averages at each part of a batch
        self._draws = Draws(config.seed, np.zeros(2, np.int32))  # those of the tower that is being built

    def inputs(self) -> list[tf.TensorSpec]:
        """Placeholders of training: those of `study_inputs`, then what words count in L_R where not all count the same
        (`sentence_power`), then `draw`, the update and the part of its batch.

        The global step would not do for `draw`: it is increased while the graph reads it.
        """
        weights = [tf.TensorSpec([None, None], tf.float32, "word_weights")] if self.config.weighs_sentences else []
        return [*self.study_inputs(), *weights, tf.TensorSpec([2], tf.int32, "draw")]

    def study_inputs(self) -> list[tf.TensorSpec]:
        """Placeholders of the studies, by the names that the batches of `tienet.data.dataflow` use."""
        specs = [self._image_spec()] if self.config.mode_parts.image else []
        if self.config.mode_parts.reads:
            specs.append(tf.TensorSpec([None, None], tf.int32, "word_ids"))  # <START> w_1 ... w_n, <END> or <PAD>
            specs.append(tf.TensorSpec([None], tf.int32, "word_len"))  # n + 1
        return [*specs, tf.TensorSpec([None, K], tf.float32, "labels")]

    def _image_spec(self) -> tf.TensorSpec:
        if self.config.features == "off":
            px = self.config.image_px
            return tf.TensorSpec([None, px, px], tf.uint8, "image")
        side = backbone_side(self.config.image_px, self.config.backbone_end)
        channels = ENDS[self.config.backbone_end][1]
        return tf.TensorSpec([None, side, side, channels], tf.float16, "features")

    def build_graph(self, *inputs: tf.Tensor) -> tf.Tensor | None:
        """Build the graph of the mode.

        Args:
            inputs: The tensors of `inputs`, in this order; outside of training those of `study_inputs` will do.
        Returns:
            The loss in training; None elsewhere, where the graph has the outputs of `tienet.modeling.outputs`.
        """
        loss = self._build(inputs)
        shape_math.move_to_host(tf1.get_default_graph())
        return loss

    def _build(self, inputs: tuple[tf.Tensor, ...]) -> tf.Tensor | None:
        mode, training = self.config.mode_parts, get_current_tower_context().is_training
        batch = dict(zip([spec.name for spec in self.inputs()], inputs, strict=training))
        features = self._features(inputs[0]) if mode.image else None
        if training:
            return self._loss(self._training_terms(features, batch))
        x, of_image = None, {}
        if mode.image:
            x = self._transition(features)
            of_image[outputs.POOLED_FEATURES] = tf.reduce_mean(tf.cast(features, tf.float32), [1, 2])
        if not mode.reads:
            pooled = self._pool(x)
            labels = _label_outputs(self._classify([pooled]))
            activation, maps = self._classify_places(x), self._finding_maps(x, [pooled])
            maps = {outputs.CLASS_ACTIVATION: activation, outputs.FINDING_MAPS: maps}
            outputs.name_outputs(mode, labels | maps | of_image)
            return None
        decoder = Decoder(self.config, self.vocab_size, self.word_dim, x)
        tensors = self._outputs(decoder, x, batch["word_ids"], batch["word_len"])
        if mode.writes:
            tensors |= self._written_outputs(decoder, x, inputs[0])
        outputs.name_outputs(mode, tensors | of_image, outputs.CANDIDATE_IDS in tensors)
        return None

    # ---- training ----

    def _training_terms(self, features: tf.Tensor | None, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The terms of the loss, each a scalar."""
        self._draws = self._draws._replace(update=batch["draw"])
        x = None if features is None else self._transition(features)
        decoder = Decoder(self.config, self.vocab_size, self.word_dim, x) if self.config.mode_parts.reads else None
        own = self._own_words(decoder) if self.config.reads_own_words else (None, None)
        self.towers.append(Tower(batch, *own))
        given = {name: batch.get(name) for name in ("word_ids", "word_len", "labels", "word_weights")}
        return self._terms(x, decoder, *own, **given)

    def _terms(
        self, x, decoder: Decoder | None, own_ids, own_len, word_ids, word_len, labels, word_weights
    ) -> dict[str, tf.Tensor]:
        """L_C, the penalty, L_R, Xu's term and the L2 term, as far as the mode has them."""
        mode, config, terms = self.config.mode_parts, self.config, {}
        if not mode.reads:
            terms["L_C"] = losses.classification_loss(self._classify([self._pool(x)]), labels, self.label_weights)
            return terms | {"l2": l2_loss(config.l2)}
        words_in, len_in = words.words_in_training(config, self._draws, decoder, word_ids, word_len)
        report = self._read(decoder, x, words_in, len_in)
        if mode.classifies:
            parts = self._classify_for_training(decoder, report, labels, own_ids, own_len)
            L_C = [losses.classification_loss(part.logits, y, self.label_weights) for part, y in parts]
            penalty = [config.penalty * losses.attention_penalty(part.G) for part, _ in parts]
            sizes = [tf.shape(y)[0] for _, y in parts]
            terms["L_C"], terms["penalty"] = _mean(L_C, sizes), _mean(penalty, sizes)
        if config.predicts_words:
            following = words.next_words(config, decoder, report, words_in, word_ids, word_len, word_weights)
            L_R = losses.report_loss(*following) * self.report_weights.of(labels, following.counts)
            terms["L_R"] = tf.reduce_mean(L_R)
        if mode.writes:
            terms["coverage"] = config.doubly_stochastic * losses.doubly_stochastic(report.a)
        return terms | {"l2": l2_loss(config.l2)}

    def _loss(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """L = alpha L_C + (1 - alpha) L_R + penalty + L2 (eq. 7); every term is named and logged."""
        terms = {name: tf.identity(term, name) for name, term in terms.items()}
        alpha = self.config.loss_alpha if self.config.mode_parts.reads else 1.0
        shares = {"L_C": alpha, "L_R": 1 - alpha, "coverage": 1 - alpha}
        loss = tf.add_n([shares.get(name, 1.0) * term for name, term in terms.items()], "loss")
        add_moving_summary(*terms.values(), loss, decay=self.summary_decay)
        return loss

    def _own_words(self, decoder: Decoder) -> tuple[tf.Tensor, tf.Tensor]:
        """The words of these reports, int32 [rows, T], and their numbers, int32 [rows]."""
        image_context = ImageContext(*(tensor[self.config.own_rows] for tensor in decoder.image_context))
        return words.write_own_words(self.decoding, self._draws, decoder, image_context)

    def _classify_for_training(
        self, decoder: Decoder, report: _Report, labels, own_ids, own_len
    ) -> list[tuple[_Classification, tf.Tensor]]:
        """The parts of the batch, with their labels, that the classifier learns from (`classify_on`).

        It sees the true reports, those that the network writes itself, or half of the batch with each.
        """
        if own_ids is None:
            return [(self._classify_report(report), labels)]
        own = self.config.own_rows
        image_context = ImageContext(*(tensor[own] for tensor in decoder.image_context))
        own_report = self._read(decoder, report.x[own], own_ids, own_len, image_context)
        parts = [(self._classify_report(own_report), labels[own])]
        if self.config.classify_on == "half":
            true_report = _Report(*(tensor[::2] for tensor in report))
            parts.append((self._classify_report(true_report), labels[::2]))
        return parts

    # ---- outside of training ----

    def _outputs(self, decoder: Decoder, x, word_ids, word_len) -> dict[str, tf.Tensor]:
        """What can be fetched of the report that is read, by its name in `outputs`."""
        report = self._read(decoder, x, word_ids, word_len)
        tensors = self._report_outputs(report)
        if not self.config.mode_parts.writes:
            return tensors
        of_true_report = {outputs.of_true_report(name): tensor for name, tensor in tensors.items()}
        following = words.next_words(self.config, decoder, report, word_ids, word_ids, word_len)
        return {**of_true_report, outputs.L_R: losses.report_loss(*following)}

    def _written_outputs(self, decoder: Decoder, x, image) -> dict[str, tf.Tensor]:
        """What can be fetched of the report that is written."""
        tensors = {}
        if self.decoding.method == "consistent":
            found = candidates.write_candidates(decoder, self.decoding, candidates.image_keys(image))
            tensors = dict(zip(outputs.CANDIDATES, found, strict=True))
            chosen = (
                tf1.placeholder_with_default(array[:, 0], [None] * (array.shape.rank - 1), name)
                for array, name in zip(found, (outputs.CHOSEN_IDS, outputs.CHOSEN_LEN), strict=False)
            )
            written = generate.force(decoder, *chosen, self.decoding.max_words)
        else:
            written = generate.write(decoder, self.decoding)
        return {
            **tensors,
            **self._report_outputs(_Report(written.h, written.a, written.mask, x)),
            outputs.WORD_IDS: written.word_ids,
            outputs.WORD_LEN: written.word_len,
            outputs.LOG_PROBABILITY: written.log_probability,
        }

    def _report_outputs(self, report: _Report) -> dict[str, tf.Tensor]:
        """The outputs of one report: its attention maps, their entropies, and its labels."""
        word_count, tensors = tf.reduce_sum(tf.cast(report.mask, tf.float32), 1), {}
        if report.a is not None:
            entropy = losses.relative_entropy(
                tf.reshape(report.a, [*tf.unstack(tf.shape(report.a)[:2]), -1]), report.x.shape[1] ** 2
            )
            tensors[outputs.A] = report.a
            tensors[outputs.A_ENTROPY] = tf.reduce_sum(tf.where(report.mask, entropy, 0.0), 1) / word_count
        if self.config.mode_parts.classifies:
            found = self._classify_report(report)
            tensors |= _label_outputs(found.logits)
            tensors[outputs.G] = found.G
            tensors[outputs.G_ENTROPY] = tf.reduce_mean(losses.relative_entropy(found.G, word_count[:, None]), 1)
            if found.a_ws is not None:
                tensors[outputs.A_WS] = found.a_ws
                tensors[outputs.FINDING_MAPS] = self._finding_maps(found.x, found.embeddings)
        return tensors

    # ---- the parts of the network ----

    def _pool(self, x: tf.Tensor) -> tf.Tensor:
        """The pooling of mode `classify`, to [B, C]; one layer makes the logits of it."""
        return embedding.pool(x, self.config.pooling, self.config.lse_r)

    def _classify_places(self, x: tf.Tensor) -> tf.Tensor:
        """Class activation: the classifier of mode `classify` on x of each place, to [B, D, D, K].

        Where the classifier is one layer this is w x + b, whatever the pooling, as Wang et al. (2017) multiply the
        weights of the prediction layer by the activations; with mean pooling its mean over the places is the logits.
        """
        with tf1.variable_scope(tf1.get_variable_scope(), reuse=True):
            return self._classify([x])

    def _finding_maps(self, x: tf.Tensor, embeddings: list[tf.Tensor]) -> tf.Tensor:
        """What each place adds to the logits, [B, D, D, K]; the last of the embeddings is pooled from x."""
        return finding_maps(x, embeddings[-1], tf.concat(embeddings, -1), self.config.output_hidden)

    def _features(self, image: tf.Tensor) -> tf.Tensor:
        """The backbone's features, [B, side, side, channels]: what is given, or with `features=off` those of images."""
        config = self.config
        if config.features != "off":
            return image
        weights = backbone.get_weights(self.backbone_weights, config.backbone_end, config.backbone_dtype)
        return tf.stop_gradient(backbone.resnet50(backbone.preprocess(image), weights, config.backbone_end))

    def _transition(self, features: tf.Tensor) -> tf.Tensor:
        """From the backbone's features to x [B, D, D, C]."""
        config = self.config
        features = tf.cast(features, tf.float32)
        if config.feature_norm:
            mean, std = self.feature_statistics
            features = (features - mean) / std
        if config.grid_position:
            features = with_position(features)
        shape = transition_for(config.image_px, config.backbone_end)
        return transition(features, config.transition_channels, shape.kernel, shape.stride)

    def _read(self, decoder: Decoder, x, word_ids, word_len, image_context: ImageContext | None = None) -> _Report:
        """Read reports; h and a become 0 on padding."""
        mask = tf.sequence_mask(word_len, tf.shape(word_ids)[1])
        h, a = decoder.read(word_ids, image_context)
        h = tf.where(mask[..., None], h, 0.0)
        return _Report(h, None if a is None else tf.where(mask[..., None, None], a, 0.0), mask, x)

    def _classify_report(self, report: _Report) -> _Classification:
        """AETE, SW-GAP and the classifier; all reports of a graph share the weights."""
        config = self.config
        with tf1.variable_scope(tf1.get_variable_scope(), reuse=tf1.AUTO_REUSE):
            G = embedding.text_attention(report.h, report.mask, config.attention_rows, config.attention_hidden)
            embeddings, a_ws, x = [embedding.aete(G, report.h)], None, None
            if report.a is not None:
                a_ws, x = embedding.saliency_attention(G, report.a), tf.identity(report.x)
                embeddings.append(embedding.sw_gap(embedding.spread(a_ws, config.uniform_share), x))
            return _Classification(self._classify(embeddings), G, a_ws, x, embeddings)

    def _classify(self, embeddings: list[tf.Tensor]) -> tf.Tensor:
        """From x_aete and what comes from the image, or from one of the two, to the logits [B, K]."""
        config = self.config
        features = tf.concat(embeddings, -1)
        with tf1.variable_scope("classifier"):
            rates = self._dropout_rates(embeddings)
            if get_current_tower_context().is_training and rates.any():
                draw = tf.random.stateless_uniform(tf.shape(features), self._draws.seed_for("dropout"))
                features = tf.where(draw >= rates, features / (1 - rates), 0.0)
            if config.output_hidden:
                features = tf.nn.relu(fully_connected("hidden", features, config.output_hidden))
            return fully_connected("output", features, K)

    def _dropout_rates(self, embeddings: list[tf.Tensor]) -> np.ndarray:
        """The dropout rate of each feature, float32: `dropout` for the text, `dropout_image` for the image."""
        config = self.config
        image = config.dropout if config.dropout_image is None else config.dropout_image
        rates = [config.dropout, image][-len(embeddings) :] if config.mode_parts.image else [config.dropout]
        widths = [embedding.shape[-1] for embedding in embeddings]
        return np.repeat(np.float32(rates), widths)

    def optimizer(self) -> tf1.train.Optimizer:
        """Adam; its rate is the variable `adam/learning_rate`, which a callback may lower.

        With `writer_rate` below 1, all but the classifier and its text attention learn with that share of the rate.
        """
        rate = tf1.get_variable("adam/learning_rate", initializer=self.config.learning_rate, trainable=False)
        tf1.summary.scalar("learning_rate", rate)
        optimizer = tf1.train.AdamOptimizer(rate)
        if self.config.mode == "report" and self.config.writer_rate != 1:
            slow = tf1.train.AdamOptimizer(rate * self.config.writer_rate, name="AdamOfTheWriter")
            is_slow = lambda variable: not variable.op.name.startswith(CLASSIFIER_SCOPES)  # noqa: E731
            optimizer = TwoRatesOptimizer(optimizer, slow, is_slow)
        return DenseOptimizer(optimizer) if way.whole() else optimizer


def _label_outputs(logits: tf.Tensor) -> dict[str, tf.Tensor]:
    return {outputs.LOGITS: logits, outputs.PROBABILITIES: tf.sigmoid(logits)}


def _mean(parts: list[tf.Tensor], sizes: list[tf.Tensor]) -> tf.Tensor:
    """The mean over a batch that was split into parts of these sizes, from the parts' means."""
    total = tf.cast(tf.add_n(sizes), tf.float32)
    return tf.add_n([part * tf.cast(size, tf.float32) / total for part, size in zip(parts, sizes, strict=True)])
