"""The anatomy of a drawn patient: what findings change in it, and where its organs lie."""

import numpy as np
import pytest

from tienet.datasets.phantom.anatomy import Anatomy, Chest
from tienet.datasets.phantom.facts import BILATERAL, LEFT, RIGHT, Fact


@pytest.fixture
def anatomy() -> Anatomy:
    return Anatomy.from_rng(np.random.default_rng(0))


def test_emphysema_lowers_and_flattens_the_domes(anatomy):
    flat = anatomy.with_facts([Fact("Emphysema", BILATERAL, "diffuse", "mild")])
    assert flat.base > anatomy.base and flat.dome < anatomy.dome


def test_findings_of_a_lung_leave_the_anatomy_as_it_is(anatomy):
    assert anatomy.with_facts([Fact("Mass", LEFT, "upper", "severe")]) == anatomy


def test_each_lung_lies_on_its_side_and_most_of_the_heart_on_the_left(anatomy):
    chest = Chest(anatomy, 64)
    for mask in (*chest.lung.values(), chest.heart, chest.mediastinum):
        assert mask.shape == (64, 64) and mask.min() >= 0 and mask.max() <= 1
    left_of_the_spine = chest.grid.x > anatomy.middle  # the patient's left is the right of the image
    of_mask = {
        name: mask[left_of_the_spine].sum() / mask.sum() for name, mask in {**chest.lung, "heart": chest.heart}.items()
    }
    assert of_mask[RIGHT] < 0.05 and of_mask[LEFT] > 0.95 and 0.6 < of_mask["heart"] < 0.95


def test_the_part_of_a_lung_that_holds_air_is_not_covered_by_the_heart(anatomy):
    chest = Chest(anatomy, 64)
    for side in (RIGHT, LEFT):
        assert (chest.air[side] <= chest.lung[side]).all()
        assert chest.air[side][chest.heart > 0.99].max() < 0.01
