"""What XLA compiles for a training on a GPU, for all its lengths at once and before the first update.

XLA compiles for seconds for each number of steps that the loops over the words have (`padded_lengths`), and as it comes
to each of them, on one core or two. Here the gradients are computed once for a made-up part of a batch of each length,
each in a thread of its own, and thrown away: no weight changes, and no batch is taken from the queue.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tensorpack.callbacks import Callback

from tienet import cpu
from tienet.config import Config
from tienet.data.text import OOV, START
from tienet.modeling.lstm import way
from tienet.modeling.model import TieNet, Tower

LEAST_CORES = 4
"""The fewest CPU cores with which it is done."""

_WAYS_TO_WRITE = 2  # greedily and at random, by the update's number


def compile_ahead(model: TieNet, lengths: Sequence[int], part_size: int) -> list[Callback]:
    """The callback that compiles for these lengths, where that is worth it.

    It is not on a CPU, whose code serves every length, nor in a mode that reads nothing, nor with few cores, of which
    one length keeps two busy. With `features=off` it would hold the backbone's arrays for all lengths at once. Each
    length is then compiled as it comes.

    Args:
        part_size: The studies that a tower takes at a time.
    """
    worth_it = way.whole() and cpu.usable_cores() >= LEAST_CORES
    possible = model.config.mode_parts.reads and model.config.features != "off"
    return [CompileAhead(model, lengths, part_size)] if worth_it and possible else []


class CompileAhead(Callback):
    """Compiles before the first update; see `compile_ahead`."""

    _chief_only = False

    def __init__(self, model: TieNet, lengths: Sequence[int], part_size: int):
        self._model, self._lengths, self._part_size = model, lengths, part_size

    def _before_train(self) -> None:
        feeds = list(self._feeds())
        if self.trainer.is_chief:
            lengths = ", ".join(map(str, self._lengths))
            print(f"compiling for the GPU: reports are padded to {lengths} words", file=sys.stderr)
        try:
            with ThreadPoolExecutor(min(len(feeds), cpu.usable_cores())) as pool:
                for _ in pool.map(self._compute, feeds):
                    pass
        except tf.errors.ResourceExhaustedError:  # the GPU holds no arrays of several parts; the updates compile then
            return

    def _compute(self, feed: dict[tf.Tensor, np.ndarray]) -> None:
        self.trainer.sess.run(self.trainer.gradients, feed)

    def _feeds(self) -> Iterator[dict[tf.Tensor, np.ndarray]]:
        """What is fed for each length, the longest first; then, in modes that read own words, for each way to write."""
        lengths, config = sorted(self._lengths), self._model.config
        longest_own = next((length for length in lengths if length > config.written_words), lengths[-1])
        for length in reversed(lengths):
            yield self._feed(length, 0, min(length, longest_own))
        if config.reads_own_words:
            for update in range(_WAYS_TO_WRITE):
                yield self._feed(lengths[0], update, None)

    def _feed(self, length: int, update: int, own: int | None) -> dict[tf.Tensor, np.ndarray]:
        """A part of a batch for each tower, whose reports all have this length.

        Args:
            own: The length of the reports that the network would write for itself; None: it writes them.
        """
        fed = {}
        for tower in self._model.towers:
            of_tower = _part(self._model.config, tower, self._part_size, length, update)
            fed |= {tower.inputs[name]: array for name, array in of_tower.items()}
            if own is not None and tower.own_ids is not None:
                rows = len(range(self._part_size)[self._model.config.own_rows])
                fed |= {tower.own_ids: _word_ids(rows, own), tower.own_len: np.full(rows, own, np.int32)}
        return fed


def _part(config: Config, tower: Tower, size: int, length: int, update: int) -> dict[str, np.ndarray]:
    """Arrays for all inputs of a tower, by name."""
    made = {
        "word_ids": _word_ids(size, length),
        "word_len": np.full(size, length, np.int32),
        "draw": np.array([update, 0], np.int32),
    }
    if config.weighs_sentences:
        made["word_weights"] = np.ones((size, length), np.float32)
    for name, tensor in tower.inputs.items():
        if name not in made:  # features and labels
            made[name] = np.zeros([size, *tensor.shape[1:]], tensor.dtype.as_numpy_dtype)
    return made


def _word_ids(size: int, length: int) -> np.ndarray:
    """int32 [size, length]: reports of unknown words."""
    word_ids = np.full((size, length), OOV, np.int32)
    word_ids[:, 0] = START
    return word_ids
