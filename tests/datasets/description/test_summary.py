"""The summary of a toy data set: every part is of the same studies, and the sample of images is the seed's."""

import numpy as np

from tests.datasets.description.toy_sets import load_set, rows
from tienet.datasets.description.summary import summarize
from tienet.labels import LABELS


def test_all_parts_count_the_same_studies(tmp_path):
    manifest = load_set(tmp_path / "toy")
    summary = summarize(manifest, 5000, 0, progress=False)
    studies = len(rows())
    assert summary.manifest is manifest and len(manifest) == studies
    assert summary.groups.sizes[-1, 0] == summary.cells.rows == summary.patients["studies"].sum() == studies
    assert len(summary.reports.words) + summary.reports.empty == studies
    assert summary.images.files == summary.images.read == summary.patients["images"].sum() == 5
    positive = np.nansum(manifest.labels, axis=0)
    np.testing.assert_array_equal(summary.groups.positive[-1], positive)
    np.testing.assert_array_equal(summary.pairs.both.diagonal(), positive)
    assert summary.groups.unknown[-1, LABELS.index("Hernia")] == studies


def test_a_sample_of_the_images_is_drawn_by_the_seed(tmp_path):
    manifest = load_set(tmp_path / "toy")
    draws = [summarize(manifest, 2, seed, progress=False).images for seed in (0, 0, 1, 2, 3)]
    assert {(images.files, images.read) for images in draws} == {(5, 2)}
    assert draws[0].sizes == draws[1].sizes and any(images.sizes != draws[0].sizes for images in draws)
