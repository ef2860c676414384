"""The agreement of two readers as plain text: counts, measures with their intervals, and notes on what they mean."""

from collections.abc import Mapping

from tienet.hand_labels.agreement import HIGH_AGREEMENT, LOW_KAPPA
from tienet.hand_labels.kappa import ALL, MEAN
from tienet.labels import FINDINGS, LABELS
from tienet.pages.plain_text import align, level_text, number_text, span_text, wrapped

_COUNTS = {
    "studies": "studies",
    "there_a": "there A",
    "there_b": "there B",
    "there_both": "there both",
    "cannot_tell_a": "cannot tell A",
    "cannot_tell_b": "cannot tell B",
    "differ": "differ",
}
_SHOWN = 5


def format_agreement(result: Mapping) -> str:
    """The result of `agreement.compare` as aligned plain text."""
    interval = f"{level_text(result)} interval"
    a, b = result["readers"]
    only_a, only_b = (len(result["only"][reader]) for reader in (a, b))
    title = (
        f"A is {a}, B is {b}. Both have finished {result['studies']:,} studies of {result['patients']:,} patients, "
        f"which are compared here; {only_a:,} more only A, {only_b:,} more only B."
    )
    counts = align(
        ["Answers", *_COUNTS.values()],
        [_counts_row(label, result["labels"][label]) for label in LABELS],
        [_counts_row(ALL, result[ALL])],
    )
    measures = align(
        ["Agreement", "share", interval, "kappa", interval, "2 states", interval, "positive"],
        [_row(label, result["labels"][label]) for label in LABELS],
        [_row(group, result[group]) for group in (ALL, MEAN)],
    )
    return "\n".join([wrapped(title), "", *counts, "", *measures, "", *map(wrapped, _notes(result))]) + "\n"


def _counts_row(name: str, entry: Mapping) -> list[str]:
    return [name, *(f"{entry[column]:,}" for column in _COUNTS)]


def _row(name: str, entry: Mapping) -> list[str]:
    cells = [name]
    for measure in ("agreement", "kappa", "kappa_two_states"):
        cells += [number_text(entry[measure]), span_text(entry[f"{measure}_lo"], entry[f"{measure}_hi"])]
    return [*cells, number_text(entry["positive_agreement"])]


def _notes(result: Mapping) -> list[str]:
    labels, bootstrap, covered = result["labels"], result["bootstrap"], result[MEAN]["covered"]
    notes = [
        "share: of the studies in which both gave the same of the three answers there, not there and cannot tell; "
        "kappa: Cohen's, this share beyond chance; 2 states: kappa where both can tell; positive: 2 both / (A + B) of "
        "the studies with the answer there.",
        f"all findings: the answers on the {len(FINDINGS)} findings together; mean: over those of them that have a "
        f"value ({covered['kappa']} have a kappa, {covered['kappa_two_states']} one of 2 states); both without "
        "No_Finding.",
    ]
    if undefined := [label for label in LABELS if labels[label]["studies"] and labels[label]["kappa"] is None]:
        notes.append(f"Kappa is undefined where both gave one and the same answer throughout: {', '.join(undefined)}.")
    if unasked := [label for label in LABELS if not labels[label]["studies"]]:
        notes.append(f"Not asked of both: {', '.join(unasked)}.")
    if paradox := [label for label in LABELS if labels[label]["paradox"]]:
        notes.append(
            f"The paradox of kappa: the share is {HIGH_AGREEMENT:g} or more and kappa below {LOW_KAPPA:g} of "
            f"{', '.join(paradox)}. Most of that share is agreement that these are not there, which chance explains; "
            "judge them by the positive agreement."
        )
    left_out = "; ".join(f"{group} {max(counts.values())}" for group, counts in bootstrap["left_out"].items())
    more = f"; left out where a figure was undefined, at most: {left_out}" if left_out else ""
    notes.append(f"Intervals: {bootstrap['resamples']:,} bootstrap resamples of patients{more}.")
    notes += [_only_note(reader, studies) for reader, studies in result["only"].items() if studies]
    return notes


def _only_note(reader: str, studies: list[str]) -> str:
    shown = ", ".join(studies[:_SHOWN]) + (f" and {len(studies) - _SHOWN:,} more" if len(studies) > _SHOWN else "")
    return f"Only {reader} has finished: {shown}."
