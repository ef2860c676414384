"""Results of a few cases."""

import pytest

from benchmarks import cases
from benchmarks.case import Case
from benchmarks.results import Results
from tests.benchmarks.small import measured


@pytest.fixture
def filled(tmp_path) -> Results:
    """Results of a few cases with made-up figures."""
    filled = Results(tmp_path / "results.json")
    for case in [*cases.steps(), *cases.writing(), *cases.growth((16, 32), (8, 32), (8,), 3)]:
        filled.add(case, measured(seconds=case.arguments.get("words", 1) / 64), 1.0)
    filled.add(Case("data flow/T=64", "x:y"), measured(seconds=0.05, operations=0, rate=None, from_disk_s=0.07), 1.0)
    filled.add(Case("cache/read", "x:y"), measured(operations=0, rate=None, mb_s=900, from_disk_mb_s=300), 1.0)
    return filled
