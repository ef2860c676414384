"""The plan for a GPU machine, processes and their rows, the table, and a few rows in small on the CPU."""

import json
import os
import signal
import sys
import threading

import pytest

from benchmarks import gpu, gpu_images, gpu_plan, gpu_rows
from benchmarks.case import Case, FailedError
from benchmarks.gpu_plan import AIMS, Aim, Planned, plan
from benchmarks.gpu_process import Process, Row
from tienet.errors import InputError
from tienet.modes import MODES


def test_cases_have_names_of_their_own_and_arguments_for_json():
    cases = plan("pictures", ("data", "weights"))
    names = [planned.name for planned in cases]
    assert len(set(names)) == len(names)
    assert names[:3] == ["head", "head in PyTorch", "write"]
    assert names[-2:] == ["openi", "head in PyTorch, compiled"]  # the slowest ones are last
    json.dumps([planned.case.arguments for planned in cases])
    assert {planned.case.name for planned in plan("pictures", None)} >= gpu_plan.SMALL.keys()
    found = [planned.name for planned in gpu.chosen(cases, ["towers", "head", "towers/TF32"])]
    assert found == ["towers/TF32", "towers/float32", "head"]
    with pytest.raises(InputError, match="--only nothing"):
        gpu.chosen(cases, ["nothing"])


def test_variants_add_to_the_flags_that_are_there(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "--xla_mine=1")
    monkeypatch.setattr(gpu_plan, "VARIANTS", [("fast", "head", {"XLA_FLAGS": "--xla_theirs=2", "OWN": "FOLDER/own"})])
    (variant,) = (planned for planned in plan("pictures", None) if planned.variant)
    assert variant.row_name("head/T=64") == "head/T=64 [fast]"
    found = gpu.environment(variant, tmp_path, small=False)
    assert found == {
        "TIENET_XLA_CACHE": "off", "XLA_FLAGS": "--xla_mine=1 --xla_theirs=2", "OWN": f"{tmp_path}/own",
    }  # fmt: skip
    assert gpu.environment(variant, tmp_path, small=True)["CUDA_VISIBLE_DEVICES"] == "-1"


def test_the_rows_of_a_process_come_one_by_one(tmp_path):
    rows = list(Process(Case("none", "gpu_rows:sharing", {"processes": 0}), {}, tmp_path).rows(60))
    assert [(row.name, row.value, peak) for row, peak in rows] == [("share the GPU", 0, 0)]


@pytest.mark.parametrize(
    ("timeout", "arguments", "message"),
    [(60, {"nothing": 1}, "case: .*'nothing'"), (0.01, {"processes": 0}, "case: not done after 0 s")],
)
def test_a_process_that_fails_or_hangs_is_one_line(tmp_path, timeout, arguments, message):
    function = "gpu_rows:training" if "nothing" in arguments else "gpu_rows:sharing"
    with pytest.raises(FailedError, match=message) as caught:
        list(Process(Case("case", function, arguments), {}, tmp_path).rows(timeout))
    assert "\n" not in str(caught.value)


def test_a_row_is_printed_with_its_aim_and_its_ratio(tmp_path, capsys):
    table = gpu.Table(tmp_path / "rows.jsonl", {"gpu": "one"}, AIMS)
    table.add("head/T=64", Row("head/T=64", 4.0, "ms", 12.34), 3_000_000_000, 20.0)
    table.add("head/T=128", Row("head/T=128", 9.0, "ms"), 0, 21.0)
    table.add("head/T=128 [fast]", Row("head/T=128", 9.0, "ms", note="a|b"), 0, 22.0)
    table.fail("write", "no memory")
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| head/T=64 | 4 ms | at most 5: yes |  | 12.3 | 3.00 |  |",
        "| head/T=128 | 9 ms | at most 2 times head/T=64: NO | 2.25 |  |  |  |",
        "| head/T=128 [fast] | 9 ms |  |  |  |  | a/b |",
        "| write | failed | | | | | no memory |",
    ]
    records = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [record["name"] for record in records] == ["head/T=64", "head/T=128", "head/T=128 [fast]", "write"]
    assert records[1]["ratio"] == pytest.approx(2.25)
    assert records[1]["reached"] is False
    assert records[3] == {"name": "write", "failed": "no memory", "date": records[3]["date"], "gpu": "one"}


def test_a_ratio_is_open_where_its_row_is_missing(capsys):
    gpu.Table(None, {}, {"b": Aim(at_least=15, of="a")}).add("b", Row("b", 3.0, "ms"), 0, 1.0)
    assert "| b | 3 ms | at least 15 times a |  |" in capsys.readouterr().out


def test_no_case_starts_once_the_seconds_are_over(tmp_path, capsys):
    cases = [Planned(Case(name, "gpu_rows:sharing", {"processes": 0})) for name in ("first", "second")]
    assert gpu.measure(cases, gpu.Table(None, {}, {}), tmp_path, 0.0, small=True)
    out = capsys.readouterr().out
    assert "share the GPU" in out or "not started: first, second" in out
    assert "not started: " in out


def test_a_case_in_small(tmp_path):
    out = tmp_path / "rows.jsonl"
    cases = gpu.chosen(plan(str(tmp_path / "pictures"), None, small=True), ["write"])[:1]
    assert gpu.measure(cases, gpu.Table(out, {}, {}), tmp_path, 600, small=True)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["write/greedy/B=2", "write/beam/B=2"]
    for row in rows:
        assert 0 < row["value"] < 5000
        assert row["unit"] == "ms"
        assert row["compile_s"] * 1000 > row["value"]
        assert row["gpu_bytes"] == 0


def test_a_row_of_this_process():
    (row,) = gpu_rows.head(**gpu_plan.SMALL["head"])
    assert row.name == "head/T=3"
    assert 0 < row.value < 1000 * row.compile_s


def test_chains_run_side_by_side_and_one_that_fails_ends_none_of_the_others(monkeypatch):
    order, second_began = [], threading.Event()

    def command(what: str, _: list[str]) -> Row:
        order.append(what)
        if what == "a1":
            assert second_began.wait(10), "the second chain waits for the first"
        if what == "b1":
            second_began.set()
            raise FailedError("b1: no memory")
        return Row(what, 1.0, "s")

    monkeypatch.setattr(gpu_images, "_command", command)
    rows = []
    with pytest.raises(FailedError, match="b1: no memory"):
        rows.extend(row.name for row in gpu_images._at_once([[("a1", []), ("a2", [])], [("b1", []), ("b2", [])]]))
    assert sorted(order) == ["a1", "a2", "b1"]


def test_each_mode_of_a_data_set_comes_after_what_it_goes_on_from(monkeypatch):
    monkeypatch.setattr(
        gpu_images, "_command", lambda what, command: commands.setdefault(what, command) and Row(what, 1.0, "s")
    )
    commands = {}
    with pytest.raises(FileNotFoundError):  # no table was written
        list(gpu_images.data_set("data/openi", "weights.npz"))
    assert next(iter(commands)) == "features"
    assert list(commands)[-1] == "tables"
    written = {what: command[command.index("--logdir") + 1] for what, command in commands.items() if what in MODES}
    assert set(written) == set(MODES)
    assert written["classify"] in commands["caption"]
    assert f"{written['caption']}/checkpoints/checkpoint" in commands["report"]
    assert set(written.values()) <= set(commands["tables"])


def test_a_stop_from_outside_ends_the_processes_of_the_cases_too(monkeypatch):
    """By SIGTERM, as `timeout` sends it: the processes have sessions of their own, so no signal reaches them."""
    pids = []

    def table(*_: object) -> None:
        pids.append(os.getpid())
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(gpu.Process, "rows", table)
    monkeypatch.setattr(sys, "argv", ["gpu", "--small", "--only", "write"])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            gpu.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert pids
