"""How a page shows the labels: each judged, as a chip, as a table row and as a letter for the index's filter."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tienet.labels import LABELS, readable


@dataclass(frozen=True)
class Verdict:
    """How a label was judged: the CSS class, the mark and the words, so that colour is never alone.

    code: the letter that the index filters by; "-": neither true nor named.

    Where the truth of no label of a study is known, as with a new image, nothing is right or wrong: a label is NAMED
    or NOT_NAMED.
    """

    css: str
    mark: str
    text: str
    code: str


RIGHT = Verdict("right", "✓", "right", "r")
WRONG = Verdict("wrong", "✗", "wrong", "w")
MISSED = Verdict("missed", "○", "missed", "m")
ABSENT = Verdict("absent", "·", "absent", "-")
NAMED_UNKNOWN = Verdict("unknown", "?", "named", "n")
UNKNOWN = Verdict("unknown", "?", "unknown", "-")
UNJUDGED = Verdict("unknown", "?", "no threshold", "-")
NAMED = Verdict("named", "●", "yes", "n")
NOT_NAMED = Verdict("absent", "·", "no", "-")

TRUE_UNJUDGED = "t"
"""The letter of a label that is true where nothing says whether it was named."""


def verdict_of(probability: float, label: float, threshold: float) -> Verdict:
    """The verdict on one label: named where probability >= threshold, right where the truth agrees."""
    if math.isnan(threshold):
        return UNJUDGED
    named = probability >= threshold
    if math.isnan(label):
        return NAMED_UNKNOWN if named else UNKNOWN
    if named:
        return RIGHT if label else WRONG
    return MISSED if label else ABSENT


def verdicts_of(probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> list[Verdict]:
    """A verdict for each label; all float [15], in the order of LABELS."""
    columns = zip(probabilities, labels, thresholds, strict=True)
    verdicts = [
        verdict_of(float(probability), float(label), float(threshold)) for probability, label, threshold in columns
    ]
    if any_known(labels):
        return verdicts
    return [{NAMED_UNKNOWN: NAMED, UNKNOWN: NOT_NAMED}.get(verdict, verdict) for verdict in verdicts]


def any_known(labels: np.ndarray) -> bool:
    """Whether the truth of some label is known: float [15], NaN where it is not."""
    return not np.isnan(labels).all()


def codes(verdicts: Sequence[Verdict] | None, labels: np.ndarray) -> str:
    """A letter per label for the index's filter; `verdicts` is None where the mode does not classify."""
    known = verdicts or [UNJUDGED] * len(labels)
    return "".join(
        TRUE_UNJUDGED if verdict == UNJUDGED and label == 1 else verdict.code
        for verdict, label in zip(known, labels, strict=True)
    )


def chips(verdicts: Sequence[Verdict]) -> str:
    """The labels that were named or should have been, in colour and with their marks."""
    shown = [
        f'<li class="{verdict.css}">{_marked(verdict)} <strong>{readable(name)}</strong>'
        f"{'' if verdict == NAMED else f' <small>{verdict.text}</small>'}</li>"
        for name, verdict in zip(LABELS, verdicts, strict=True)
        if verdict in (RIGHT, WRONG, MISSED, NAMED_UNKNOWN, NAMED)
    ]
    return f'<ul class="chips">{"".join(shown) or f"<li>{_nothing(verdicts)}</li>"}</ul>'


def _nothing(verdicts: Sequence[Verdict]) -> str:
    """What is said where no label was named or missed."""
    if all(verdict == UNJUDGED for verdict in verdicts):
        return "no threshold is known"
    return "no label named" if NOT_NAMED in verdicts else "no label named, none missed"


def rows(probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> Iterator[str]:
    """A table row per label: name, bar with the threshold's tick, probability, truth, verdict.

    Where the truth of no label is known: no truth, and whether it is named; not even this without a threshold.
    """
    verdicts, known = verdicts_of(probabilities, labels, thresholds), any_known(labels)
    judged = known or not np.isnan(thresholds).all()
    for k, (name, verdict) in enumerate(zip(LABELS, verdicts, strict=True)):
        probability, label, threshold = (float(v[k]) for v in (probabilities, labels, thresholds))
        tick = "" if math.isnan(threshold) else f'<s style="left:{100 * threshold:.2f}%"></s>'
        hint = "no threshold" if math.isnan(threshold) else f"threshold {threshold:.3f}"
        truth = "unknown" if math.isnan(label) else ("yes" if label else "no")
        cells = f'<td class="truth">{truth}</td>' if known else ""
        cells += f'<td class="verdict">{_marked(verdict)} {verdict.text}</td>' if judged else ""
        yield (
            f'<tr class="{verdict.css}"><th scope="row">{readable(name)}</th>'
            f'<td class="bar" title="{hint}"><div><i style="width:{100 * probability:.2f}%"></i>{tick}</div>'
            f'</td><td class="number">{probability:.3f}</td>{cells}</tr>'
        )


def _marked(verdict: Verdict) -> str:
    return f"<b>{verdict.mark}</b>"
