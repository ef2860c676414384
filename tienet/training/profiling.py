"""A profile of training steps: which operations take the time (`train.py --profile`)."""

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from tensorflow.python.client import timeline
from tensorpack.callbacks import Callback

from tienet import files

tf1 = tf.compat.v1

FIRST_STEP, LAST_STEP = 10, 12
"""The steps that are traced, counted from 1 at the start of this process; the graph is compiled in earlier ones."""
MAX_LISTED = 20
"""How many operations, and how many types of operations, the table lists at most."""
_STREAM = "/stream:"  # TensorFlow lists the kernels of a GPU also by stream; "stream:all" has each of them once


@dataclass(frozen=True)
class Cost:
    """What one operation of the graph costs in a step; the calls of an operation in a loop are added up.

    Attributes:
        name: The name of the node.
        op: The type of the operation.
        device: The short name of the device, such as CPU:0.
        calls: The mean number of calls in a step.
        seconds: The mean time in a step, summed over the calls, each from its start to its end, waiting included.
    """

    name: str
    op: str
    device: str
    calls: float
    seconds: float


class Profile(Callback):
    """Traces a few steps, which are slower for being traced.

    Each step is written to step-N.json, which chrome://tracing and ui.perfetto.dev show; the operations that cost most
    are written to ops.txt.

    Args:
        folder: The folder of the files, LOGDIR/profile. It is created; files of an earlier profile are replaced.
        first, last: The first and the last step to trace, counted as FIRST_STEP and LAST_STEP are.
    """

    def __init__(self, folder: Path, first: int = FIRST_STEP, last: int = LAST_STEP):
        self._folder, self._first, self._last = folder, first, last
        self._step = 0
        self._traces: list[object] = []

    def _before_run(self, _: object) -> tf1.train.SessionRunArgs | None:
        self._step += 1
        if not self._first <= self._step <= self._last:
            return None
        return tf1.train.SessionRunArgs(None, options=tf1.RunOptions(trace_level=tf1.RunOptions.FULL_TRACE))

    def _after_run(self, _: object, values: tf1.train.SessionRunValues) -> None:
        if not self._first <= self._step <= self._last:
            return
        self._traces.append(values.run_metadata.step_stats)
        trace = timeline.Timeline(values.run_metadata.step_stats).generate_chrome_trace_format()
        files.write_text(self._folder / f"step-{self._step}.json", trace)
        if self._step == self._last:
            self._write_table()

    def _after_train(self) -> None:
        if not self._traces:
            print(f"--profile: the training ended before its step {self._first}: no profile", file=sys.stderr)
        elif len(self._traces) <= self._last - self._first:
            self._write_table()

    def _write_table(self) -> None:
        files.write_text(self._folder / "ops.txt", table(self._traces))
        print(f"profile: {self._folder}/ops.txt and step-*.json", file=sys.stderr)


def costs(traces: list) -> list[Cost]:
    """The operations of some traced steps, the costliest first, as means over the steps.

    Args:
        traces: A StepStats message for each step.
    """
    calls: dict[tuple[str, str, str], int] = defaultdict(int)
    micros: dict[tuple[str, str, str], int] = defaultdict(int)
    for trace in traces:
        for device in trace.dev_stats:
            if _STREAM in device.device and not device.device.endswith("stream:all"):
                continue
            for node in device.node_stats:
                key = node.node_name.partition(":")[0], _op_type(node), _short_name(device.device)
                calls[key] += 1
                micros[key] += node.op_end_rel_micros - node.op_start_rel_micros
    n = len(traces)
    return [Cost(*key, calls[key] / n, micros[key] / n / 1e6) for key in sorted(micros, key=micros.get, reverse=True)]


def step_seconds(trace) -> float:
    """Seconds from the start of the first operation of a traced step to the end of the last one."""
    nodes = [node for device in trace.dev_stats for node in device.node_stats]
    start = min((node.all_start_micros for node in nodes), default=0)
    return (max((node.all_start_micros + node.all_end_rel_micros for node in nodes), default=0) - start) / 1e6


def table(traces: list, max_listed: int = MAX_LISTED) -> str:
    """A table, as text, of the operations that cost most, and below it of the types that cost most."""
    operations = costs(traces)
    step = sum(map(step_seconds, traces)) / len(traces)
    by_type: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for cost in operations:
        by_type[cost.op][0] += cost.calls
        by_type[cost.op][1] += cost.seconds
    types = sorted(by_type.items(), key=lambda item: -item[1][1])
    lines = [
        f"{len(traces)} steps of {step * 1000:.1f} ms, tracing included. Operations run side by side, and some contain",
        "others or wait for them, so the shares of the step do not add up to 100%.",
        "",
        f"{'ms':>9} {'of step':>7} {'calls':>7}  {'type':<24} {'on':<8} name",
    ]
    for cost in operations[:max_listed]:
        lines.append(f"{_columns(cost.seconds, step, cost.calls)}  {cost.op:<24} {cost.device:<8} {cost.name}")
    lines += ["", f"{'ms':>9} {'of step':>7} {'calls':>7}  all of a type"]
    lines += [f"{_columns(seconds, step, calls)}  {op}" for op, (calls, seconds) in types[:max_listed]]
    return "\n".join(lines) + "\n"


def _columns(seconds: float, step: float, calls: float) -> str:
    return f"{seconds * 1000:9.2f} {seconds / max(step, 1e-9):7.1%} {calls:7.0f}"


def _op_type(node) -> str:
    """The type of an operation, from a label such as "gates = _MklMatMul(h, W)"; "?" where the label has none.

    The prefix _Mkl of oneDNN's operations is left out.
    """
    _, equals, call = node.timeline_label.partition(" = ")
    return call.partition("(")[0].removeprefix("_Mkl") if equals else "?"


def _short_name(device: str) -> str:
    """The short name of a device: CPU:0 for /job:localhost/replica:0/task:0/device:CPU:0."""
    return device.rpartition("device:")[2].removesuffix("/stream:all")
