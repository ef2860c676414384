"""The D x D grid: from the image's size and the backbone's end to the transition's kernel and stride."""

from dataclasses import dataclass

from tienet.errors import InputError
from tienet.modeling.backbone_weights import ENDS

GRID_SIDE = 16
"""D: locations along a side of the grid that the attention looks at."""


@dataclass(frozen=True)
class Transition:
    """The transition convolution's kernel side and stride; padding is SAME."""

    kernel: int
    stride: int


def transition_for(image_px: int, backbone_end: str) -> Transition:
    """The transition that brings an image of `image_px` pixels to the 16 x 16 grid.

    The backbone gives `image_px / stride` locations a side: 16 need a 1 x 1 kernel, 32 a 3 x 3 kernel of stride 2.

    Raises:
        InputError: no transition fits; the message names the sizes that do.
    """
    stride, _ = ENDS[backbone_end]
    sizes = {GRID_SIDE * stride: Transition(1, 1), 2 * GRID_SIDE * stride: Transition(3, 2)}
    if image_px not in sizes:
        fitting = " or ".join(str(size) for size in sizes)
        raise InputError(
            f"image_px={image_px} with backbone_end={backbone_end} does not give a {GRID_SIDE} x {GRID_SIDE} grid; "
            f"use {fitting} with {backbone_end}"
        )
    return sizes[image_px]
