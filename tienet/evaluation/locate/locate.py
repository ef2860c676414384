"""The maps of runs judged by the boxes of findings: locate.csv, locate.txt and locate.html."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tienet import files
from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.data.dataflow import check_studies
from tienet.data.image import read_image
from tienet.errors import InputError
from tienet.evaluation.inputs import count_seen_studies
from tienet.evaluation.locate import maps, results
from tienet.evaluation.locate.cases import Cases
from tienet.evaluation.locate.maps import RunMaps
from tienet.evaluation.metrics.localisation import METRICS, find, scores_of
from tienet.evaluation.options import Options
from tienet.labels import FINDINGS
from tienet.pages import locations
from tienet.pages.locations import LocatedCase, LocatedMap

IMAGE_PX = 384
"""The side of the images of the page."""


def open_runs(loads: Sequence[str], cases: Cases, options: Options) -> dict[str, OpenedRun]:
    """Open the runs and check, without TensorFlow, that they fit the studies; by the names that tables have for them.

    Raises:
        InputError: A run is given twice, is of another mode, lacks a file, was trained on some of the studies, or
            reads reports that are not there.
    """
    if len(set(loads)) < len(loads):
        raise InputError(f"--load: {next(load for load in loads if loads.count(load) > 1)} is given twice")
    runs = [open_run(load) for load in loads]
    for run in runs:
        run.check_mode("tienet locate", maps.MODES)
        run.check_files()
        check_studies(run.config, cases.studies, training=False)
        notes = [f"{run.folder}: {run.config.map_remark}"] if run.config.map_remark else []
        count_seen_studies(run, cases.studies, options, notes)
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
    short = [run.folder.name for run in runs]
    longer = [f"{run.folder.name}/{run.prefix.name}" for run in runs]
    names = next((names for names in (short, longer) if len(set(names)) == len(runs)), loads)
    return dict(zip(names, runs, strict=True))


def locate(
    runs: dict[str, OpenedRun], cases: Cases, out: Path, *, split: str, resamples: int, seed: int, pictures: int
) -> str:
    """Judge the runs' maps and write the three files into `out`.

    Args:
        runs: As from `open_runs`.
        out: The folder of the results.
        split: The name of the split, for titles.
        resamples: Of the bootstrap.
        seed: Of the bootstrap, and of the weights of the networks that were not trained.
        pictures: How many cases the page shows at most.
    Returns:
        The table as text.
    """
    found = [maps.maps_of(run, name, cases, seed) for name, run in runs.items()]
    rows = [row for run in found for row in results.rows_of(run, cases, resamples, seed)]
    text = results.to_text(rows, found, cases, split)
    files.write_text(out / "locate.csv", results.to_csv(rows))
    files.write_text(out / "locate.txt", text)
    shown = list(_pictures(found, cases, pictures))
    title = f"Where it looks: {cases.studies.name}, {split}"
    files.write_text(out / "locate.html", locations.render(title, shown, len(cases.cases), text))
    return text


def _pictures(runs: Sequence[RunMaps], cases: Cases, count: int) -> Iterator[LocatedCase]:
    """Yield what the page shows of at most `count` cases."""
    for n in choose(cases, count):
        case = cases.cases[n]
        yield LocatedCase(
            cases.studies.study_ids[case.n],
            case.finding,
            read_image(cases.studies.images[case.n], IMAGE_PX),
            case.boxes,
            [_located(run.name, run.maps[n], case.boxes) for run in runs],
        )


def _located(name: str, map_: np.ndarray, true: np.ndarray) -> LocatedMap:
    found = find(map_)
    scores = scores_of(found, true)
    hit = "peak in the box" if scores["pointing"] else "peak outside"
    caption = f"{METRICS['iou']} {scores['iou']:.2f}, {METRICS['iobb']} {scores['iobb']:.2f}, {hit}"
    return LocatedMap(name, map_, found.point, found.box, caption)


def choose(cases: Cases, count: int) -> list[int]:
    """At most `count` cases: the first of each finding, then the second of each, and so on; in the order of cases."""
    of_finding = [[n for n, case in enumerate(cases.cases) if case.finding == finding] for finding in FINDINGS]
    in_turn = sorted((place, n) for listed in of_finding for place, n in enumerate(listed))
    return sorted(n for _, n in in_turn[:count])
