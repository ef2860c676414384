"""Whether each label's prediction is right, and how a page shows it: as a chip, a table row, and a letter to filter by.

A label is "named" if the network predicts it: see `tienet.labels.name_labels`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tienet.labels import LABELS, name_labels, readable
from tienet.pages.probability import AXIS, percent, place


@dataclass(frozen=True)
class Verdict:
    """The outcome of a label's prediction. A mark and a text stand beside the colour, so that colour is never alone.

    If the truth of no label of a study is known, as for a new image, no prediction is right or wrong: a label is NAMED
    or NOT_NAMED.

    Attributes:
        css: The CSS class, which gives the colour.
        mark: A symbol.
        text: The word or words.
        code: The letter that the script of the index filters by; "-" for a label that is neither true nor named.
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
NO_THRESHOLD = Verdict("unknown", "?", "no threshold", "-")
NAMED = Verdict("named", "●", "yes", "n")
NOT_NAMED = Verdict("absent", "·", "no", "-")

TRUE_WITHOUT_THRESHOLD = "t"
"""The letter of a label that is true, where no threshold says whether it is named."""


def verdict_of(named: float, label: float) -> Verdict:
    """The verdict on one label.

    Args:
        named: 1 or 0; NaN: there is no threshold, so nothing says whether it is named.
        label: 1 or 0, the truth; NaN: it is unknown.
    """
    if math.isnan(named):
        return NO_THRESHOLD
    if math.isnan(label):
        return NAMED_UNKNOWN if named else UNKNOWN
    if named:
        return RIGHT if label else WRONG
    return MISSED if label else ABSENT


def verdicts_of(probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> list[Verdict]:
    """A verdict for each label; all arguments are float [15], in the order of LABELS, NaN where unknown."""
    named = name_labels(probabilities, thresholds)
    verdicts = [verdict_of(float(of_label), float(label)) for of_label, label in zip(named, labels, strict=True)]
    if any_known(labels):
        return verdicts
    return [{NAMED_UNKNOWN: NAMED, UNKNOWN: NOT_NAMED}.get(verdict, verdict) for verdict in verdicts]


def any_known(labels: np.ndarray) -> bool:
    """Whether the truth of at least one label is known; `labels` is float [15], NaN where unknown."""
    return not np.isnan(labels).all()


def codes(verdicts: Sequence[Verdict] | None, labels: np.ndarray) -> str:
    """A letter per label, by which the index is filtered; `verdicts` is None in a mode that does not classify."""
    return "".join(
        TRUE_WITHOUT_THRESHOLD if verdict == NO_THRESHOLD and label == 1 else verdict.code
        for verdict, label in zip(verdicts or [NO_THRESHOLD] * len(labels), labels, strict=True)
    )


def chips(verdicts: Sequence[Verdict]) -> str:
    """The HTML list of the labels that are named or should have been, in colour and with their marks."""
    shown = [
        f'<li class="{verdict.css}">{_mark_html(verdict)} <strong>{readable(name)}</strong>'
        f"{'' if verdict == NAMED else f' <small>{verdict.text}</small>'}</li>"
        for name, verdict in zip(LABELS, verdicts, strict=True)
        if verdict in (RIGHT, WRONG, MISSED, NAMED_UNKNOWN, NAMED)
    ]
    return f'<ul class="chips">{"".join(shown) or f"<li>{_no_chips_text(verdicts)}</li>"}</ul>'


def _no_chips_text(verdicts: Sequence[Verdict]) -> str:
    """The text in place of the chips, if no label is named or missed."""
    if all(verdict == NO_THRESHOLD for verdict in verdicts):
        return "no threshold is known"
    return "no label named" if NOT_NAMED in verdicts else "no label named, none missed"


def rows(
    probabilities: np.ndarray,
    labels: np.ndarray,
    thresholds: np.ndarray,
    precision: np.ndarray | None = None,
    recall: np.ndarray | None = None,
) -> Iterator[str]:
    """Yield an HTML table row per label: name, bar with a tick at the threshold (`tienet.pages.probability`),
    probability, truth, verdict.

    If the truth of no label is known, there is no cell for the truth, and the last cell says whether the label is
    named; if no threshold is known either, there is no such cell. The cells before the truth have the precision and the
    recall of the threshold, if they are given. Arguments as in `verdicts_of`.
    """
    verdicts, truth_known = verdicts_of(probabilities, labels, thresholds), any_known(labels)
    show_verdict = truth_known or not np.isnan(thresholds).all()
    for k, (name, verdict) in enumerate(zip(LABELS, verdicts, strict=True)):
        probability, label, threshold = (float(v[k]) for v in (probabilities, labels, thresholds))
        tick = "" if math.isnan(threshold) else f'<s style="left:{100 * place(threshold):.2f}%"></s>'
        hint = "no threshold" if math.isnan(threshold) else f"threshold {percent(threshold)}"
        truth = "unknown" if math.isnan(label) else ("yes" if label else "no")
        shares = [] if precision is None or recall is None else [float(precision[k]), float(recall[k])]
        cells = "".join(f'<td class="number share">{percent(x)}</td>' for x in shares)
        cells += f'<td class="truth">{truth}</td>' if truth_known else ""
        cells += f'<td class="verdict">{_mark_html(verdict)} {verdict.text}</td>' if show_verdict else ""
        yield (
            f'<tr class="{verdict.css}"><th scope="row">{readable(name)}</th>'
            f'<td class="bar" title="{hint}"><div><i style="width:{100 * place(probability):.2f}%"></i>{tick}</div>'
            f'</td><td class="number">{percent(probability)}</td>{cells}</tr>'
        )


def axis() -> str:
    """The marks over the bars, as HTML."""
    marks = (f'<span style="left:{100 * place(p):.2f}%">{percent(p)}</span>' for p in AXIS)
    return f'<div class="axis" aria-hidden="true">{"".join(marks)}</div>'


def _mark_html(verdict: Verdict) -> str:
    return f"<b>{verdict.mark}</b>"
