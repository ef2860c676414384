"""Boxes from maps, IoU, IoBB and their controls, against NumPy loops written from the rule, and on easy cases."""

import numpy as np
import pytest

from tienet.evaluation.metrics import localisation
from tienet.evaluation.metrics.auroc import patient_weights
from tienet.evaluation.metrics.localisation import (
    METRICS,
    at_centre,
    covered_share,
    find,
    mean_box,
    overlaps,
    scores_at_random,
    scores_of,
    summarise,
)

# ---- the rule in loops ----


def upsampled_in_loops(map_, per_cell=16):
    D = len(map_)
    points = np.zeros((per_cell * D, per_cell * D))
    for i in range(per_cell * D):
        for j in range(per_cell * D):
            y, x = (min(max((k + 0.5) / per_cell - 0.5, 0), D - 1) for k in (i, j))
            top, left = min(int(y), D - 2), min(int(x), D - 2)
            dy, dx = y - top, x - left
            for row, of_row in ((top, 1 - dy), (top + 1, dy)):
                for column, of_column in ((left, 1 - dx), (left + 1, dx)):
                    points[i, j] += of_row * of_column * map_[row, column]
    return points


def regions_in_loops(points, threshold):
    """For each region, in the order of its first point, the set of its points; corners hang together."""
    left = {(int(i), int(j)) for i, j in np.argwhere(points >= threshold)}
    regions = []
    for start in sorted(left):
        if start not in left:
            continue
        region, waiting = set(), [start]
        while waiting:
            i, j = waiting.pop()
            if (i, j) in left:
                left.remove((i, j))
                region.add((i, j))
                waiting += [(i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
        regions.append(region)
    return regions


def box_in_loops(region, side):
    rows, columns = [i for i, _ in region], [j for _, j in region]
    return [min(columns) / side, min(rows) / side, (max(columns) + 1) / side, (max(rows) + 1) / side]


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_those_of_the_rule_in_loops(seed):
    map_ = np.random.default_rng(seed).random((5, 5)).astype(np.float32) ** 4 - 0.3
    points = upsampled_in_loops(map_)
    points = 255 * (points - points.min()) / (points.max() - points.min())
    found, expected = find(map_), []
    for threshold in (60, 180):
        expected += [box_in_loops(region, 80) for region in regions_in_loops(points, threshold)]
    assert len(expected) > 2
    np.testing.assert_allclose(sorted(found.boxes.tolist()), sorted(expected), atol=1e-9)
    peak = tuple(map(int, np.unravel_index(points.argmax(), points.shape)))
    (with_peak,) = [region for region in regions_in_loops(points, 180) if peak in region]
    np.testing.assert_allclose(found.box, box_in_loops(with_peak, 80), atol=1e-9)
    row, column = np.unravel_index(map_.argmax(), map_.shape)
    np.testing.assert_allclose(found.point, [(column + 0.5) / 5, (row + 0.5) / 5])


def test_points_that_touch_at_a_corner_hang_together(monkeypatch):
    monkeypatch.setattr(localisation, "POINTS_PER_CELL", 1)
    found = find(np.array([[0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 8, 0], [7, 0, 0, 0]]))
    np.testing.assert_allclose(found.box, [0.25, 0.25, 0.75, 0.75])
    np.testing.assert_allclose(found.boxes[2:], [[0.25, 0.25, 0.75, 0.75], [0, 0.75, 0.25, 1]])


def test_neither_scale_nor_offset_of_a_map_matters():
    map_ = np.random.default_rng(1).normal(size=(6, 6))
    for other in (map_ + 100, 0.01 * map_ - 3):
        for mine, theirs in zip(find(map_), find(other), strict=True):
            np.testing.assert_allclose(mine, theirs)


def test_rows_run_down_and_columns_to_the_right():
    map_ = np.zeros((4, 4))
    map_[3, 0] = 1
    found = find(map_)
    np.testing.assert_allclose(found.point, [0.125, 0.875])
    assert found.box[2] < 0.3 and found.box[1] > 0.7


def test_a_map_that_is_the_same_everywhere_is_the_whole_image():
    found = find(np.full((3, 3), 0.1))
    np.testing.assert_array_equal(found.box, [0, 0, 1, 1])


@pytest.mark.parametrize("map_", [np.zeros(4), np.array([[0, np.nan], [1, 2]])])
def test_what_is_no_map_is_refused(map_):
    with pytest.raises(ValueError, match="a map must be"):
        find(map_)


# ---- overlaps ----


def random_boxes(random, count, cells=20):
    """Boxes whose edges lie on a grid, and the cells that each covers, bool [count, cells, cells]."""
    edges = np.sort([[random.choice(cells + 1, 2, replace=False) for _ in "xy"] for _ in range(count)], axis=-1)
    covered = np.zeros((count, cells, cells), bool)
    for mask, ((left, right), (upper, lower)) in zip(covered, edges, strict=True):
        mask[upper:lower, left:right] = True
    return edges.transpose(0, 2, 1).reshape(count, 4) / cells, covered


def test_overlaps_are_those_of_counted_cells():
    random = np.random.default_rng(0)
    for _ in range(50):
        boxes, covered = random_boxes(random, 4)
        own, true = covered[0], covered[1:]
        iou = max((own & other).sum() / (own | other).sum() for other in true)
        iobb = max((own & other).sum() / own.sum() for other in true)
        assert overlaps(boxes[0], boxes[1:]) == pytest.approx((iou, iobb))
        assert covered_share(boxes) == pytest.approx(covered.any(axis=0).mean())


def test_a_box_that_only_touches_does_not_overlap():
    assert overlaps(np.array([0, 0, 0.5, 0.5]), np.array([[0.5, 0, 1, 1]])) == (0, 0)


def found_at(box, *others):
    box = np.array(box, float)
    return localisation.Found((box[:2] + box[2:]) / 2, box, np.array([box, *others]))


def test_every_metric_of_a_case():
    true = np.array([[0, 0, 0.2, 0.2], [0.5, 0.5, 1, 1]])
    scores = scores_of(found_at([0.5, 0.5, 1, 0.6], [0, 0, 0.2, 0.2]), true)
    assert scores.keys() == METRICS.keys()
    assert scores == pytest.approx(
        {"pointing": 1, "iou": 0.2, "iobb": 1, "t_iou": 1, "t_iobb": 1, "any_t_iou": 1, "any_t_iobb": 1, "boxes": 2}
    )
    scores = scores_of(found_at([0.25, 0.25, 0.45, 0.45], [0, 0, 0.2, 0.2]), true)
    assert [scores[name] for name in ("pointing", "t_iou", "t_iobb", "any_t_iou", "any_t_iobb")] == [0, 0, 0, 1, 1]


def test_an_overlap_of_just_the_limit_is_not_enough():
    true = np.array([[0, 0, 0.1, 1]])  # a tenth of the image, which is the map's box
    scores = scores_of(found_at([0, 0, 1, 1]), true)
    assert scores["iou"] == scores["iobb"] == 0.1
    assert scores["t_iou"] == scores["t_iobb"] == 0


# ---- controls ----


def test_a_random_place_is_what_many_draws_give():
    random = np.random.default_rng(0)
    true = np.array([[0.1, 0.2, 0.5, 0.6], [0.4, 0.5, 0.9, 0.7]])
    found, drawn = found_at([0.3, 0.3, 0.6, 0.4], [0, 0, 0.1, 0.8]), []
    for _ in range(4000):
        boxes = []
        for box in found.boxes:
            size = box[2:] - box[:2]
            corner = random.random(2) * (1 - size)
            boxes.append(np.concatenate([corner, corner + size]))
        place = localisation.Found(random.random(2), boxes[0], np.array(boxes))
        drawn.append(scores_of(place, true))
    expected = scores_at_random(found, true)
    assert 0.05 < expected["t_iou"] < expected["any_t_iou"] < 0.95  # the means tell something
    assert expected.keys() == METRICS.keys()
    for name, value in expected.items():
        assert value == pytest.approx(np.mean([scores[name] for scores in drawn]), abs=0.03), name


def test_a_box_as_large_as_the_image_has_one_place():
    scores = scores_at_random(found_at([0, 0, 1, 1]), np.array([[0, 0, 0.5, 0.5]]))
    assert (scores["iou"], scores["iobb"], scores["t_iou"]) == pytest.approx((0.25, 0.25, 1))


def test_the_centre_keeps_the_boxes_as_large_as_they_are():
    moved = at_centre(found_at([0, 0, 0.2, 0.4], [0.8, 0.9, 1, 1]))
    np.testing.assert_allclose(moved.point, [0.5, 0.5])
    np.testing.assert_allclose(moved.box, [0.4, 0.3, 0.6, 0.7])
    np.testing.assert_allclose(moved.boxes, [[0.4, 0.3, 0.6, 0.7], [0.4, 0.45, 0.6, 0.55]])


def test_the_mean_box():
    found = mean_box(np.array([[0, 0, 0.2, 0.2], [0.2, 0.4, 0.6, 1]]))
    np.testing.assert_allclose(found.box, [0.1, 0.2, 0.4, 0.6])
    np.testing.assert_allclose(found.point, [0.25, 0.4])
    np.testing.assert_allclose(found.boxes, [found.box])


# ---- over cases ----


def test_intervals_are_of_patients_and_differences_are_paired():
    random = np.random.default_rng(0)
    patients = [str(n // 2) for n in range(20)]
    values, control = random.random(20), random.random(20)
    control[:4] = np.nan
    got = summarise(values, {"other": control, "same": values - 0.25}, patients, resamples=200, seed=3)
    means, differences = [], []
    for weights in patient_weights(patients, 200, 3):
        for of_study in weights:
            drawn = [n for n in range(20) for _ in range(of_study[n])]
            means.append(np.mean(values[drawn]))
            differences.append(np.mean([values[n] - control[n] for n in drawn if not np.isnan(control[n])]))
    assert (got["n"], got["patients"], got["value"]) == (20, 10, pytest.approx(values.mean()))
    assert (got["lo"], got["hi"]) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert got["other"] == pytest.approx(np.nanmean(control))
    assert (got["other_lo"], got["other_hi"]) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))
    assert (got["same_lo"], got["same_hi"]) == pytest.approx((0.25, 0.25))


def test_what_is_not_defined_is_none():
    got = summarise(np.array([0.5, 0.7]), {"none": np.full(2, np.nan)}, ["a", "a"], resamples=10, seed=0)
    assert got == {
        "n": 2, "patients": 1, "value": pytest.approx(0.6), "lo": None, "hi": None,
        "none": None, "none_lo": None, "none_hi": None,
    }  # fmt: skip
