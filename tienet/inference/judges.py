"""The two networks that choose among the candidates of a report: a reader of its text, and a judge of its image.

The reader is a run of mode `annotate-text`: it says which findings a candidate names. The judge is a run of mode
`classify`: it says which findings the image shows, and never sees a candidate. (The classifier of mode `report` reads
what is written, so it would agree with any candidate.) Each may be several runs, which are one model then.
"""

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from tienet.checkpoint.identity import Identity
from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.checkpoint.together import Load, OpenedRuns, open_model
from tienet.data.manifest import Manifest
from tienet.data.text import MAX_UNKNOWN_SHARE_OF_ALL, SPECIALS
from tienet.errors import InputError
from tienet.inference.candidate_scores import Evidence, agreement, choose
from tienet.inference.together import PredictorTogether
from tienet.labels import K
from tienet.modeling.decoding import Decoding


class Judges:
    """The reader and the judge of one writer. Use it as a context manager, which frees their sessions.

    It is made, and all is checked, without TensorFlow; the networks are loaded for the first candidates.

    Attributes:
        reader, judge: The opened runs, each what `open_model` opens.
        notes: Remarks for the user.

    Args:
        writer: The run that writes the candidates, or what `open_run` opens.
        reader: A run of mode `annotate-text`, or several.
        judge: A run of mode `classify` that takes the same images as the writer, or several.
        features: As in `Predictor`, for the writer and the judge.
    Raises:
        InputError: A run is of another mode or lacks a file, the judge has no thresholds, one does not fit the
            writer, or several do not fit together.
    """

    def __init__(
        self,
        writer: str | Path | OpenedRun,
        reader: Load | OpenedRuns | Sequence[Load],
        judge: Load | OpenedRuns | Sequence[Load],
        features: str = "off",
    ):
        writer, self.reader, self.judge = open_run(writer), open_model(reader), open_model(judge)
        for flag, run, mode in (("--reader", self.reader, "annotate-text"), ("--judge", self.judge, "classify")):
            run.check_mode(flag, (mode,))
            run.check_files()
        if np.isnan(self.judge.thresholds()).all():
            raise InputError(f"--judge {self.judge.load}: has no thresholds; tienet calibrate chooses them")
        for run in self.judge.runs:
            _check_images(writer, run)
        self.notes = list(filter(None, (_check_words(writer, run) for run in self.reader.runs)))
        self._features, self._lock = features, threading.Lock()

    def __enter__(self) -> "Judges":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the sessions."""
        for name in ("_reader_network", "_judge_network"):
            if name in vars(self):  # it was loaded
                vars(self).pop(name).close()

    @cached_property
    def _reader_network(self) -> PredictorTogether:
        return PredictorTogether(self.reader)

    @cached_property
    def _judge_network(self) -> PredictorTogether:
        return PredictorTogether(self.judge, self._features)

    def choose(
        self, image: np.ndarray, reports: Sequence[Sequence[str]], scores: Sequence[np.ndarray], decoding: Decoding
    ) -> np.ndarray:
        """Which candidate of each image is the best, int64 [B].

        Args:
            image: What the writer takes of B images: features float16 [B, h, w, channels], or uint8 [B, px, px].
            reports: For each image its W candidates.
            scores: Their log-probabilities, float32 [B, W], and lengths, int32 [B, W], of `outputs.CANDIDATES`.
            decoding: Has the weights.
        """
        return choose(self.evidence(image, reports, *scores), decoding)

    def evidence(
        self,
        image: np.ndarray,
        reports: Sequence[Sequence[str]],
        log_probability: np.ndarray,
        word_len: np.ndarray,
    ) -> Evidence:
        """What the candidates are scored by; the arguments are those of `choose`."""
        said = self.read([report for row in reports for report in row]).reshape(*word_len.shape, K)
        agreements = np.stack([agreement([report.split() for report in row]) for row in reports])
        return Evidence(log_probability, word_len, said, self.look(image), self.judge.thresholds(), agreements)

    def look(self, image: np.ndarray) -> np.ndarray:
        """The judge's probabilities for B images, float32 [B, K]."""
        labels = np.full((len(image), K), np.nan, np.float32)
        with self._lock:  # several threads may ask first
            network = self._judge_network
        return network.label_batch([image, labels])

    def read(self, reports: Sequence[str]) -> np.ndarray:
        """The reader's probabilities for N reports, float32 [N, K]; equal reports are read once."""
        place = {report: n for n, report in enumerate(dict.fromkeys(reports))}
        with self._lock:
            network = self._reader_network
        return network.probabilities(network.studies(_as_studies(list(place))))[[place[report] for report in reports]]


def _as_studies(reports: list[str]) -> Manifest:
    """Reports alone in the form in which networks take studies."""
    N = len(reports)
    ids, labels = [str(n) for n in range(N)], np.full((N, K), np.nan, np.float32)
    return Manifest("candidates", Path("candidates"), ids, ids, [None] * N, reports, np.full(N, "test"), labels)


def _check_images(writer: OpenedRun, judge: OpenedRun) -> None:
    """Raise InputError unless the two networks take an image in the same form."""
    for name in ("image_px", "backbone_end", "backbone_dtype"):
        one, other = getattr(judge.config, name), getattr(writer.config, name)
        if one != other:
            raise InputError(
                f"--judge {judge.load}: {name} is {one}, and {other} in {writer.load}, whose images it judges; "
                "give one that was trained on the same images"
            )
    if _backbone_of(judge) != _backbone_of(writer):
        raise InputError(
            f"--judge {judge.load}: has another backbone than {writer.load}; give one with the same weights"
        )


def _backbone_of(run: OpenedRun) -> str:
    """The fingerprint of the backbone's weights."""
    return Identity.of_run(run).backbone


def _check_words(writer: OpenedRun, reader: OpenedRun) -> str | None:
    """A note on the words that the reader does not know; None if it knows all that the writer may write.

    Raises:
        InputError: It lacks more than `MAX_UNKNOWN_SHARE_OF_ALL` of them.
    """
    words = writer.vocab.words[len(SPECIALS) :]
    unknown = sum(word not in reader.vocab.ids for word in words) / max(len(words), 1)
    if unknown > MAX_UNKNOWN_SHARE_OF_ALL:
        raise InputError(
            f"--reader {reader.load}: its vocabulary lacks {unknown:.0%} of the words that {writer.load} writes; "
            "give one that was trained on reports like these"
        )
    return f"the reader {reader.load} does not know {unknown:.1%} of the writer's words" if unknown else None
