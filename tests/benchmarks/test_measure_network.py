"""The cases of the network report their operations, and writing reaches the full length."""

import pytest

from benchmarks.case import measure
from tests.benchmarks.small import SMALL

TINY = {"batch": 2, "words": 4, "vocabulary": 20, "word_dim": 6, "product": 16, "settings": SMALL}
STEP = TINY | {"mode": "report", "steps": 2, "least_seconds": 0.0}


def test_a_step_reports_all_there_is():
    found = measure("measure_network:step", STEP | {"mode": "classify"})
    assert found["seconds"] > 0
    assert found["peak_bytes"] > 1e8
    assert found["operations"] == sum(found["more"]["operations_by_part"].values())
    assert found["product_rate"] > 0
    assert len(found["more"]["all_seconds"]) == 2


def test_the_head_alone_needs_no_transition_and_takes_any_grid():
    found = measure("measure_network:step", STEP | {"side": 3, "product": 0})
    parts = found["more"]["operations_by_part"]
    assert "transition" not in parts
    B, T, L, C = 2, 4, 9, 8
    assert parts["contexts"] == 2 * (2 * B * T * L * C)  # forward and to a, not to x
    assert found["product_rate"] is None


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_reports_are_written_to_their_full_length(method):
    found = measure("measure_network:write", TINY | {"method": method, "repeats": 1})
    assert found["operations"] == sum(found["more"]["operations_by_part"].values())  # `write` itself checks the length
