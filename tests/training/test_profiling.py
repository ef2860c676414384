"""--profile: which steps are traced, what the files hold, and what a short training says."""

import json

import pytest
import tensorflow as tf
from tensorflow.core.framework.step_stats_pb2 import StepStats
from tensorpack.callbacks import Callback, CallbackToHook

from tienet.training import profiling

tf1 = tf.compat.v1
CPU = "/job:localhost/replica:0/task:0/device:CPU:0"


def trace(*nodes, device=CPU) -> StepStats:
    """StepStats of (label, start, end) in microseconds."""
    stats = StepStats()
    listed = stats.dev_stats.add(device=device)
    for label, start, end in nodes:
        name = label.partition(" ")[0]
        listed.node_stats.add(
            node_name=name, timeline_label=label, all_start_micros=start, all_end_rel_micros=end - start + 1,
            op_start_rel_micros=0, op_end_rel_micros=end - start,
        )  # fmt: skip
    return stats


@pytest.fixture
def run(tmp_path):
    """run(callback, steps): a session that the callback hooks into, as Tensorpack's trainer does it."""

    def go(callback: Callback, steps: int) -> None:
        with tf.Graph().as_default():
            a = tf1.get_variable("a", [50, 50])
            last = tf.while_loop(lambda n, _: n < 4, lambda n, x: (n + 1, tf.matmul(x, a)), (0, a))[1]
            with tf1.train.MonitoredSession(hooks=[CallbackToHook(callback)]) as session:
                for _ in range(steps):
                    session.run(last)
        callback._after_train()

    return go


def test_the_chosen_steps_are_traced_and_the_table_names_what_ran(run, tmp_path, capsys):
    run(profiling.Profile(tmp_path / "profile", 2, 3), 5)
    assert {path.name for path in (tmp_path / "profile").iterdir()} == {"step-2.json", "step-3.json", "ops.txt"}
    events = json.loads((tmp_path / "profile" / "step-2.json").read_text())["traceEvents"]
    assert any(event.get("name", "").endswith("MatMul") for event in events)
    table = (tmp_path / "profile" / "ops.txt").read_text()
    assert table.startswith("2 steps of ")
    (product,) = [line.split() for line in table.splitlines() if " MatMul " in line and "CPU:0" in line]
    assert product[2] == "4"  # calls: one each time round the loop
    assert "ops.txt" in capsys.readouterr().err


def test_a_training_that_ends_between_the_steps_has_a_table_of_those_that_ran(run, tmp_path):
    run(profiling.Profile(tmp_path, 2, 9), 3)
    assert (tmp_path / "ops.txt").read_text().startswith("2 steps of ")


def test_a_training_that_ends_before_says_so(run, tmp_path, capsys):
    run(profiling.Profile(tmp_path, 10, 12), 3)
    assert "ended before its step 10" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_costs_are_means_over_the_steps_with_the_costliest_first():
    traces = [
        trace(("b = MatMul(a)", 0, 30), ("c = Add(b)", 30, 40)),
        trace(("c = Add(b)", 0, 90), ("c = Add(b)", 90, 100)),
    ]
    first, second = profiling.costs(traces)
    assert (first.name, first.op, first.device, first.calls) == ("c", "Add", "CPU:0", 1.5)
    assert first.seconds == pytest.approx(55e-6)
    assert (second.name, second.op, second.seconds) == ("b", "MatMul", pytest.approx(15e-6))
    assert profiling.step_seconds(traces[0]) == pytest.approx(41e-6)


def test_a_gpus_kernels_count_once_though_they_are_listed_by_stream_too():
    gpu = CPU.replace("CPU", "GPU")
    found = StepStats()
    for device in (f"{gpu}/stream:all", f"{gpu}/stream:13"):
        found.MergeFrom(trace(("b = MatMul(a)", 0, 30), device=device))
    (cost,) = profiling.costs([found])
    assert (cost.device, cost.calls) == ("GPU:0", 1)


def test_an_empty_trace_makes_a_table():
    assert "1 steps of 0.0 ms" in profiling.table([StepStats()])
