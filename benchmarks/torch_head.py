"""The head of mode `report` in PyTorch, eager, for comparison: from x to the loss, and an update by Adam.

It is written from the equations, as PyTorch is usually written: modules, a Python loop over the words, automatic
differentiation. With the weights of our graph and without dropout it gives the same loss on the same batch. It covers
what the paper's settings need; of the further settings only the sizes are taken.

Axes: B batch, T words, L locations, C channels, A attention units, H LSTM units, V vocabulary, r attention rows.
"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import operations
from benchmarks.measuring import Measured, peak_memory, repeat
from tienet.config import Config
from tienet.data.text import END, SPECIALS, START
from tienet.labels import K

MIN_SECONDS = 2.0  # updates are timed for this long


class Head(nn.Module):
    """The network behind the transition, with the losses.

    Args:
        config: Sizes, the weights of the losses and the dropout, of mode `report`.
        vocab_size: V.
        word_dim: E.
    """

    def __init__(self, config: Config, vocab_size: int, word_dim: int):
        super().__init__()
        C, H, A = config.transition_channels, config.lstm_units, config.attention_units
        self.config = config
        self.word_vectors = nn.Embedding(vocab_size, word_dim)
        self.h_0, self.c_0 = nn.Linear(C, H), nn.Linear(C, H)
        self.attention_x = nn.Linear(C, A)
        self.attention_h = nn.Linear(H, A, bias=False)
        self.attention_v = nn.Linear(A, 1, bias=False)
        self.cell = nn.LSTMCell(word_dim + C, H)
        nn.init.zeros_(self.cell.bias_hh).requires_grad_(False)  # the equations have one bias
        self.word_softmax = nn.Linear(H, vocab_size)
        self.W_s1 = nn.Linear(H, config.attention_hidden, bias=False)
        self.W_s2 = nn.Linear(config.attention_hidden, config.attention_rows, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(H + C, K)

    def forward(self, x, word_ids, word_len, labels) -> torch.Tensor:
        """The loss of eq. 7, a scalar.

        Args:
            x: float32 [B, L, C].
            word_ids: int64 [B, T], <START> first.
            word_len: int64 [B], how many of T count; no report is empty or was cut.
            labels: float32 [B, K], 1 or 0.
        """
        mask = torch.arange(word_ids.shape[1], device=x.device) < word_len[:, None]
        h, a = self.read(x, self.word_vectors(word_ids))
        h, a = h * mask[..., None], a * mask[..., None]
        G = self.text_attention(h, mask)
        logits = self.classifier(self.dropout(torch.cat([self.aete(G, h), self.sw_gap(G, a, x)], 1)))
        L_C = F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(1).mean()
        eye = torch.eye(G.shape[1], device=x.device)
        penalty = ((G @ G.transpose(1, 2) - eye) ** 2).sum((1, 2)).mean()
        coverage = ((1 - a.sum(1)) ** 2).sum(1).mean()
        config, alpha = self.config, self.config.loss_alpha
        writing = self.report_loss(h, word_ids, word_len, mask) + config.doubly_stochastic * coverage
        return alpha * L_C + config.penalty * penalty + (1 - alpha) * writing + config.l2 * self.l2()

    def read(self, x, words) -> tuple[torch.Tensor, torch.Tensor]:
        """The attention LSTM of Xu et al. over given words [B, T, E]: h [B, T, H] and a [B, T, L]."""
        mean = x.mean(1)
        h, c = torch.tanh(self.h_0(mean)), torch.tanh(self.c_0(mean))
        u = self.attention_x(x)
        all_h, all_a = [], []
        for t in range(words.shape[1]):
            scores = self.attention_v(torch.tanh(u + self.attention_h(h)[:, None])).squeeze(2)
            a = torch.softmax(scores, 1)
            z = torch.bmm(a[:, None], x).squeeze(1)
            h, c = self.cell(torch.cat([words[:, t], z], 1), (h, c))
            all_h.append(h)
            all_a.append(a)
        return torch.stack(all_h, 1), torch.stack(all_a, 1)

    def report_loss(self, h, word_ids, word_len, mask) -> torch.Tensor:
        """L_R: the mean over the reports of the mean of -ln p(w) over each one's words, <END> among them."""
        following = F.pad(word_ids[:, 1:], (0, 1), value=END).scatter(1, word_len[:, None] - 1, END)
        nll = F.cross_entropy(self.word_softmax(h).transpose(1, 2), following, reduction="none")
        return ((nll * mask).sum(1) / word_len).mean()

    def text_attention(self, h, mask) -> torch.Tensor:
        """Eq. 3: G [B, r, T], the softmax over the real words."""
        scores = self.W_s2(torch.tanh(self.W_s1(h))).transpose(1, 2)
        return torch.softmax(scores.masked_fill(~mask[:, None], float("-inf")), 2)

    def aete(self, G, h) -> torch.Tensor:
        """x_aete [B, H]: the maximum over the r rows of G h."""
        return (G @ h).amax(1)

    def sw_gap(self, G, a, x) -> torch.Tensor:
        """x_swgap [B, C]: eq. 4 and 5."""
        a_ws = torch.einsum("bt,btl->bl", G.amax(1), a)
        return torch.einsum("bl,blc->bc", a_ws, x)

    def l2(self) -> torch.Tensor:
        """The sum of w^2 / 2 over the matrices, not over biases and word vectors."""
        names = [name for name, _ in self.named_parameters() if "weight" in name and name != "word_vectors.weight"]
        return 0.5 * sum((self.get_parameter(name) ** 2).sum() for name in names)

    @torch.no_grad()
    def take_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take the weights of our graph, each by its variable's name."""
        layers = {
            "lstm/h_0": self.h_0, "lstm/c_0": self.c_0, "lstm/attention_x": self.attention_x,
            "lstm/attention_h": self.attention_h, "lstm/attention_v": self.attention_v,
            "text_attention/W_s1": self.W_s1, "text_attention/W_s2": self.W_s2, "classifier/output": self.classifier,
        }  # fmt: skip
        arrays = {}
        for name, layer in layers.items():
            arrays |= {layer.weight: weights[f"{name}/W"].T}
            if layer.bias is not None:
                arrays |= {layer.bias: weights[f"{name}/b"]}
        W_in = np.concatenate([weights["lstm/W_w"], weights["lstm/W_z"]])
        arrays |= {
            self.word_vectors.weight: weights["word_vectors"],
            self.word_softmax.weight: weights["word_softmax/W_o"].T,
            self.word_softmax.bias: weights["word_softmax/b"],
            self.cell.weight_ih: _in_order_of_torch(W_in).T,
            self.cell.weight_hh: _in_order_of_torch(weights["lstm/W_r"]).T,
            self.cell.bias_ih: _in_order_of_torch(weights["lstm/b"]),
        }
        for parameter, array in arrays.items():
            assert tuple(parameter.shape) == array.shape, f"{array.shape} for {tuple(parameter.shape)}"
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def _in_order_of_torch(gates: np.ndarray) -> np.ndarray:
    """The gates i, f, o, g along the last axis in PyTorch's order, i, f, g, o."""
    i, f, o, g = np.split(gates, 4, axis=-1)
    return np.concatenate([i, f, g, o], axis=-1)


# ---- timing ----


def updates(
    head: nn.Module, batch: list[torch.Tensor], learning_rate: float, compiled: bool = False
) -> Callable[[], torch.Tensor]:
    """A function that makes one update by Adam and returns the loss before it; on a GPU it waits for its end."""
    optimizer = torch.optim.Adam([p for p in head.parameters() if p.requires_grad], lr=learning_rate)
    loss_of = torch.compile(head) if compiled else head

    def update() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        if batch[0].is_cuda:
            torch.cuda.synchronize()
        return loss.detach()

    return update


def step(
    words: int = 64,
    batch: int = 32,
    side: int = 16,
    vocabulary: int = 1457,
    word_dim: int = 200,
    steps: int = 6,
    least_seconds: float = MIN_SECONDS,
    compiled: bool = False,
    settings: dict[str, object] | None = None,
) -> Measured:
    """Updates of the head on random studies, on the GPU if there is one; float32 products may take TF32, as ours do.

    Args:
        words: T.
        side: Of the grid, L = side * side.
        steps, least_seconds: As in `measure_network.step`.
        compiled: Whether `torch.compile` compiles the forward and the backward pass.
        settings: Settings of `Config`.
    """
    config = Config().replace(mode="report", backbone_end="res4f", image_px=256, **(settings or {}))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True
    head = Head(config, vocabulary, word_dim).to(device)
    studies = [torch.from_numpy(array).to(device) for array in random_batch(config, batch, words, side, vocabulary)]
    update = updates(head, studies, config.learning_rate, compiled)
    first = repeat(update, 2, warm_up=0)
    seconds = repeat(update, steps, warm_up=1, least_seconds=least_seconds)
    sizes = operations.Sizes.from_config(config, batch, words, vocabulary, word_dim)
    sizes = dataclasses.replace(sizes, L=side**2)
    parts = operations.training_step(config, sizes, head_only=True)
    more = {"first_seconds": round(sum(first), 3), "all_seconds": [round(value, 4) for value in seconds]}
    if device.type == "cuda":
        more["gpu_bytes"] = torch.cuda.max_memory_allocated()
    return Measured(statistics.median(seconds), peak_memory(), operations.total(parts), more=more)


def random_batch(config: Config, B: int, T: int, side: int, V: int) -> list[np.ndarray]:
    """x, word_ids, word_len and labels of B studies with T words each, for `Head.forward`."""
    rng = np.random.default_rng(0)
    x = rng.random((B, side * side, config.transition_channels), np.float32)
    word_ids = rng.integers(len(SPECIALS), V, (B, T))
    word_ids[:, 0] = START
    return [x, word_ids, np.full(B, T), rng.integers(0, 2, (B, K)).astype(np.float32)]
