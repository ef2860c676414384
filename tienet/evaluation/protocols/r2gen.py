"""R2Gen's protocol (Chen et al., EMNLP 2020): the findings alone, on its 590 test reports of OpenI, in its words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tienet.data.readable_text import join_words
from tienet.errors import InputError
from tienet.evaluation.metrics.captions import CAPTION_METRICS, CaptionScorer
from tienet.evaluation.protocols.published_studies import PublishedStudies
from tienet.evaluation.protocols.r2gen_words import UNKNOWN, R2GenWords, clean

TEST_STUDIES = 590
"""The test studies of R2Gen's split of OpenI, on which the published figures are."""

_ORDER = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L")
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "R2Gen, published": dict(zip(_ORDER, (0.470, 0.304, 0.219, 0.165, 0.187, 0.371), strict=True)),
    "R2Gen, rerun, mean of 5": dict(zip(_ORDER, (0.402, 0.246, 0.166, 0.118, 0.161, 0.334), strict=True)),
}
"""The figures of the paper for IU X-ray, and the mean of five seeds with its unchanged code, as a user found it
(github.com/uzh-dqbm-cmi/ARGON, issue 9)."""


@dataclass(frozen=True)
class Row:
    """One set of written findings, judged.

    Attributes:
        name: What wrote them: a run, or a control.
        kind: "run", "control", "check" or "published".
        mode: The mode of a run; empty for others.
        metrics: A value for each of CAPTION_METRICS; None where there is none.
        studies: How many findings were judged; None for published figures.
        without_findings: How many of them have no findings part, and count as empty; None for published figures.
        distinct: How many different texts they are; None for published figures.
        words: Their mean number of words, dots among them; None for published figures.
        unknown: The share of words that R2Gen's vocabulary lacks; None for published figures.
    """

    name: str
    kind: str
    mode: str
    metrics: Mapping[str, float | None]
    studies: int | None = None
    without_findings: int | None = None
    distinct: int | None = None
    words: float | None = None
    unknown: float | None = None


@dataclass(frozen=True)
class Spread:
    """Several runs of one mode: the mean of each metric, and its standard deviation (n - 1)."""

    mode: str
    runs: int
    mean: Mapping[str, float | None]
    deviation: Mapping[str, float | None]


class R2GenTest:
    """R2Gen's test studies, against which written findings are judged.

    Attributes:
        references: The words of each study's true findings, joined by spaces.

    Args:
        published: R2Gen's file.
        scorer: The scorer of the metrics.
    Raises:
        InputError: The training split has no findings, or a test study has none.
    """

    def __init__(self, published: PublishedStudies, scorer: CaptionScorer) -> None:
        train = published.train_findings or []
        empty = next((study.id for study in published.test if not study.findings.strip()), None)
        if empty is not None:
            raise InputError(f"--protocol-file {published.path}: {empty!r} of test has an empty report; get it again")
        if not any(findings.strip() for findings in train):
            raise InputError(f"--protocol-file {published.path}: train has no report to take the vocabulary from")
        self._scorer, self._words = scorer, R2GenWords(train)
        self.references = [" ".join(self._words.of_reference(study.findings)) for study in published.test]
        counts = Counter(" ".join(clean(findings)) for findings in train if findings.strip())
        self._constant = max(counts, key=counts.__getitem__)

    def words_of(self, findings: str) -> str:
        """Written findings, as words of `tienet.data.text.tokenize`, in R2Gen's words, joined by spaces."""
        return " ".join(self._words.of_written(join_words(findings)))

    def judge(self, name: str, kind: str, findings: Sequence[str], mode: str = "") -> Row:
        """Judge one text for each test study; an empty one scores 0.

        Args:
            name, kind, mode: As in `Row`.
            findings: Words of `tienet.data.text.tokenize`, joined by spaces.
        """
        written = [self.words_of(text) for text in findings]
        metrics = self._scorer.score_words(self.references, written)
        words = [word for text in written for word in text.split()]
        return Row(
            name,
            kind,
            mode,
            metrics,
            studies=len(written),
            without_findings=sum(not text for text in written),
            distinct=len(set(written)),
            words=len(words) / len(written),
            unknown=words.count(UNKNOWN) / max(1, len(words)),
        )

    def judge_constant(self) -> Row:
        """Judge the most frequent findings of the training split (of equally frequent ones the first), for all."""
        return self.judge("most frequent training findings", "control", [self._constant] * len(self.references))

    def judge_one_for_all(self, written: Sequence[str]) -> Row:
        """Judge the most frequent of written findings, for all: how far one text goes without looking at an image.

        It is chosen by how often it was written alone; of equally frequent ones the first.

        Args:
            written: The findings of one or more runs, in the form that `judge` takes.
        """
        counts = Counter(written)
        text = max(counts, key=counts.__getitem__)
        return self.judge("most frequent written findings", "control", [text] * len(self.references))


def published_rows() -> list[Row]:
    """The published figures, as rows."""
    return [
        Row(name, "published", "", {metric: figures.get(metric) for metric in CAPTION_METRICS})
        for name, figures in PUBLISHED.items()
    ]


def spreads(rows: Sequence[Row]) -> list[Spread]:
    """The mean and the spread of the runs of each mode that has several."""
    by_mode: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind == "run":
            by_mode.setdefault(row.mode, []).append(row)
    return [_spread(mode, of_mode) for mode, of_mode in by_mode.items() if len(of_mode) > 1]


def _spread(mode: str, rows: Sequence[Row]) -> Spread:
    mean: dict[str, float | None] = dict.fromkeys(CAPTION_METRICS)
    deviation = dict(mean)
    for metric in CAPTION_METRICS:
        values = [row.metrics[metric] for row in rows]
        if None not in values:
            mean[metric], deviation[metric] = float(np.mean(values)), float(np.std(values, ddof=1))
    return Spread(mode, len(rows), mean, deviation)
