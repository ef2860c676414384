"""A case runs in a process of its own and reports what it measured, or fails with a line."""

import pytest

from benchmarks import measure_text
from benchmarks.case import Case, FailedError


def test_a_process_of_its_own_gives_what_the_case_measured(tmp_path):
    found = Case("evaluation", "measure_text:evaluation", {"studies": 200, "patients": 50, "resamples": 3}).run(
        tmp_path
    )
    here = measure_text.evaluation(studies=200, patients=50, resamples=3)
    assert (found["operations"], found["more"]) == (here.operations, here.more)
    assert found["seconds"] > 0
    assert 1e7 < found["peak_bytes"] < 5e8


def test_a_case_that_fails_is_told_in_a_line(tmp_path):
    with pytest.raises(FailedError, match=r"^bad: .*no/such/file") as failure:
        Case("bad", "measure_text:vocabulary", {"corpus": "no/such/file"}).run(tmp_path)
    assert "\n" not in str(failure.value)
