"""All that is said of a data set, counted once for the table and for the page."""

from dataclasses import dataclass

import numpy as np

from tienet.data.manifest import Manifest
from tienet.datasets.description.counts import (
    Cells,
    GroupCounts,
    Pairs,
    count_cells,
    count_groups,
    count_pairs,
    per_patient,
)
from tienet.datasets.description.image_survey import ImageSurvey, survey_images
from tienet.datasets.description.report_lengths import ReportLengths, measure_reports


@dataclass(frozen=True, eq=False)
class Summary:
    """A manifest, and what was counted of it; `patients`: see `counts.per_patient`."""

    manifest: Manifest
    groups: GroupCounts
    pairs: Pairs
    patients: dict[str, np.ndarray]
    cells: Cells
    reports: ReportLengths
    images: ImageSurvey


def summarize(manifest: Manifest, most_images: int, seed: int, progress: bool) -> Summary:
    """Count everything.

    Args:
        most_images: the headers of at most so many image files are read, drawn by `seed`.
        progress: show bars.
    """
    return Summary(
        manifest=manifest,
        groups=count_groups(manifest),
        pairs=count_pairs(manifest.labels),
        patients=per_patient(manifest),
        cells=count_cells(manifest.path),
        reports=measure_reports(manifest.reports, manifest.study_ids, progress),
        images=survey_images(manifest.images, most_images, seed, progress),
    )
