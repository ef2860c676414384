"""The D x D grid of locations, and the transition that reaches it from the image's size and the backbone's end."""

from dataclasses import dataclass

from tienet.errors import InputError

ENDS: dict[str, tuple[int, int]] = {"res4f": (16, 1024), "res5c": (32, 2048)}
"""Where the backbone may end, each with its stride in pixels and its number of channels there."""

MIN_IMAGE_PX = 32
"""The side of the smallest image in pixels; it gives one location at the end res5c."""

GRID_SIDE = 16
"""D, the number of locations along a side of the grid that the attention is over."""


@dataclass(frozen=True)
class Transition:
    """The transition convolution, with padding SAME.

    Attributes:
        kernel: The side of the kernel.
        stride: The stride.
    """

    kernel: int
    stride: int


def transition_for(image_px: int, backbone_end: str) -> Transition:
    """The transition that brings an image of `image_px` pixels to the 16 x 16 grid.

    The backbone gives `image_px / stride` locations along a side: 16 of them need a 1 x 1 kernel, 32 a 3 x 3 kernel of
    stride 2.

    Raises:
        InputError: No transition fits the size; the message names the sizes that fit.
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


def backbone_side(image_px: int, end: str) -> int:
    """The number of locations along a side of the backbone's output, for square images of `image_px` pixels.

    Images of 256 pixels, for instance, give 16 locations at the end res4f. A convolution of stride 2 turns n locations
    into ceil(n / 2), and the max-pool, which does not pad, into ceil((n - 3) / 2) + 1. A total stride of 16 comes from
    conv1, the pool and two stages; one of 32 has a third stage.

    Raises:
        InputError: The image is smaller than MIN_IMAGE_PX.
    """
    if image_px < MIN_IMAGE_PX:
        raise InputError(f"image_px={image_px} is too small for the backbone; use {MIN_IMAGE_PX} or more")
    stride, _ = ENDS[end]
    side = _ceil_half(image_px)
    side = _ceil_half(side - 3) + 1
    for _ in range(stride.bit_length() - 3):
        side = _ceil_half(side)
    return side


def _ceil_half(side: int) -> int:
    return (side + 1) // 2
