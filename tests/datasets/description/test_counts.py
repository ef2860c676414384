"""Counts per split and label, pairs, patients, empty cells and views, against loops."""

import numpy as np
import pytest

from tests.datasets.description.toy_sets import load_set, write_set
from tienet.data import manifest as manifests
from tienet.datasets.description import counts
from tienet.labels import LABELS, K


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).choice([0, 1, np.nan], (60, K)).astype(np.float32)


def test_groups_agree_with_the_table_that_the_scripts_print(tmp_path):
    manifest = load_set(tmp_path / "toy")
    found = counts.count_groups(manifest)
    for line in manifests.counts_table(manifest).splitlines()[1:]:
        name, *cells = line.split()
        ours = found.sizes[:, counts.SIZES.index(name)] if name in counts.SIZES else None
        k = LABELS.index(name) if ours is None else 0
        for g, cell in enumerate(cells):
            known = ours is not None or found.positive[g, k] + found.negative[g, k] or not found.sizes[g, 0]
            assert cell == (str((found.positive[:, k] if ours is None else ours)[g]) if known else "?"), line


def test_positive_negative_and_unknown_are_all_studies(tmp_path):
    found = counts.count_groups(load_set(tmp_path / "toy"))
    total = found.positive + found.negative + found.unknown
    assert (total == found.sizes[:, :1]).all()
    assert (total[:3].sum(0) == total[3]).all()
    k = LABELS.index("Edema")
    assert (found.positive[0, k], found.negative[0, k], found.unknown[0, k]) == (2, 1, 1)


def test_pairs_and_shares_equal_a_loop_and_leave_unknown_labels_out(labels):
    pairs = counts.count_pairs(labels)
    share = pairs.share()
    for j in range(K):
        for k in range(K):
            both = sum(row[j] == 1 and row[k] == 1 for row in labels)
            known = sum(row[j] == 1 and row[k] in (0, 1) for row in labels)
            assert (pairs.both[j, k], pairs.known[j, k]) == (both, known)
            assert share[j, k] == pytest.approx(both / known)


def test_a_share_of_nothing_is_nan_and_a_pair_of_nothing_is_not_listed():
    labels = np.zeros((3, K), np.float32)
    labels[0, [0, 1]] = 1
    labels[1, 2], labels[1, 3] = 1, np.nan
    pairs = counts.count_pairs(labels)
    assert np.isnan(pairs.share()[2, 3]) and np.isnan(pairs.share()[5, 0]) and pairs.share()[2, 0] == 0
    assert pairs.most_frequent(9) == [("Atelectasis", "Cardiomegaly", 1)]


def test_most_frequent_pairs_fall_and_name_no_pair_twice(labels):
    found = counts.count_pairs(labels).most_frequent(1000)
    numbers = [count for _, _, count in found]
    assert numbers == sorted(numbers, reverse=True)
    assert len({frozenset(pair[:2]) for pair in found}) == len(found) == K * (K - 1) // 2


def test_patients_have_studies_and_images(tmp_path):
    found = counts.per_patient(load_set(tmp_path / "toy"))
    assert found["studies"].tolist() == [3, 1, 1, 1] and found["images"].tolist() == [3, 0, 1, 1]


def test_empty_cells_count_white_space_and_other_columns_but_no_label(tmp_path):
    path = write_set(tmp_path / "toy", other=["x", "", " ", "x", "x", "x"])
    cells = counts.count_cells(path)
    none = {"study_id": 0, "patient_id": 0, "split": 0}
    assert cells.empty == none | {"image": 1, "report": 2, "other": 2} and cells.rows == 6


@pytest.mark.parametrize("column", ["view", "View Position", "ViewPosition", "view_position", "VIEW"])
def test_views_are_counted_whatever_the_column_is_called(tmp_path, column):
    path = write_set(tmp_path / "toy", **{column: ["PA", "PA ", "AP", "", "PA", "LL"]})
    assert counts.count_cells(path).views == {column: {"PA": 3, "AP": 1, "LL": 1}}


def test_no_other_column_is_taken_for_the_view(tmp_path):
    columns = {name: ["a"] * 6 for name in ("reviewer", "view of", "position")}
    assert counts.count_cells(write_set(tmp_path / "toy", **columns)).views == {}


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 5, "0.0%"), (5, 5, "100.0%"), (1, 10**6, "<0.1%"), (99999, 10**5, ">99.9%"), (1, 8, "12.5%"), (0, 0, "-")],
)
def test_a_share_is_never_rounded_to_none_or_all(part, whole, text):
    assert counts.percent(part, whole) == text
