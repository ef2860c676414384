"""Results are kept case by case, so that a run can be continued."""

import json

import pytest

from benchmarks import results
from benchmarks.case import Case, FailedError
from benchmarks.results import Results, run_cases
from tests.benchmarks.small import measured
from tienet.errors import InputError

CASES = [Case(name, "m:f", {"words": n}) for n, name in enumerate("abc")]


def fake_run(monkeypatch, fails=(), interrupted_at=None):
    """Cases that are not run; gives the names of those that were asked for."""
    asked = []

    def replaced(self, temporary):
        asked.append(self.name)
        if self.name == interrupted_at:
            raise KeyboardInterrupt
        if self.name in fails:
            raise FailedError(f"{self.name}: no")
        return measured()

    monkeypatch.setattr(Case, "run", replaced)
    return asked


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(tmp_path, monkeypatch, capsys):
    path = tmp_path / "out" / "results.json"
    asked = fake_run(monkeypatch, interrupted_at="b")
    with pytest.raises(KeyboardInterrupt, match="1 of 3 cases"):
        run_cases(CASES, Results(path))
    assert asked == ["a", "b"]
    assert not (path.parent / "temporary").exists()
    asked = fake_run(monkeypatch)
    assert run_cases(CASES, Results(path)) == 0
    assert asked == ["b", "c"]
    assert list(json.loads(path.read_text())["cases"]) == ["a", "b", "c"]
    asked = fake_run(monkeypatch)
    run_cases(CASES, Results(path, fresh=True))
    assert asked == ["a", "b", "c"]


def test_a_case_with_other_arguments_is_measured_again(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    fake_run(monkeypatch)
    run_cases(CASES, Results(path))
    asked = fake_run(monkeypatch)
    run_cases([CASES[0], Case("b", "m:f", {"words": 99})], Results(path))
    assert asked == ["b"]


def test_a_failure_leaves_the_others_and_a_status(tmp_path, monkeypatch, capsys):
    fake_run(monkeypatch, fails=("b",))
    found = Results(tmp_path / "results.json")
    assert run_cases(CASES, found) == 1
    assert list(found.cases) == ["a", "c"]
    assert "failed: b: no" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"machine": 1, "cases": 2}', '{"machine": {"cpu": "other"}, "cases": {}}']
)
def test_a_foreign_file_of_results_is_refused(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(InputError, match="--fresh"):
        Results(path)
    assert Results(path, fresh=True).cases == {}


def test_a_record_has_the_rates(tmp_path):
    record = Results(tmp_path / "r.json").add(CASES[0], measured(seconds=2, operations=8e9, rate=16e9), 1.0)
    assert (record["gflop_s"], record["product_gflop_s"], record["share"], record["peak_gb"]) == (4, 16, 0.25, 3)
    assert "25%" in results.line_of(record)
