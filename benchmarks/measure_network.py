"""Cases: a training step, and writing reports."""

import dataclasses
import statistics

from benchmarks import operations
from benchmarks.measuring import SIDE, MatrixProduct, Measured, peak_memory, repeat
from tienet import cli
from tienet.config import Config

MIN_SECONDS = 2.0  # short steps are repeated for this long


def step(
    mode: str,
    words: int,
    batch: int = 32,
    side: int | None = None,
    steps: int = 6,
    least_seconds: float = MIN_SECONDS,
    vocabulary: int = 1457,
    word_dim: int = 200,
    product: int = SIDE,
    settings: dict[str, object] | None = None,
) -> Measured:
    """One training step with Adam, on random features.

    Args:
        words: T, <START> among them.
        side: The grid's side, for the head alone; None: the whole network from features, with the transition.
        steps: How many steps are timed at least, after two that compile.
        least_seconds: More steps are timed until they took this long together.
        product: The side of the large matrix product's matrices; 0: the product is not measured.
        settings: Settings of `Config`, besides 256 px images and res4f.
    """
    cli.start_tensorflow()
    from benchmarks.network import training_step

    config = _config(mode, settings)
    sizes = operations.Sizes.from_config(config, batch, words, vocabulary, word_dim)
    if side is not None:
        sizes = dataclasses.replace(sizes, L=side**2)
    parts = operations.training_step(config, sizes, head_only=side is not None)
    large = MatrixProduct(product)
    large.measure()
    with training_step(config, batch, words, vocabulary, word_dim, side) as update:
        seconds = repeat(update, steps, warm_up=2, least_seconds=least_seconds)
        peak = peak_memory()
    large.measure()
    return Measured(statistics.median(seconds), peak, operations.total(parts), large.rate, _more(parts, seconds))


def write(
    method: str,
    batch: int,
    words: int = 60,
    width: int = 3,
    repeats: int = 3,
    vocabulary: int = 1457,
    word_dim: int = 200,
    product: int = SIDE,
    settings: dict[str, object] | None = None,
) -> Measured:
    """Writing `batch` reports of `words` words, from random features.

    Args:
        method: "greedy" or "beam".
        width: The width of the beam.
        repeats: How often the reports are written.
        product, settings: As in `step`.
    """
    cli.start_tensorflow()
    from benchmarks.network import writer
    from tienet.modeling.decoding import Decoding

    config = _config("report", settings)
    sizes = operations.Sizes.from_config(config, batch, words + 1, vocabulary, word_dim)
    parts = operations.decoding(sizes, words, width if method == "beam" else 1)
    large = MatrixProduct(product)
    large.measure()
    with writer(config, batch, words, vocabulary, word_dim, Decoding(method, words, width)) as call:
        states = call()
        assert (states == words + 1).all(), f"a report ended early: {states}"
        seconds = repeat(call, repeats, warm_up=0)
        peak = peak_memory()
    large.measure()
    return Measured(statistics.median(seconds), peak, operations.total(parts), large.rate, _more(parts, seconds))


def _config(mode: str, settings: dict[str, object] | None) -> Config:
    return Config().replace(mode=mode, backbone_end="res4f", image_px=256, **(settings or {}))


def _more(parts: dict[str, operations.Work], seconds: list[float]) -> dict[str, object]:
    return {
        "operations_by_part": {name: work.total for name, work in parts.items()},
        "all_seconds": [round(value, 4) for value in seconds],
    }
