"""However a batch is split among towers, accumulations and workers, the weights are the same."""

import json

import numpy as np
import pytest

from tests.distributed.parallelism.disturb import without_compilers
from tests.distributed.parallelism.runs import (
    DRAWN,
    SEED,
    addresses,
    assert_close,
    assert_same_bits,
    read,
    variables_of,
    weights_of,
)

LAYOUTS = {
    "four towers": ["--gpu", "0,1,2,3"],
    "two towers x 2 accumulations": ["--gpu", "0,1", "--tower-batch", 8],
    "two workers": [],
    "two workers x two towers": ["--gpu", "0,1"],
}


@pytest.mark.parametrize(
    ("mode", "layouts"),
    [("annotate", LAYOUTS), ("report", ["two towers x 2 accumulations", "two workers x two towers"])],
    ids=["annotate", "report"],
)
def test_ten_updates_on_the_same_studies_give_the_same_weights_however_they_are_shared(start, mode, layouts):
    """Adam, no dropout, batches of 32 of 32 studies.

    The seed is one for which no two rows of the text attention come within a rounding error of each other where
    x_aete takes the larger: with others the gradient goes to one row in one layout, to its neighbour in another, and
    the weights differ by up to 3e-5. No layout is more right then.
    """
    flags = ["--mode", mode, "--epochs", 10]
    one = start("one", *flags, tamper=without_compilers, dropout=0.0)
    others = {}
    for name in layouts:
        if "workers" in name:
            tampers = {0: without_compilers, 1: without_compilers}
            others[name] = start.workers(name, *flags, *LAYOUTS[name], tampers=tampers, dropout=0.0)
        else:
            others[name] = [start(name, *flags, *LAYOUTS[name], tamper=without_compilers, dropout=0.0)]
    alone = one.done()
    assert read(alone)["step"] == read(alone)["epoch"] == 10
    for running in others.values():
        for process in running:
            assert_close(process.done(), alone)
    sums = {
        name: value
        for name, value in variables_of(others["two towers x 2 accumulations"][0].logdir).items()
        if name.startswith("accumulation/")
    }
    assert sums.pop("accumulation/counter") == 20 and sums and not any(value.any() for value in sums.values())


def test_two_runs_with_one_seed_are_equal_bit_for_bit_and_with_another_they_are_not(start, straight):
    again, other = start("again", **DRAWN), start("other", **DRAWN | {"seed": SEED + 1})
    assert_same_bits(again.done(), straight["drawn"])
    assert json.loads((straight["drawn"] / "config.json").read_text())["seed"] == SEED
    other = weights_of(other.done())
    assert any(not np.array_equal(other[name], value) for name, value in weights_of(straight["drawn"]).items())


def test_a_training_ends_with_the_card_of_its_run(straight):
    assert "classify" in (straight["quick"] / "README.md").read_text()


def test_a_batch_that_does_not_divide_names_the_nearest_that_do(start):
    three = start("three", "--gpu", "0,1,2", "--tower-batch", 4)
    two = start("two", "--workers", addresses(), "--task", 1, "--gpu", "0,1,2", "--tower-batch", 3)
    assert three.status() == two.status() == 2
    assert three.error == "train.py: batch=32 does not divide by 3 GPUs x 4 studies; use 24 or 36"
    assert two.error == "train.py: batch=32 does not divide by 2 workers x 3 GPUs x 3 studies; use 18 or 36"
