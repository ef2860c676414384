"""All facts of the description of a data set, which are counted once for the text table and for the page."""

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
    """A manifest and its counts; `patients` is the result of `counts.per_patient`."""

    manifest: Manifest
    groups: GroupCounts
    pairs: Pairs
    patients: dict[str, np.ndarray]
    cells: Cells
    reports: ReportLengths
    images: ImageSurvey


def summarize(manifest: Manifest, max_images: int, seed: int, progress: bool) -> Summary:
    """Count all facts about a data set.

    Args:
        manifest: The data set.
        max_images: The largest number of image files whose headers are read, drawn by `seed` if there are more.
        seed: The seed of the random sample of images.
        progress: Whether to show progress bars.
    """
    return Summary(
        manifest=manifest,
        groups=count_groups(manifest),
        pairs=count_pairs(manifest.labels),
        patients=per_patient(manifest),
        cells=count_cells(manifest.path),
        reports=measure_reports(manifest.reports, manifest.study_ids, progress),
        images=survey_images(manifest.images, max_images, seed, progress),
    )
