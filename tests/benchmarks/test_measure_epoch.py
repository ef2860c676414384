"""An epoch is timed on a feature cache of holes."""

import pytest

from benchmarks.case import measure


def test_epochs_are_timed_on_a_cache_of_holes():
    found = measure("measure_epoch:epoch", {"studies": 40, "epochs": 2, "settings": {"batch": 16}})
    assert found["more"] == {"studies": 40, "epochs": 2, "steps": 3, "all_seconds": found["more"]["all_seconds"]}
    assert found["seconds"] == pytest.approx(sum(found["more"]["all_seconds"]) / 2, abs=1e-3)
