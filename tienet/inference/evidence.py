"""Which sentence of a report a named finding comes from.

The network reads the report again without each of its sentences (leave one out): the finding comes from the one without
which its probability falls most. Where it is named without any one of them, as where it is told twice, the network
reads each sentence alone, and the finding comes from the one that gives it the highest probability.

This asks the network itself, and needs no attention: g tells where the network looks, which are often words that stand
in every report.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tienet.data.text import FINDINGS as FINDINGS_HEADING
from tienet.data.text import IMPRESSION
from tienet.labels import FINDINGS, LABELS, name_labels

if TYPE_CHECKING:
    from tienet.inference.annotator import Annotator
    from tienet.inference.prediction import Prediction

_END = re.compile(r"(?<!\d)\.(?=\D|$)|(?<=\d)\.(?=\s|$)|[!?](?=\s|$)|\n\s*\n")
"""Where a sentence ends: at a full stop that is in no number, at another mark before a space, and at an empty line."""

_HEADING = re.compile(rf"\s*(?:{FINDINGS_HEADING}|{IMPRESSION})\s*:\s*", re.IGNORECASE)
_HAS_WORD = re.compile(r"[^\W\d_]{2}")
_STRAY = re.compile(r"[\s.]+")  # what may stand before a sentence and is no part of it


@dataclass(frozen=True)
class Sentence:
    """A sentence of a report.

    Attributes:
        start, end: Its first character and the one behind its last, in the report's own text.
        text: The characters between them.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class LabelEvidence:
    """The sentence that a named finding comes from.

    Attributes:
        label: The finding.
        probability: The probability that the network gives it, 0 to 1.
        drop: By how much it falls without the sentence.
        sentence: The sentence.
        alone: The probability of the sentence alone, where the finding is named without any one sentence; else None.
    """

    label: str
    probability: float
    drop: float
    sentence: Sentence
    alone: float | None = None

    def to_json(self) -> dict[str, object]:
        """Its facts, in a form that JSON can hold."""
        alone = {} if self.alone is None else {"alone": round(self.alone, 6)}
        return {
            "label": self.label,
            "probability": round(self.probability, 6),
            "drop": round(self.drop, 6),
            **alone,
            "start": self.sentence.start,
            "end": self.sentence.end,
            "text": self.sentence.text,
        }


def split_into_sentences(report: str) -> list[Sentence]:
    """The sentences of a report, in order, without the white space around them.

    The headings "findings:" and "impression:" belong to none. A piece without a word, such as the number of a list, is
    a part of the sentence behind it.
    """
    sentences: list[Sentence] = []
    start = 0
    for end in [*(match.end() for match in _END.finditer(report)), len(report)]:
        heading = _HEADING.match(report[start:end])
        begin = start + (heading.end() if heading else 0)
        if not _HAS_WORD.search(report[begin:end]):
            continue  # it goes with what follows
        stray = _STRAY.match(report[begin:end])
        begin += stray.end() if stray else 0
        stop = begin + len(report[begin:end].rstrip())
        sentences.append(Sentence(begin, stop, report[begin:stop]))
        start = end
    return sentences


def without(report: str, sentence: Sentence) -> str:
    """The report without a sentence; all else stays as it is."""
    return f"{report[: sentence.start]} {report[sentence.end :]}"


Read = Callable[[Sequence[int], Sequence[str]], np.ndarray]
"""From the numbers of studies and a report for each to the probabilities, float [n, K]."""


def find_evidence(
    annotator: "Annotator",
    reports: Sequence[str],
    predictions: "Sequence[Prediction]",
    images: Sequence[np.ndarray] | None = None,
) -> list[list[LabelEvidence]]:
    """The evidence for each finding that is named in each study, in the order of `FINDINGS`.

    Args:
        reports: The reports, and `images` where the network takes them.
        predictions: What `annotator.annotate` gave for them.
    """

    def read(studies: Sequence[int], texts: Sequence[str]) -> np.ndarray:
        found = annotator.annotate(texts, None if images is None else [images[n] for n in studies])
        return np.stack([prediction.probabilities for prediction in found])

    if not predictions:
        return []
    probabilities = np.stack([prediction.probabilities for prediction in predictions])
    return evidence_of(read, reports, probabilities, predictions[0].thresholds)


def evidence_of(
    read: Read, reports: Sequence[str], probabilities: np.ndarray, thresholds: np.ndarray
) -> list[list[LabelEvidence]]:
    """The evidence for each finding that is named in each study, in the order of `FINDINGS`.

    No_Finding has none: it comes from what is not there. All reports are read again together, so that batches are full.

    Args:
        read: Reads other reports with the images of these studies.
        reports: N reports.
        probabilities: [N, K], what the network gives for them.
        thresholds: [K].
    """
    named = (name_labels(probabilities, thresholds) == 1) & (np.arange(len(LABELS)) < len(FINDINGS))
    sentences = [
        split_into_sentences(report) if of_study.any() else [] for report, of_study in zip(reports, named, strict=True)
    ]
    every = [(n, sentence) for n, of_report in enumerate(sentences) for sentence in of_report]

    def by_study(places: list[tuple[int, Sentence]], texts: list[str]) -> dict[int, np.ndarray]:
        """The probabilities, [sentences, K], of each study's texts."""
        studies = [n for n, _ in places]
        found = read(studies, texts) if places else np.zeros((0, len(LABELS)))
        return {n: found[np.array(studies) == n] for n in dict.fromkeys(studies)}

    left = by_study(every, [without(reports[n], sentence) for n, sentence in every])
    stays = {n: named[n] & (rows >= thresholds).all(0) for n, rows in left.items()}
    told_again = [(n, sentence) for n, sentence in every if stays[n].any()]
    alone = by_study(told_again, [sentence.text for _, sentence in told_again])
    return [
        [
            _evidence(k, float(probabilities[n, k]), sentences[n], left[n], alone[n] if stays[n][k] else None)
            for k in np.flatnonzero(named[n] if n in left else [])
        ]
        for n in range(len(reports))
    ]


def _evidence(
    k: int, probability: float, sentences: list[Sentence], left: np.ndarray, alone: np.ndarray | None
) -> LabelEvidence:
    """The evidence for label k, from the probabilities without each sentence and, where they decide, of each alone."""
    n = int(left[:, k].argmin() if alone is None else alone[:, k].argmax())
    of_it_alone = None if alone is None else float(alone[n, k])
    return LabelEvidence(LABELS[k], probability, probability - float(left[n, k]), sentences[n], of_it_alone)
