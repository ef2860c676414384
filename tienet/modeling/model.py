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
from tienet.data.text import END, OOV, PAD
from tienet.grid import ENDS, backbone_side, transition_for
from tienet.labels import K
from tienet.modeling import backbone, embedding, generate, losses, outputs
from tienet.modeling.decoder import Decoder, ImageContext
from tienet.modeling.generate import Decoding
from tienet.modeling.layers import fully_connected, l2_loss, transition, with_position

tf1 = tf.compat.v1

SEED_PARTS = {"words": 1, "reports": 2, "dropout": 3, "writing": 4, "sampling": 5, "drawn": 6}
"""What draws random numbers; each draws from (seed, part, `draw`) alone, so a resumed run draws the same."""
_MAX_PARTS = 2**20  # of a batch


class _Report(NamedTuple):
    """A report that was read or written, as the classifier takes it; `a` and `x` are None without an image."""

    h: tf.Tensor  # [B, T, H], 0 on padding
    a: tf.Tensor | None  # [B, T, D, D], 0 on padding
    mask: tf.Tensor  # bool [B, T]
    x: tf.Tensor | None  # [B, D, D, C]


class _Judgement(NamedTuple):
    """What the classifier says of it, and from what; `a_ws` is None without an image."""

    logits: tf.Tensor  # [B, K]
    G: tf.Tensor  # [B, r, T]
    a_ws: tf.Tensor | None  # [B, D, D]


class _NextWords(NamedTuple):
    """The words that should follow, packed: N of them in all reports."""

    logits: tf.Tensor  # [N, V]
    targets: tf.Tensor  # int32 [N]
    rows: tf.Tensor  # int64 [N], the report of each
    counts: tf.Tensor  # float32 [B], how many each report has


class TieNet(ModelDesc):
    """The network of a config.

    Args:
        config: the run's settings.
        vocab_size: V. word_dim: E.
        label_weights: beta and lambda; None where nothing is trained.
        backbone_weights: name -> array, for `features=off`.
        feature_statistics: float32 [2, channels], mean and standard deviation, for `feature_norm`.
        decoding: how reports are written at test time; default: greedily.

    What can be fetched by name outside of training is declared in `tienet.modeling.outputs`.
    """

    def __init__(
        self,
        config: Config,
        vocab_size: int,
        word_dim: int,
        label_weights: losses.LabelWeights | None = None,
        backbone_weights: dict[str, np.ndarray] | None = None,
        feature_statistics: np.ndarray | None = None,
        decoding: Decoding | None = None,
    ):
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        self.word_dim = word_dim
        self.label_weights = label_weights or losses.LabelWeights.equal()
        self.backbone_weights = backbone_weights
        self.feature_statistics = feature_statistics
        self.decoding = decoding or Decoding(max_words=config.written_words)
        self.summary_decay = 0.95  # of the logged losses' moving averages, per part of a batch
        self._draw = np.zeros(2, np.int32)  # of the tower that is built

    def inputs(self) -> list[tf.TensorSpec]:
        """Placeholders of training: those of `study_inputs`, then `draw`, the update and which part of its batch it is.

        The global step would not do for `draw`: it is increased while the graph reads it.
        """
        return [*self.study_inputs(), tf.TensorSpec([2], tf.int32, "draw")]

    def study_inputs(self) -> list[tf.TensorSpec]:
        """Placeholders, by the names that the batches of `tienet.data.dataflow` use."""
        specs = [self._image_spec()] if self.config.mode_parts.image else []
        if self.config.mode_parts.reads:
            specs.append(tf.TensorSpec([None, None], tf.int32, "word_ids"))  # <START> w_1 ... w_n, then <PAD>
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
        """The graph; returns the loss in training. Elsewhere `draw` may be left out."""
        mode, training = self.config.mode_parts, get_current_tower_context().is_training
        batch = dict(zip([spec.name for spec in self.inputs()], inputs, strict=training))
        self._draw = batch.get("draw", self._draw)
        x = self._transition(inputs[0]) if mode.image else None
        if not mode.reads:
            logits = self._classify([embedding.pool(x, self.config.pooling, self.config.lse_r)])
            if training:
                return self._sum(
                    {"L_C": (1.0, losses.classification_loss(logits, batch["labels"], self.label_weights))}
                )
            outputs.name_outputs(mode, _label_outputs(logits))
            return None
        decoder = Decoder(self.config, self.vocab_size, self.word_dim, x)
        if training:
            return self._train(decoder, x, batch["word_ids"], batch["word_len"], batch["labels"])
        outputs.name_outputs(mode, self._outputs(decoder, x, batch["word_ids"], batch["word_len"]))
        return None

    # ---- training ----

    def _train(self, decoder: Decoder, x, word_ids, word_len, labels) -> tf.Tensor:
        """L = alpha L_C + (1 - alpha) L_R + penalty + L2 (eq. 7)."""
        mode, config, alpha = self.config.mode_parts, self.config, self.config.loss_alpha
        words_in, len_in = self._words_in(decoder, word_ids, word_len)
        report = self._read(decoder, x, words_in, len_in)
        terms = {}
        if mode.classifies:
            judged = self._judge_for_training(decoder, report, labels)
            L_C = [losses.classification_loss(part.logits, y, self.label_weights) for part, y in judged]
            penalty = [config.penalty * losses.attention_penalty(part.G) for part, _ in judged]
            sizes = [tf.shape(y)[0] for _, y in judged]
            terms["L_C"] = alpha, _mean(L_C, sizes)
            terms["penalty"] = 1.0, _mean(penalty, sizes)
        if mode.writes:
            following = self._next_words(decoder, report, words_in, word_ids, word_len)
            terms["L_R"] = 1 - alpha, tf.reduce_mean(losses.report_loss(*following))
            terms["coverage"] = 1 - alpha, config.doubly_stochastic * losses.doubly_stochastic(report.a)
        return self._sum(terms)

    def _sum(self, terms: dict[str, tuple[float, tf.Tensor]]) -> tf.Tensor:
        """The weighted sum and L2; each term is named and logged."""
        terms = {name: (weight, tf.identity(term, name)) for name, (weight, term) in terms.items()}
        l2 = tf.identity(l2_loss(self.config.l2), "l2")
        loss = tf.add_n([weight * term for weight, term in terms.values()] + [l2], "loss")
        add_moving_summary(*(term for _, term in terms.values()), l2, loss, decay=self.summary_decay)
        return loss

    def _words_in(self, decoder: Decoder, word_ids, word_len) -> tuple[tf.Tensor, tf.Tensor]:
        """The words that are read in training: the true ones, some hidden or replaced."""
        if self.config.mode_parts.writes and self.config.scheduled_sampling:
            word_ids = self._sampled_words(decoder, word_ids, word_len)
        return self._drop_text(word_ids, word_len) if self.config.report_drop else (word_ids, word_len)

    def _drop_text(self, word_ids: tf.Tensor, word_len: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Section 3.5: hide a share of the words (read as <OOV>) or of the reports (only <START> is read)."""
        config = self.config
        if config.report_drop_unit == "reports":
            draw = tf.random.stateless_uniform(tf.shape(word_len), self._draw_seed("reports"))
            return word_ids, tf.where(draw < config.report_drop, 1, word_len)
        draw = tf.random.stateless_uniform(tf.shape(word_ids), self._draw_seed("words"))
        hidden = (draw < config.report_drop) & (tf.range(tf.shape(word_ids)[1]) > 0)  # <START> stays
        return tf.where(hidden, OOV, word_ids), word_len

    def _sampled_words(self, decoder: Decoder, word_ids, word_len) -> tf.Tensor:
        """Scheduled sampling (Bengio et al. 2015) in two passes: words drawn after the true ones replace some."""
        mask = tf.sequence_mask(word_len - 1, tf.shape(word_ids)[1])  # steps that a word follows
        logits = self._word_logits(decoder, decoder.read(word_ids), word_ids, mask)
        drawn = generate.draw_words(logits, self._draw_seed("drawn"))
        use = tf.random.stateless_uniform(tf.shape(drawn), self._draw_seed("sampling")) < self.config.scheduled_sampling
        places = tf.where(mask) + [[0, 1]]
        mixed = tf.where(use, drawn, tf.gather_nd(word_ids, places))
        return tf.stop_gradient(tf.tensor_scatter_nd_update(word_ids, places, mixed))

    def _judge_for_training(self, decoder: Decoder, report: _Report, labels) -> list[tuple[_Judgement, tf.Tensor]]:
        """The classifier on the true reports, on the model's own, or on half of each (`classify_on`), with labels."""
        if not self.config.mode_parts.writes or self.config.classify_on == "true":
            return [(self._judge(report), labels)]
        own = slice(None) if self.config.classify_on == "own" else slice(1, None, 2)
        picture = ImageContext(*(tensor[own] for tensor in decoder.picture))
        word_ids, word_len = self._own_words(decoder, picture)
        judged = [(self._judge(self._read(decoder, report.x[own], word_ids, word_len, picture)), labels[own])]
        if self.config.classify_on == "half":
            judged.append((self._judge(_Report(*(tensor[::2] for tensor in report))), labels[::2]))
        return judged

    def _own_words(self, decoder: Decoder, picture: ImageContext) -> tuple[tf.Tensor, tf.Tensor]:
        """Reports that the model writes now, word_ids [B, T] and word_len [B]: greedily in even steps, drawn in odd."""

        def write(decoding: Decoding) -> tuple[tf.Tensor, tf.Tensor]:
            written = generate.write(decoder, decoding, picture, self._draw_seed("writing"))
            return tf.stop_gradient(written.word_ids), tf.stop_gradient(written.word_len)

        words = self.config.written_words
        even = tf.equal(self._draw[0] % 2, 0)
        return tf.cond(even, lambda: write(Decoding("greedy", words)), lambda: write(Decoding("sample", words)))

    # ---- at test time ----

    def _outputs(self, decoder: Decoder, x, word_ids, word_len) -> dict[str, tf.Tensor]:
        """Everything that can be fetched, by its name in `outputs`."""
        report = self._read(decoder, x, word_ids, word_len)
        tensors = self._report_outputs(report)
        if not self.config.mode_parts.writes:
            return tensors
        following = self._next_words(decoder, report, word_ids, word_ids, word_len)
        of_true_report = {outputs.of_true_report(name): tensor for name, tensor in tensors.items()}
        written = generate.write(decoder, self.decoding)
        return {
            **of_true_report,
            outputs.L_R: losses.report_loss(*following),
            **self._report_outputs(_Report(written.h, written.a, written.mask, x)),
            outputs.WORD_IDS: written.word_ids,
            outputs.WORD_LEN: written.word_len,
            outputs.LOG_PROBABILITY: written.log_probability,
        }

    def _report_outputs(self, report: _Report) -> dict[str, tf.Tensor]:
        """The outputs of one report: its attention maps, their entropies and its labels."""
        words, tensors = tf.reduce_sum(tf.cast(report.mask, tf.float32), 1), {}
        if report.a is not None:
            entropy = losses.relative_entropy(
                tf.reshape(report.a, [*tf.unstack(tf.shape(report.a)[:2]), -1]), report.x.shape[1] ** 2
            )
            tensors[outputs.A] = report.a
            tensors[outputs.A_ENTROPY] = tf.reduce_sum(tf.where(report.mask, entropy, 0.0), 1) / words
        if self.config.mode_parts.classifies:
            judged = self._judge(report)
            tensors |= _label_outputs(judged.logits)
            tensors[outputs.G] = judged.G
            tensors[outputs.G_ENTROPY] = tf.reduce_mean(losses.relative_entropy(judged.G, words[:, None]), 1)
            if judged.a_ws is not None:
                tensors[outputs.A_WS] = judged.a_ws
        return tensors

    # ---- parts ----

    def _transition(self, image: tf.Tensor) -> tf.Tensor:
        config = self.config
        if config.features == "off":
            weights = backbone.get_weights(self.backbone_weights, config.backbone_end)
            image = tf.stop_gradient(backbone.resnet50(backbone.preprocess(image), weights, config.backbone_end))
        image = tf.cast(image, tf.float32)
        if config.feature_norm:
            mean, std = self.feature_statistics
            image = (image - mean) / std
        if config.grid_position:
            image = with_position(image)
        shape = transition_for(config.image_px, config.backbone_end)
        return transition(image, config.transition_channels, shape.kernel, shape.stride)

    def _read(self, decoder: Decoder, x, word_ids, word_len, picture: ImageContext | None = None) -> _Report:
        """Read reports; what lies on padding becomes 0."""
        mask = tf.sequence_mask(word_len, tf.shape(word_ids)[1])
        h, a = decoder.read(word_ids, picture)
        h = tf.where(mask[..., None], h, 0.0)
        return _Report(h, None if a is None else tf.where(mask[..., None, None], a, 0.0), mask, x)

    def _judge(self, report: _Report) -> _Judgement:
        """AETE, SW-GAP and the classifier; the second report that is judged shares the first one's weights."""
        config = self.config
        with tf1.variable_scope(tf1.get_variable_scope(), reuse=tf1.AUTO_REUSE):
            G = embedding.text_attention(report.h, report.mask, config.attention_rows, config.attention_hidden)
            embeddings, a_ws = [embedding.aete(G, report.h)], None
            if report.a is not None:
                a_ws = embedding.saliency_attention(G, report.a)
                embeddings.append(embedding.sw_gap(a_ws, report.x))
            return _Judgement(self._classify(embeddings), G, a_ws)

    def _classify(self, embeddings: list[tf.Tensor]) -> tf.Tensor:
        """x_aete, then what comes from the image, if there is one -> logits [B, K]."""
        config = self.config
        features = tf.concat(embeddings, -1)
        with tf1.variable_scope("classifier"):
            rates = self._dropout_rates(embeddings)
            if get_current_tower_context().is_training and rates.any():
                draw = tf.random.stateless_uniform(tf.shape(features), self._draw_seed("dropout"))
                features = tf.where(draw >= rates, features / (1 - rates), 0.0)
            if config.output_hidden:
                features = tf.nn.relu(fully_connected("hidden", features, config.output_hidden))
            return fully_connected("output", features, K)

    def _dropout_rates(self, embeddings: list[tf.Tensor]) -> np.ndarray:
        """float32, the rate of each feature."""
        config = self.config
        image = config.dropout if config.dropout_image is None else config.dropout_image
        rates = [config.dropout, image][-len(embeddings) :] if config.mode_parts.image else [config.dropout]
        widths = [embedding.shape[-1] for embedding in embeddings]
        return np.repeat(np.float32(rates), widths)

    def _next_words(self, decoder: Decoder, report: _Report, words_in, word_ids, word_len) -> _NextWords:
        """For each word read, the scores of the next one and what it should be: a true word, or <END>.

        A report that was cut has no <END>, and an empty one, which is not known, no words at all.
        """
        T = tf.shape(word_ids)[1]
        ends = tf.where(word_len > self.config.max_words, word_len - 1, word_len)
        counts = tf.where(word_len > 1, ends, 0)
        mask = tf.sequence_mask(counts, T)
        following = tf.pad(word_ids[:, 1:], [[0, 0], [0, 1]], constant_values=PAD)
        following = tf.where(tf.range(T)[None] < word_len[:, None] - 1, following, END)
        logits = self._word_logits(decoder, report, words_in, mask)
        rows = tf.where(mask)[:, 0]
        return _NextWords(logits, tf.boolean_mask(following, mask), rows, tf.cast(counts, tf.float32))

    def _word_logits(self, decoder: Decoder, read, words_in, mask) -> tf.Tensor:
        """Scores of the next word after the steps in `mask` [B, T], packed: [N, V]."""
        z = decoder.contexts(read.a, read.h)
        z = None if z is None else tf.boolean_mask(z, mask)
        return decoder.word_logits(tf.boolean_mask(read.h, mask), tf.boolean_mask(words_in, mask), z)

    def _draw_seed(self, part: str) -> tf.Tensor:
        """int64 [2], for stateless random ops."""
        step, part_of_batch = tf.unstack(tf.cast(self._draw, tf.int64))
        return tf.stack([self.config.seed * len(SEED_PARTS) + SEED_PARTS[part], step * _MAX_PARTS + part_of_batch])

    def optimizer(self) -> tf1.train.Optimizer:
        """Adam; its rate is the variable `adam/learning_rate`, which a callback may lower."""
        rate = tf1.get_variable("adam/learning_rate", initializer=self.config.learning_rate, trainable=False)
        tf1.summary.scalar("learning_rate", rate)
        return tf1.train.AdamOptimizer(rate)


def _label_outputs(logits: tf.Tensor) -> dict[str, tf.Tensor]:
    return {outputs.LOGITS: logits, outputs.PROBABILITIES: tf.sigmoid(logits)}


def _mean(parts: list[tf.Tensor], sizes: list[tf.Tensor]) -> tf.Tensor:
    """The mean over a batch that was split into parts of these sizes."""
    total = tf.cast(tf.add_n(sizes), tf.float32)
    return tf.add_n([part * tf.cast(size, tf.float32) / total for part, size in zip(parts, sizes, strict=True)])
