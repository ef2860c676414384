"""Batches of studies: which studies go together, in which order, and the arrays that the network takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tienet.config import Config
from tienet.data import augmentation
from tienet.data.batch_split import WHOLE_BATCH, BatchSplit
from tienet.data.features.cache import Features, require_images
from tienet.data.image_reading import read_images
from tienet.data.manifest import Manifest
from tienet.data.sentences import word_weights
from tienet.data.text import END, OOV, PAD, START, Vocab
from tienet.errors import InputError

_POOL = 32  # the number of batches whose studies are drawn together and then sorted by length


@dataclass(frozen=True)
class Studies:
    """The N studies of a split, in the form that the network of a mode takes.

    Attributes:
        config: The settings; the mode, the image size and the length of the longest report are used.
        word_ids: For each study int32 [n + 1]: <START> w_1 ... w_n; n is 0 for an empty report.
        labels: float32 [N, K], 1 or 0, NaN where a label is unknown.
        manifest: The manifest of these studies.
        features: The cached outputs of the backbone; None with `features=off` and in modes without an image.
        notes: Remarks for the user about reports that are cut and reports that are empty.
        cut: The positions of the studies whose report is cut at `max_words` words.
        full_stop: The word id of the full stop, which ends a sentence; -1 if the vocabulary has none.
    """

    config: Config
    word_ids: list[np.ndarray]
    labels: np.ndarray
    manifest: Manifest
    features: Features | None
    notes: list[str]
    cut: frozenset[int] = frozenset()
    full_stop: int = -1

    @classmethod
    def from_manifest(
        cls,
        config: Config,
        manifest: Manifest,
        vocab: Vocab,
        features: Features | None = None,
        training: bool = True,
    ) -> "Studies":
        """Encode the reports of a manifest as word ids.

        Args:
            training: Whether the studies are for training; a mode that writes reports needs them only then.
        Raises:
            InputError: The mode needs images and a study has none, or it needs reports and no study has one.
        """
        check_studies(config, manifest, training)
        needed = _needs_reports(config, training)
        encoded = [vocab.encode(report)[:-1] for report in manifest.reports]  # without <END>
        word_ids = [np.concatenate([[START], ids[: config.max_words]]).astype(np.int32) for ids in encoded]
        cut = [n for n, ids in enumerate(encoded) if len(ids) > config.max_words]
        notes = []
        if cut and needed:
            notes.append(
                f"{len(cut)} of {len(manifest)} reports have more than {config.max_words} words and are read up to "
                f"there (the first is {manifest.study_ids[cut[0]]}); --set max_words=N reads more"
            )
        empty = [n for n, ids in enumerate(encoded) if not len(ids)] if needed else []
        if empty:
            first = manifest.study_ids[empty[0]]
            notes.append(f"{len(empty)} of {len(manifest)} reports are empty (the first is {first})")
        (full_stop,) = vocab.encode(".")[:-1]
        full_stop = -1 if full_stop == OOV else int(full_stop)
        if full_stop < 0 and config.shuffle_sentences and needed and training:
            notes.append("the vocabulary has no full stop, so that shuffle_sentences changes nothing")
        return cls(config, word_ids, manifest.labels, manifest, features, notes, frozenset(cut), full_stop)

    def __len__(self) -> int:
        return len(self.word_ids)

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 [N]: the number of word ids of each study, <START> included (n + 1)."""
        return np.array([len(ids) for ids in self.word_ids])

    @cached_property
    def word_weights(self) -> list[np.ndarray]:
        """For each study float32 [n + 1]: what w_1 ... w_n and <END> count in L_R (`sentence_power`)."""
        return word_weights(self.word_ids, self.full_stop, self.config.sentence_power)

    def batch(self, indices: np.ndarray, step: int | None = None) -> list[np.ndarray]:
        """The inputs of the network for the studies at these positions, in the order of `TieNet.inputs`.

        Args:
            step: The update of a training, at which the modes that annotate read them as `tienet.data.augmentation`
                has it, and the modes that write may also get what each word counts in L_R; None: as they are.
        """
        config, mode = self.config, self.config.mode_parts
        varies, others = self._varies(step), self._partners(indices, step)
        arrays, labels = [], self.labels[indices]
        if mode.image:
            images = self.image_inputs(indices)
            arrays = [images if others is None else augmentation.joined_images(images, self.image_inputs(others))]
        if mode.reads:
            reports, lengths = [self._marked_word_ids(n) for n in indices], self.lengths[indices]
            if others is not None:
                pairs = zip(indices, others, strict=True)
                reports = [
                    augmentation.joined_reports(self.word_ids[n], self.word_ids[m], config.max_words) for n, m in pairs
                ]
                lengths = np.array(list(map(len, reports)))
                labels = augmentation.joined_labels(labels, self.labels[others])
            if varies and config.shuffle_sentences:
                seeds = [[config.seed, step, n] for n in indices]
                reports = [self._shuffled(*report) for report in zip(reports, lengths, seeds, strict=True)]
            arrays += [pad(reports), lengths.astype(np.int32)]
        arrays.append(labels)
        if step is not None and config.weighs_sentences:
            padded = np.zeros(arrays[-3].shape, np.float32)
            for row, n in zip(padded, indices, strict=True):
                row[: self.lengths[n]] = self.word_weights[n]
            arrays.append(padded)
        return arrays

    def longest(self, indices: np.ndarray, step: int | None = None) -> int:
        """T of the word ids that `batch` makes with these arguments, in a mode that reads."""
        others = self._partners(indices, step)
        if others is None:
            return max(len(self._marked_word_ids(n)) for n in indices)
        joined = self.lengths[indices] + self.lengths[others] - 1  # they have one <START>
        return min(int(joined.max()), self.config.max_words + 1)

    def longest_possible(self) -> int:
        """The largest number that `longest` gives at any update."""
        longest = self.longest(np.arange(len(self)))
        if self._varies(0) and self.config.join_reports:
            return max(longest, min(2 * int(self.lengths.max()) - 1, self.config.max_words + 1))
        return longest

    def _varies(self, step: int | None) -> bool:
        """Whether reports are read otherwise from update to update."""
        return step is not None and self.config.mode_parts.reads and not self.config.mode_parts.writes

    def _partners(self, indices: np.ndarray, step: int | None) -> np.ndarray | None:
        """The studies that these are joined with at an update; None where they are not."""
        return augmentation.partners(self.config, indices, len(self), step) if self._varies(step) else None

    def _shuffled(self, word_ids: np.ndarray, length: int, seed: list[int]) -> np.ndarray:
        """The report in another order, and what stands behind its words where it was."""
        words = augmentation.shuffled_sentences(word_ids[:length], self.full_stop, seed)
        return np.concatenate([words, word_ids[length:]])

    def _marked_word_ids(self, n: int) -> np.ndarray:
        """The word ids of a study, and behind them, where they do not count, <END> where the next word is predicted.

        The mark is there only if the report has exactly `max_words` words, because `next_words` could not tell it
        from one that was cut.
        """
        ids = self.word_ids[n]
        full = len(ids) == self.config.max_words + 1
        return np.append(ids, np.int32(END)) if self.config.predicts_words and full and n not in self.cut else ids

    def image_inputs(self, indices: np.ndarray) -> np.ndarray:
        """Features float16 [B, h, w, channels], or images uint8 [B, px, px] if no features are cached."""
        if self.features is not None:
            return self.features.take(indices)
        return read_images([self.manifest.images[n] for n in indices], self.config.image_px)


def check_studies(config: Config, manifest: Manifest, training: bool = True) -> None:
    """Check that studies have the images and the reports that the mode needs.

    Args:
        training: As in `Studies.from_manifest`.
    Raises:
        InputError: The mode needs images and a study has none, or it needs reports and no study has one.
    """
    if config.mode_parts.image:
        require_images(manifest, config.mode)
    if _needs_reports(config, training) and not any(manifest.reports):
        raise InputError(
            f"{manifest.path}: no study has a report, and mode {config.mode} reads them; fill the column "
            "'report' or choose a mode that needs the image only"
        )


def _needs_reports(config: Config, training: bool) -> bool:
    return config.mode_parts.reads and (training or not config.mode_parts.writes)


def pad(sequences: list[np.ndarray]) -> np.ndarray:
    """Word ids of several lengths -> int32 [B, T], filled up with <PAD> to the length T of the longest."""
    padded = np.full((len(sequences), max(map(len, sequences))), PAD, np.int32)
    for row, ids in zip(padded, sequences, strict=True):
        row[: len(ids)] = ids
    return padded


def epoch_batches(lengths: np.ndarray, batch: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one epoch, in random order; the reports of a batch have similar lengths.

    The batches depend on the arguments alone, so that a resumed run continues with the same batches. Every study
    occurs once; if the last batch would be short, the studies that were drawn first occur a second time.

    Args:
        lengths: int [N], the number of word ids of each study.
        batch: The number of studies of a batch, at most N.
        seed, epoch: The seed of the run and the number of the epoch, which together seed the random order.
    Returns:
        ceil(N / batch) arrays int64 [batch], positions of studies.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    order = np.concatenate([order, order[: -len(order) % batch]])
    pools = np.split(order, range(_POOL * batch, len(order), _POOL * batch))
    by_length = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = by_length.reshape(-1, batch)
    return list(rng.permutation(batches))


def fitted_batch(batch: int, train: Manifest, batch_split: BatchSplit) -> int:
    """The number of studies per update: `batch`, or fewer, of equal parts, if there are fewer training studies.

    Raises:
        InputError: There are fewer studies than parts.
    """
    fitted = min(batch, len(train) // batch_split.parts * batch_split.parts)
    if not fitted:
        raise InputError(
            f"{train.path}: {len(train)} training studies cannot be shared by {batch_split.parts} "
            "parts of a batch; use fewer GPUs or workers"
        )
    return fitted


class TrainingBatches:
    """Endless training batches from step `first_step` on, in the parts that the towers of this worker take.

    Each item has the arrays of `Studies.batch` for one part, and then `draw`: int32 [2], the step and the number of
    the part in the whole batch.

    Attributes:
        steps_per_epoch: The number of updates per epoch.
        part_size: The number of studies of each part.
        error: The exception that reading raised, or None. It is kept here because the thread that fills the queue
            would otherwise end the run without a message.
    """

    def __init__(
        self, studies: Studies, batch: int, seed: int, batch_split: BatchSplit = WHOLE_BATCH, first_step: int = 0
    ):
        """Raises InputError if there are fewer studies than parts."""
        self._studies, self._seed, self._batch_split = studies, seed, batch_split
        self._batch = fitted_batch(batch, studies.manifest, batch_split)
        self.part_size = self._batch // batch_split.parts
        self._first_step = first_step
        self._lengths = studies.lengths
        self.steps_per_epoch = -(-len(studies) // self._batch)
        self.error: BaseException | None = None

    def __len__(self) -> int:
        return self.steps_per_epoch * self._batch_split.accumulate * self._batch_split.towers

    def parts_of(self, step: int) -> list[np.ndarray]:
        """The positions of the studies in each part that this worker takes in a step (counted from 0)."""
        epoch, n = divmod(step, self.steps_per_epoch)
        return self._own_parts(self._batches_of_epoch(epoch)[n])

    def longest_reports(self, updates: int) -> np.ndarray:
        """T of each part, of all workers, in the first updates of a training: int64 [updates * parts]."""
        epochs = range(-(-updates // self.steps_per_epoch))
        batches = [indices for epoch in epochs for indices in self._batches_of_epoch(epoch)][:updates]
        parts = self._batch_split.parts
        longest = self._studies.longest
        return np.array([longest(part, n) for n, batch in enumerate(batches) for part in np.split(batch, parts)])

    def study_ids(self, indices: np.ndarray) -> list[str]:
        """The study ids at these positions."""
        return [self._studies.manifest.study_ids[n] for n in indices]

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        try:
            epoch, skip = divmod(self._first_step, self.steps_per_epoch)
            while True:
                for n, indices in enumerate(self._batches_of_epoch(epoch)[skip:], skip):
                    step = epoch * self.steps_per_epoch + n
                    for part, studies in zip(self._batch_split.own_parts(), self._own_parts(indices), strict=True):
                        yield [*self._studies.batch(studies, step), np.array([step, part], np.int32)]
                epoch, skip = epoch + 1, 0
        except Exception as error:
            self.error = error
            raise

    def _batches_of_epoch(self, epoch: int) -> list[np.ndarray]:
        return epoch_batches(self._lengths, self._batch, self._seed, epoch)

    def _own_parts(self, indices: np.ndarray) -> list[np.ndarray]:
        parts = np.split(indices, self._batch_split.parts)
        return [parts[n] for n in self._batch_split.own_parts()]


def evaluation_batches(lengths: np.ndarray, batch: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield every study once, in the order of length, as pairs (int64 [batch], number of studies that count).

    The last array is filled up with its last study, so that all arrays have the same shape and the compiled steps
    need no other one.
    """
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        yield np.concatenate([part, np.repeat(part[-1:], batch - len(part))]), len(part)
