"""What comes out: every metric of every run for every finding, beside its controls, as rows, as CSV and as text."""

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from tienet.evaluation.locate.cases import Cases
from tienet.evaluation.locate.maps import WHAT, RunMaps
from tienet.evaluation.metrics.localisation import (
    METRICS,
    POINTS_PER_CELL,
    PUBLISHED,
    THRESHOLDS,
    Found,
    T,
    at_centre,
    find,
    mean_box,
    scores_at_random,
    scores_of,
    summarise,
)
from tienet.labels import readable
from tienet.pages.plain_text import align, wrapped

ALL = "all"
"""The finding of the rows that are over all cases."""

CONTROLS: dict[str, str] = {
    "random": "a random place",
    "centre": "the centre",
    "mean_box": "mean box of others",
    "untrained": "untrained",
}
"""The name of each control in tables."""

SHOWN = ("pointing", "iou", "iobb", "t_iou", "t_iobb", "any_t_iobb")
"""The metrics that the text has; the CSV has all."""

LEAST_PATIENTS = 10
"""With fewer, no sign says that a difference is beyond chance: there are too few for a bootstrap."""

_SPANS = ("value", "lo", "hi")
CSV_COLUMNS = (
    "run", "mode", "finding", "metric", "n", "patients", *_SPANS,
    *(f"{control}{end}" for control in CONTROLS for end in ("", "_lo", "_hi")), "published",
)  # fmt: skip
"""Behind a control stands the interval of the difference value - control, from the same resamples."""

Row = dict[str, object]


def find_all(run: RunMaps) -> list[Found]:
    """What a run's map says of each case."""
    return [find(map_) for map_ in run.maps]


def rows_of(run: RunMaps, cases: Cases, resamples: int, seed: int) -> list[Row]:
    """A row for each finding, and for ALL, and each metric: a value for each of CSV_COLUMNS, None where undefined."""
    scores, controls = _scores(run, cases)
    findings = np.array([case.finding for case in cases.cases])
    patients = np.array([cases.patient(case) for case in cases.cases])
    rows: list[Row] = []
    for finding in (ALL, *dict.fromkeys(findings)):
        chosen = np.flatnonzero((findings == finding) | (finding == ALL))
        for metric in METRICS:
            parts = {name: control[metric][chosen] for name, control in controls.items()}
            found = summarise(scores[metric][chosen], parts, list(patients[chosen]), resamples, seed)
            printed = PUBLISHED.get(metric, {}).get(finding) if cases.of_nih else None
            rows.append({"run": run.name, "mode": run.mode, "finding": finding, "metric": metric, **found,
                         "published": printed})  # fmt: skip
    return rows


def _scores(run: RunMaps, cases: Cases) -> tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]:
    """Each metric float64 [N] of the run's maps, and of each control; NaN for a case that has no mean box."""
    found, true = find_all(run), [case.boxes for case in cases.cases]
    nothing = dict.fromkeys(METRICS, np.nan)
    others = (_boxes_of_others(cases, n) for n in range(len(true)))
    by_control = {
        "random": map(scores_at_random, found, true),
        "centre": map(scores_of, map(at_centre, found), true),
        "mean_box": (scores_of(mean_box(b), t) if len(b) else nothing for b, t in zip(others, true, strict=True)),
        "untrained": map(scores_of, map(find, run.untrained), true),
    }
    return _columns(map(scores_of, found, true)), {name: _columns(control) for name, control in by_control.items()}


def _columns(scores: Iterator[dict[str, float]]) -> dict[str, np.ndarray]:
    listed = list(scores)
    return {metric: np.array([case[metric] for case in listed]) for metric in METRICS}


def _boxes_of_others(cases: Cases, n: int) -> np.ndarray:
    """The boxes of the n-th case's finding in other patients, float64 [m, 4]."""
    case = cases.cases[n]
    boxes = [
        other.boxes
        for other in cases.cases
        if other.finding == case.finding and cases.patient(other) != cases.patient(case)
    ]
    return np.concatenate([np.empty((0, 4)), *boxes])


# ---- as CSV and as text ----


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV, numbers with six decimals; empty cells where a value is undefined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        cells = (row[column] for column in CSV_COLUMNS)
        writer.writerow(["" if c is None else f"{c:.6f}" if isinstance(c, float) else c for c in cells])
    return text.getvalue()


def to_text(rows: Sequence[Row], runs: Sequence[RunMaps], cases: Cases, split: str) -> str:
    """The rows as a table for each finding, in which each run stands above its controls, and what they mean."""
    lines = []
    for finding in dict.fromkeys(row["finding"] for row in rows):
        of_finding = {(row["run"], row["metric"]): row for row in rows if row["finding"] == finding}
        first = next(iter(of_finding.values()))
        title = "All findings" if finding == ALL else readable(str(finding))
        boxes = sum(len(case.boxes) for case in cases.cases if finding in (ALL, case.finding))
        lines += [f"{title}, {cases.studies.name}, {split}: {_counted(first, boxes)}"]
        groups = [_group(of_finding, run.name) for run in runs]
        printed = [of_finding[runs[0].name, metric]["published"] for metric in SHOWN]
        if any(value is not None for value in printed):
            groups.append([["Wang et al. 2017", *(_number(value) for value in printed)]])
        lines += [*align([finding, *(METRICS[metric] for metric in SHOWN)], *groups), ""]
    return "\n".join([*lines, *map(wrapped, _notes(rows, runs, cases))]) + "\n"


def _counted(row: Row, boxes: int) -> str:
    n, patients = row["n"], row["patients"]
    cases = "1 case" if n == 1 else f"{n:,} cases"
    return f"{boxes:,} {'box' if boxes == 1 else 'boxes'} in {cases} of {patients:,} patient{'s' * (patients != 1)}"


def _group(of_finding: dict[tuple[str, str], Row], run: str) -> list[list[str]]:
    """The lines of one run: its values with their intervals, and under them its controls."""
    shown = [of_finding[run, metric] for metric in SHOWN]
    lines = [[run, *(f"{_number(row['value'])} {_span(row['lo'], row['hi'])}".strip() for row in shown)]]
    for control, name in CONTROLS.items():
        lines.append([f"  {name}", *(f"{_number(row[control])} {_sign(row, control):<7}" for row in shown)])
    return lines


def _sign(row: Row, control: str) -> str:
    """+ if the map is better than the control beyond chance, - if it is worse; none for few patients."""
    if row["patients"] < LEAST_PATIENTS:
        return ""
    lo, hi = row[f"{control}_lo"], row[f"{control}_hi"]
    if lo is None or hi is None:
        return ""
    return "+" if lo > 0 else "-" if hi < 0 else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.1f}"


def _span(lo: float | None, hi: float | None) -> str:
    return "" if lo is None or hi is None else f"{_number(lo)}-{_number(hi)}"


def _notes(rows: Sequence[Row], runs: Sequence[RunMaps], cases: Cases) -> Iterator[str]:
    for mode in dict.fromkeys(run.mode for run in runs):
        names = ", ".join(run.name for run in runs if run.mode == mode)
        yield f"{names} (mode {mode}): {WHAT[mode]}."
    low, high = THRESHOLDS
    yield (
        f"A case is a finding of a study; intervals are 95%, patients resampled. Peak in box: the middle of the map's "
        f"largest cell lies in a box of that finding. The map's box, by a rule that was fixed beforehand: the map is "
        f"upsampled bilinearly to {POINTS_PER_CELL} points a cell and scaled from its minimum and maximum to 0..255; "
        f"the box is around the region of at least {high} that has the maximum. IoBB is the intersection over the "
        f"map's box, T(...) the share of cases in which it exceeds {T:g}; any: that of one of the boxes around all "
        f"regions of at least {low} and of at least {high}, the thresholds of Wang et al. 2017."
    )
    yield (
        "A random place: what is expected of a random point, and of the map's own boxes put anywhere in the image. "
        "The centre: the middle of the image, and the map's own boxes there. Mean box of others: the mean box of the "
        "finding in other patients, and its middle; undefined, and left out, where no other patient has it. Untrained: "
        "the same network and frozen backbone, its other weights drawn once, not trained. Behind a control: + where "
        "the interval of the difference to it is above 0, so that the map is better, and - where it is below, if "
        f"there are {LEAST_PATIENTS} patients or more."
    )
    if any(row["published"] is not None for row in rows):
        yield (
            "Wang et al. 2017: trained on ChestX-ray14 and judged by all of its boxes of that finding, which are these "
            "only where the data set is all of ChestX-ray14."
        )
    if cases.left_out:
        yield f"{cases.left_out:,} further boxes in {cases.path} are of other studies."
