"""A large epoch is compared with many small ones."""

from benchmarks import cases, growth
from benchmarks.results import Results
from tests.benchmarks.small import measured


def test_the_large_epoch_is_compared_with_many_small_ones(tmp_path):
    sizes = {case.arguments["studies"]: case.arguments["epochs"] for case in growth.growth_cases([1000, 100_000])}
    assert sizes == {1000: 100, 100_000: 1}
    found = Results(tmp_path / "growth.json")
    for studies, seconds in ((1000, 2.0), (100_000, 210.0)):
        found.add(cases.epochs(studies), measured(seconds=seconds, operations=0, rate=None), 1.0)
    assert "1.050 of 100 epochs of 1,000 (200.0 s)" in growth.comparison(found, [1000, 100_000])
