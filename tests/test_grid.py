"""Sides of the grids that the backbone and the transition layer make of an image."""

import pytest

from tienet import grid
from tienet.errors import InputError
from tienet.grid import Transition, transition_for


def test_grid_side_at_the_documented_sizes():
    assert [grid.backbone_side(px, "res5c") for px in (512, 1024)] == [16, 32]
    assert grid.backbone_side(256, "res4f") == 16
    with pytest.raises(InputError, match=r"image_px=31 .*32 or more"):
        grid.backbone_side(31, "res4f")


@pytest.mark.parametrize(
    ("image_px", "end", "expected"),
    [(512, "res5c", (1, 1)), (1024, "res5c", (3, 2)), (256, "res4f", (1, 1)), (512, "res4f", (3, 2))],
)
def test_transition_reaches_the_grid(image_px, end, expected):
    assert transition_for(image_px, end) == Transition(*expected)


@pytest.mark.parametrize(("image_px", "end", "sizes"), [(256, "res5c", "512 or 1024"), (300, "res4f", "256 or 512")])
def test_a_size_without_a_transition_names_those_that_have_one(image_px, end, sizes):
    with pytest.raises(InputError, match=f"image_px={image_px} .* 16 x 16 grid; use {sizes} with {end}"):
        transition_for(image_px, end)


def test_the_transition_reaches_the_grid_from_the_backbones_side():
    """A SAME convolution of stride s leaves ceil(n / s) of n locations."""
    for end, sizes in {"res5c": (512, 1024), "res4f": (256, 512)}.items():
        for image_px in sizes:
            stride = transition_for(image_px, end).stride
            assert -(-grid.backbone_side(image_px, end) // stride) == grid.GRID_SIDE
