"""What XLA compiles for a training on a GPU: once, all of it before the first update, and without an effect."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests import xla_log
from tests.modeling.small_network import config_of
from tests.training.compiled_training import LENGTHS
from tests.xla_log import compiled
from tienet import cpu, devices
from tienet.training.compiling import compile_ahead

PROGRAM = Path(__file__).with_name("compiled_training.py")


def run(how: str, folder: Path) -> tuple[str, str, dict[str, np.ndarray]]:
    """What was logged before the first update and then, and the weights at the end."""
    before, after = xla_log.run(PROGRAM, how, folder / f"{how}.npz").split("UPDATES\n")
    return before, after, dict(np.load(folder / f"{how}.npz"))


@pytest.fixture(scope="module")
def ahead(tmp_path_factory):
    return run("ahead", tmp_path_factory.mktemp("ahead"))


@pytest.fixture(scope="module")
def as_it_comes(tmp_path_factory):
    return run("as-it-comes", tmp_path_factory.mktemp("as-it-comes"))


def test_all_lengths_are_compiled_before_the_first_update(ahead, as_it_comes):
    before, after, _ = ahead
    assert {name for name, _ in compiled(before)} == {"_forward", "_backward", "block"}
    assert [name for name, _ in compiled(after)] == ["_largest"]  # the watch on the gradients, which no length changes
    assert "\ncompiling for the GPU: reports are padded to 16, 32 words\n" in before
    counts = Counter(name for name, _ in compiled(before))
    assert counts["_backward"] == 2 * len(LENGTHS)  # of all reports, and of those that the network has written itself
    before, after, _ = as_it_comes
    assert not compiled(before) and Counter(name for name, _ in compiled(after))["_backward"] > 1


def test_writing_is_compiled_once_for_all_blocks_of_words(as_it_comes):
    """20 words take two blocks; a place in a report must not be a constant of the compiled code."""
    blocks = [times for name, times in compiled(as_it_comes[1]) if name == "block"]
    assert blocks == [1, 1]  # greedily, and at random


def test_the_weights_are_the_same(ahead, as_it_comes):
    expected = as_it_comes[2]
    assert len(expected) > 20
    for name, array in ahead[2].items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("gpu", "cores", "mode", "settings", "expected"),
    [
        (True, 4, "annotate", {}, 1),
        (True, 4, "annotate-text", {}, 1),
        (False, 4, "annotate", {}, 0),
        (True, 2, "annotate", {}, 0),
        (True, 4, "classify", {}, 0),
        (True, 4, "annotate", {"features": "off"}, 0),
    ],
)
def test_it_is_done_where_it_is_worth_it(monkeypatch, gpu, cores, mode, settings, expected):
    monkeypatch.setattr(devices, "gpu_computes", lambda: gpu)
    monkeypatch.setattr(cpu, "usable_cores", lambda: cores)
    model = SimpleNamespace(config=config_of(mode, **settings))
    assert len(compile_ahead(model, LENGTHS, 4)) == expected
