"""What a case reports, that a run goes on where it stopped, and what the tables and pictures are made of."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cases, growth, measure_data, measure_text, measuring, plots, results, run, synthetic, table
from benchmarks.case import Case, FailedError, measure
from benchmarks.results import Results, run_cases
from tests.conftest import ROOT
from tienet.config import Config, preset
from tienet.data.features.store import Store
from tienet.errors import InputError

SMALL = {
    "transition_channels": 8, "attention_units": 5, "lstm_units": 7, "attention_rows": 3, "attention_hidden": 11,
}  # fmt: skip
TINY = {"batch": 2, "words": 4, "vocabulary": 20, "word_dim": 6, "product": 16, "settings": SMALL}
STEP = TINY | {"mode": "report", "steps": 2, "least_seconds": 0.0}


def measured(seconds=2.0, peak=3e9, operations=8e9, rate=16e9, **more):
    return {
        "seconds": seconds, "peak_bytes": peak, "operations": operations, "product_rate": rate, "more": more,
    }  # fmt: skip


@pytest.fixture
def filled(tmp_path) -> Results:
    """Results of a few cases with made-up figures."""
    filled = Results(tmp_path / "results.json")
    for case in [*cases.steps(), *cases.writing(), *cases.growth((16, 32), (8, 32), (8,), 3)]:
        filled.add(case, measured(seconds=case.arguments.get("words", 1) / 64), 1.0)
    filled.add(Case("data flow/T=64", "x:y"), measured(seconds=0.05, operations=0, rate=None, from_disk_s=0.07), 1.0)
    filled.add(Case("cache/read", "x:y"), measured(operations=0, rate=None, mb_s=900, from_disk_mb_s=300), 1.0)
    return filled


# ---- a case ----


def test_a_process_of_its_own_gives_what_the_case_measured(tmp_path):
    found = Case("evaluation", "measure_text:evaluation", {"studies": 200, "patients": 50, "resamples": 3}).run(
        tmp_path
    )
    here = measure_text.evaluation(studies=200, patients=50, resamples=3)
    assert (found["operations"], found["more"]) == (here.operations, here.more)
    assert found["seconds"] > 0
    assert 1e7 < found["peak_bytes"] < 5e8


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


def test_a_case_that_fails_is_told_in_a_line(tmp_path):
    with pytest.raises(FailedError, match=r"^bad: .*no/such/file") as failure:
        Case("bad", "measure_text:vocabulary", {"corpus": "no/such/file"}).run(tmp_path)
    assert "\n" not in str(failure.value)


def test_epochs_are_timed_on_a_cache_of_holes():
    found = measure("measure_epoch:epoch", {"studies": 40, "epochs": 2, "settings": {"batch": 16}})
    assert found["more"] == {"studies": 40, "epochs": 2, "steps": 3, "all_seconds": found["more"]["all_seconds"]}
    assert found["seconds"] == pytest.approx(sum(found["more"]["all_seconds"]) / 2, abs=1e-3)


def test_cache_and_data_flow_report_their_rates():
    written, read = measure_data.cache_write(20), measure_data.cache_read(20)
    assert written.more["mb"] == read.more["mb"] == pytest.approx(20 * 16 * 16 * 1024 * 2 / 1e6, abs=0.1)
    assert written.more["mb_s"] == pytest.approx(written.more["mb"] / written.seconds, rel=0.05)
    flow = measure_data.data_flow(rows=40, words=5)
    assert flow.seconds > 0
    assert flow.more["from_disk_s"] > 0


def test_holes_and_rows_are_what_the_real_cache_writes(tmp_path):
    config = preset("openi", "classify")
    real, holes = (synthetic.store(tmp_path / name, config) for name in ("real", "holes"))
    synthetic.fill(real, 3)
    synthetic.fill_with_holes(holes, 3)
    assert holes.index.read_bytes() == real.index.read_bytes()
    assert holes.data.stat().st_size == real.data.stat().st_size
    assert Store(holes.folder, holes.row_shape, json.loads((holes.meta).read_text())).rows() == real.rows()
    studies = synthetic.studies(real, Config().replace(mode="report", **SMALL), words=4)
    x, word_ids, word_len, labels = studies.batch(np.array([2, 0]))
    assert x.shape == (2, 16, 16, 1024)
    assert x.any()
    assert word_ids.shape == (2, 4)
    assert word_len.tolist() == [4, 4]
    assert labels.shape == (2, 15)


def test_evaluation_counts_whole_numbers():
    found = measure_text.evaluation(studies=200, patients=50, resamples=3)
    assert 3 * (50 + 200 + 15 * 200) < found.operations < 3 * (50 + 200 + 15 * 200 * 4)


def test_vocabulary_reads_the_text_and_a_failure_is_told(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the heart is normal . the lungs are clear .\n" * 30)
    found = measure_text.vocabulary(str(text), dim=5, epochs=1)
    assert found.more["running_words"] == 2 * 30 * 10  # the text, and its lines as reports
    assert found.peak_bytes > 1e7
    (tmp_path / "other.txt").write_text("each word once only\n")
    with pytest.raises(RuntimeError, match=r"build_vocab"):
        measure_text.vocabulary(str(tmp_path / "other.txt"), dim=5, epochs=1)


def test_the_peak_is_this_processs_own():
    code = "from benchmarks.measuring import peak_memory; print(peak_memory())"
    ballast = np.ones(50_000_000)  # 400 MB here are not the child's
    child = int(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout)
    assert child < 200e6 < measuring.peak_memory()
    assert ballast.all()


def test_repeat_goes_on_until_both_limits_are_met():
    calls = []
    assert len(measuring.repeat(lambda: calls.append(1), least=3, warm_up=2)) == 3
    assert len(calls) == 5
    assert sum(measuring.repeat(lambda: None, least=1, warm_up=0, least_seconds=0.01)) >= 0.01


# ---- a run ----


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


CASES = [Case(name, "m:f", {"words": n}) for n, name in enumerate("abc")]


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


def test_names_are_unique_and_only_chooses_by_part_of_them():
    everything = cases.all_cases(Path("text"))
    assert len({case.name for case in everything}) == len(everything)
    assert {case.name for case in run.chosen(everything, ["cache/", "evaluation"])} == {
        "cache/write", "cache/read", "evaluation",
    }  # fmt: skip
    with pytest.raises(InputError, match="--only nothing"):
        run.chosen(everything, ["nothing"])
    json.dumps([case.arguments for case in everything])


# ---- tables and pictures ----


def test_the_table_says_what_two_cases_say_together(filled):
    text = table.table(filled)
    assert "20 times as fast as the step of report" in text
    assert "1.00 times greedy" in text
    assert "900 MB/s; 300 MB/s from the disk" in text
    assert "growth/" not in text
    assert "T=16,B=32" in table.growth_table(filled)


def test_pictures_are_drawn_even_of_one_point_or_none(filled, tmp_path):
    for n, some in enumerate((filled, Results(tmp_path / "none.json"))):
        plots.plot_shares(some, tmp_path / f"{n}a.png")
        plots.plot_growth(some, tmp_path / f"{n}b.png")
    assert all((tmp_path / name).read_bytes()[1:4] == b"PNG" for name in ("0a.png", "0b.png", "1a.png", "1b.png"))


def test_the_slope_is_the_exponent():
    x = np.array([1.0, 10.0, 100.0])
    assert plots.slope(x, 3 * x**1.5) == pytest.approx(1.5)
    assert np.isnan(plots.slope(x[:1], x[:1]))


def test_the_large_epoch_is_compared_with_many_small_ones(tmp_path):
    sizes = {case.arguments["studies"]: case.arguments["epochs"] for case in growth.growth_cases([1000, 100_000])}
    assert sizes == {1000: 100, 100_000: 1}
    found = Results(tmp_path / "growth.json")
    for studies, seconds in ((1000, 2.0), (100_000, 210.0)):
        found.add(cases.epochs(studies), measured(seconds=seconds, operations=0, rate=None), 1.0)
    assert "1.050 of 100 epochs of 1,000 (200.0 s)" in growth.comparison(found, [1000, 100_000])
