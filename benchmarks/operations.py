"""How many floating-point operations the work needs, by formula, for each part of the network.

- The product of [m, k] and [k, n] counts 2 m k n; a convolution counts as the matrix product that it is.
- One number added, multiplied, compared, or put through exp, tanh, sigm or sqrt counts 1; the softmax of n numbers 5 n
  (maximum, difference, exp, sum, quotient).
- A product's gradient is a product for each of its two sides, each of the same size, where that side has weights
  before it. The frozen backbone has none, so the transition needs no dx; nor does a step of the head alone.
- What is computed a second time (tanh in the backward pass), copied, cast, transposed or padded is not needed and does
  not count.

Axes: B batch, T words, L locations, N backbone channels, C channels, A attention units, H LSTM units, E word vector,
V vocabulary, r attention rows, s attention hidden units, K labels, F features of the classifier.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tienet.config import Config
from tienet.grid import ENDS, GRID_SIDE, transition_for
from tienet.labels import K

SOFTMAX = 5  # operations for one number
ADAM = 12  # operations for one weight: 3 for m, 4 for v, 5 for the update


@dataclass(frozen=True)
class Sizes:
    """The sizes that the letters above stand for; `kernel` is the side of the transition's kernel."""

    B: int
    T: int
    V: int
    E: int
    L: int
    N: int
    C: int
    A: int
    H: int
    r: int
    s: int
    kernel: int = 1
    K: int = K

    @classmethod
    def from_config(cls, config: Config, B: int, T: int, V: int, E: int) -> "Sizes":
        """The sizes of a config, for B reports of T words (<START> is one of them)."""
        return cls(
            B=B,
            T=T,
            V=V,
            E=E,
            L=GRID_SIDE**2,
            N=ENDS[config.backbone_end][1],
            C=config.transition_channels,
            A=config.attention_units,
            H=config.lstm_units,
            r=config.attention_rows,
            s=config.attention_hidden,
            kernel=transition_for(config.image_px, config.backbone_end).kernel,
        )


@dataclass(frozen=True)
class Work:
    """The operations of one part: in matrix products and one number at a time, forward and for the gradient."""

    products: int = 0
    elementwise: int = 0
    gradient_products: int = 0
    gradient_elementwise: int = 0

    @property
    def total(self) -> int:
        """All operations."""
        return self.products + self.elementwise + self.gradient_products + self.gradient_elementwise

    @property
    def forward(self) -> int:
        """The operations without those of the gradient."""
        return self.products + self.elementwise


# ---- the parts ----


def transition(z: Sizes) -> Work:
    """x = relu(W * features + b), a convolution to L locations; its gradient is dW and db."""
    product, outputs = 2 * z.B * z.L * z.N * z.kernel**2 * z.C, z.B * z.L * z.C
    return Work(product, 2 * outputs, product, 2 * outputs)


def locations(z: Sizes, x_gradient: bool) -> Work:
    """u = W_x x + b_x;  h_0, c_0 = tanh(W mean_l x + b). Once for each image."""
    product = 2 * z.B * z.L * z.C * z.A + 2 * (2 * z.B * z.C * z.H)
    inputs, outputs, states = z.B * z.L * z.C, z.B * z.L * z.A, 2 * z.B * z.H
    return Work(
        product,
        inputs + outputs + 2 * states,
        product * (1 + x_gradient),
        outputs + 4 * states + 2 * inputs * x_gradient,
    )


def word_gates(z: Sizes) -> Work:
    """W_w w_t + b, [B, T, 4H]; the word vectors are weights too."""
    product, outputs = 2 * z.B * z.T * z.E * 4 * z.H, z.B * z.T * 4 * z.H
    return Work(product, outputs, 2 * product, outputs + z.B * z.T * z.E)


def attention(z: Sizes) -> Work:
    """e_t = v . tanh(u + W_h h_{t-1});  a_t = softmax(e_t)."""
    query, scores = 2 * z.B * z.T * z.H * z.A, 2 * z.B * z.T * z.L * z.A
    units, places = z.B * z.T * z.L * z.A, z.B * z.T * z.L
    return Work(
        query + scores,
        2 * units + SOFTMAX * places,  # the sum and its tanh
        2 * (query + scores),
        5 * units + 4 * places,  # (1 - tanh^2) de v, and its sums over l, for the query, and over t, for u
    )


def contexts(z: Sizes, x_gradient: bool) -> Work:
    """z_t = sum_l a_t[l] x[l]."""
    product = 2 * z.B * z.T * z.L * z.C
    return Work(product, 0, product * (1 + x_gradient), z.B * z.L * z.C * x_gradient)


def recurrence(z: Sizes, image: bool) -> Work:
    """gates = W_w w_t + b + W_r h_{t-1} + W_z z_t;  c_t = sigm(f) c_{t-1} + sigm(i) tanh(g);  h_t = sigm(o) tanh(c_t).

    Without an image there is no z, and h_0 = 0 needs no product.
    """
    outputs, units = z.B * z.T * 4 * z.H, z.B * z.T * z.H
    if image:
        product = 2 * z.B * z.T * (z.C + z.H) * 4 * z.H
        return Work(product, 2 * outputs + 9 * units, 2 * product, 24 * units)
    product = 2 * z.B * (z.T - 1) * z.H * 4 * z.H
    return Work(product, outputs + 9 * units, 2 * product, 23 * units)


def vocabulary_softmax(z: Sizes, words: int | None = None) -> Work:
    """-ln softmax(W_o h_t + b) of the words that follow, all B T of them or `words`."""
    words = z.B * z.T if words is None else words
    product, scores = 2 * words * z.H * z.V, words * z.V
    return Work(product, (1 + SOFTMAX) * scores, 2 * product, 3 * scores)


def coverage(z: Sizes) -> Work:
    """Xu's term: sum_l (1 - sum_t a_t[l])^2."""
    return Work(0, z.B * z.T * z.L + 3 * z.B * z.L, 0, z.B * z.T * z.L + 2 * z.B * z.L)


def aete(z: Sizes) -> Work:
    """G = softmax(W_s2 tanh(W_s1 h));  x_aete = max over the rows of G h;  the penalty ||G G^T - I||^2."""
    words = z.B * z.T
    product = 2 * words * z.H * z.s + 2 * words * z.s * z.r + 2 * words * z.r * z.H + 2 * words * z.r * z.r
    rest = z.B * z.r * z.H + 3 * z.B * z.r * z.r
    return Work(
        product,
        words * z.s + SOFTMAX * words * z.r + rest,
        2 * product,
        3 * words * z.s + 4 * words * z.r + rest,
    )


def sw_gap(z: Sizes, x_gradient: bool) -> Work:
    """a_ws = sum_t (max over the rows of G[:, t]) a_t;  x_swgap = sum_l a_ws[l] x[l]."""
    saliency, pooled = 2 * z.B * z.T * z.L, 2 * z.B * z.L * z.C
    largest = z.B * z.r * z.T
    return Work(
        saliency + pooled,
        largest,
        2 * saliency + pooled * (1 + x_gradient),
        largest + z.B * z.L * z.C * x_gradient,
    )


def pooling(z: Sizes) -> Work:
    """Mode classify: x* + 1/r ln(mean_l exp(r (x - x*))), x* the channel's maximum."""
    return Work(0, 5 * z.B * z.L * z.C, 0, 3 * z.B * z.L * z.C)


def classifier(z: Sizes, F: int) -> Work:
    """Dropout, W f + b, and the weighted cross-entropy of K labels."""
    product = 2 * z.B * F * z.K
    return Work(product, 2 * z.B * F + 10 * z.B * z.K, 2 * product, z.B * F + 3 * z.B * z.K)


def adam(weights: int, decayed: int) -> Work:
    """Adam on all weights, and the L2 term (its value and its gradient) of those that it covers."""
    return Work(0, 2 * decayed, 0, 2 * decayed + ADAM * weights)


# ---- sums ----


def training_step(config: Config, z: Sizes, head_only: bool = False) -> dict[str, Work]:
    """Part -> its work in one training step; the layout of `Config`'s defaults, without the options.

    Args:
        head_only: Whether x is given, so that there is no transition and x needs no gradient.
    """
    mode, x_gradient = config.mode_parts, not head_only
    parts: dict[str, Work] = {}
    if mode.image and not head_only:
        parts["transition"] = transition(z)
    if mode.image and mode.reads:
        parts |= {"W_x x": locations(z, x_gradient), "attention": attention(z), "contexts": contexts(z, x_gradient)}
    if mode.reads:
        parts |= {"word gates": word_gates(z), "recurrence": recurrence(z, mode.image)}
    if mode.writes:
        parts |= {"vocabulary softmax": vocabulary_softmax(z), "coverage": coverage(z)}
    if mode.classifies and mode.reads:
        parts["AETE"] = aete(z)
        if mode.image:
            parts["SW-GAP"] = sw_gap(z, x_gradient)
    if mode.classifies and not mode.reads:
        parts["pooling"] = pooling(z)
    if mode.classifies:
        parts["classifier"] = classifier(z, _features(config, z))
    parts["Adam"] = adam(*weights_of(config, z, head_only))
    return parts


def weights_of(config: Config, z: Sizes, head_only: bool = False) -> tuple[int, int]:
    """How many weights are trained, and how many of them the L2 term covers (not biases, not word vectors)."""
    mode, decayed, other = config.mode_parts, 0, 0
    if mode.image and not head_only:
        decayed, other = decayed + z.kernel**2 * z.N * z.C, other + z.C
    if mode.reads:
        decayed, other = decayed + (z.E + z.H) * 4 * z.H, other + z.V * z.E + 4 * z.H
    if mode.image and mode.reads:  # h_0 and c_0, W_x, W_h and v, W_z
        decayed += 2 * z.C * z.H + z.C * z.A + z.H * z.A + z.A + z.C * 4 * z.H
        other += 2 * z.H + z.A
    if mode.writes:
        decayed, other = decayed + z.H * z.V, other + z.V
    if mode.classifies and mode.reads:
        decayed += z.H * z.s + z.s * z.r
    if mode.classifies:
        decayed, other = decayed + _features(config, z) * z.K, other + z.K
    return decayed + other, decayed


def decoding(z: Sizes, words: int, width: int = 1) -> dict[str, Work]:
    """Writing B reports of `words` words, from features: as training's forward pass, over words + 1 states.

    Args:
        z: The sizes; T is ignored.
        words: The words of each report.
        width: The width of the beam, all of whose states count, in the first step too; 1: greedy.
    """
    rows = replace(z, B=z.B * width, T=words + 1)
    parts = {
        "transition": transition(z),
        "W_x x": locations(z, False),
        "attention": attention(rows),
        "contexts": contexts(rows, False),
        "word gates": word_gates(rows),
        "recurrence": recurrence(rows, True),
        "vocabulary softmax": vocabulary_softmax(rows, rows.B * words),
        "choice": Work(0, rows.B * words * z.V),
    }
    return {name: Work(work.products, work.elementwise) for name, work in parts.items()}


def total(parts: dict[str, Work]) -> int:
    """The operations of all parts together."""
    return sum(work.total for work in parts.values())


def bootstrap(resamples: int, patients: int, studies: int, negatives: Sequence[int], positives: Sequence[int]) -> int:
    """AUC intervals, in operations on whole numbers.

    A resample counts its patients and looks up a weight for each study; each label then needs the running sum of its
    n negatives and four operations for each of its p positives: studies + patients + sum over the labels of n + 4 p.
    """
    labels = sum(n + 4 * p for n, p in zip(negatives, positives, strict=True))
    return resamples * (patients + studies + labels)


def skip_gram(words: float, dim: int, window: int = 5, negative: int = 5) -> int:
    """word2vec, by skip-gram with negative samples, on `words` running words (after its own subsampling).

    A word has window + 1 neighbours on average (the window's side is drawn from 1 to `window`); a pair needs, for the
    word and each negative sample, a dot product and two updates of a vector (2 dim each), and one more addition of dim.
    """
    return round(words * (window + 1) * ((1 + negative) * 6 * dim + dim))


def _features(config: Config, z: Sizes) -> int:
    mode = config.mode_parts
    return z.H * mode.reads + z.C * mode.image
