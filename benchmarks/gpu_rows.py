"""Rows of `benchmarks.gpu` about the network: steps, writing, trainings, where a step runs, and several towers.

Each function runs in a process of its own (`gpu_process`) and yields a row as soon as it is measured.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.case import ROOT
from benchmarks.gpu_process import Row, memory_of_arrays
from benchmarks.measuring import repeat
from tienet import cli, devices
from tienet.config import Config, preset
from tienet.errors import InputError

V, E = 1457, 200
MS = 1e3


def head(
    words: Sequence[int] = (64, 128),
    batch: int = 32,
    side: int | None = 16,
    steps: int = 20,
    seconds: float = 0.5,
    settings: dict[str, object] | None = None,
) -> Iterator[Row]:
    """A step of `report` for each T: the head alone, from x, or with the transition where `side` is None."""
    cli.start_tensorflow()
    from benchmarks.network import training_step

    for T in words:
        with training_step(_config(settings), batch, T, V, E, side) as update:
            yield _timed(f"head/T={T}", update, steps, seconds)
    yield from memory_of_arrays("head")


def torch_head(
    words: Sequence[int] = (64, 128), compiled: bool = False, seconds: float = 1.0, **sizes: object
) -> Iterator[Row]:
    """The same step in PyTorch."""
    if find_spec("torch") is None:
        raise InputError("PyTorch is not installed")
    from benchmarks.torch_head import step

    for T in words:
        found = step(T, steps=5, least_seconds=seconds, compiled=compiled, **sizes)
        name = f"head in PyTorch, {'compiled' if compiled else 'eager'}/T={T}"
        yield Row(name, found.seconds * MS, "ms", found.more["first_seconds"])
    if "gpu_bytes" in found.more:
        yield Row("head in PyTorch/memory of arrays", found.more["gpu_bytes"] / 1e9, "GB")


def writing(
    tasks: Sequence[tuple[str, int]] = (("greedy", 64), ("beam", 64), ("greedy", 1)),
    words: int = 60,
    width: int = 3,
    repeats: int = 10,
    settings: dict[str, object] | None = None,
) -> Iterator[Row]:
    """Writing B reports of so many words, from features, for each method and B."""
    cli.start_tensorflow()
    from benchmarks.network import writer
    from tienet.modeling.decoding import Decoding

    for method, batch in tasks:
        with writer(_config(settings), batch, words, V, E, Decoding(method, words, width)) as call:
            yield _timed(f"write/{method}/B={batch}", call, repeats, 0.3)
            assert (call() == words + 1).all(), "a report ended early"
    yield from memory_of_arrays("write")


def training(
    mode: str, studies: int = 1280, epochs: int = 3, settings: dict[str, object] | None = None
) -> Iterator[Row]:
    """An update of a mode with preset `openi`, by the trainer and the queue, as the mean over the last epoch.

    What the epochs before took longer than that is the time of compiling.
    """
    cli.start_tensorflow()
    from benchmarks import training

    config = preset("openi", mode).replace(**(settings or {}))
    with tempfile.TemporaryDirectory() as folder:
        data = training.studies_with_features(Path(folder), config, studies)
        lengths, steps = training.padded_steps(data)
        seconds = training.train(data, epochs)
    steady, updates = seconds[-1], -(-studies // config.batch)
    compiling = sum(max(0.0, taken - steady) for taken in seconds[:-1])
    note = f"epochs of {updates} updates: {', '.join(f'{taken:.1f}' for taken in seconds)} s; "
    note += f"on a GPU {steps:.0f} steps an update, padded to {', '.join(map(str, lengths))}"
    yield Row(f"train/{mode}", steady / updates * MS, "ms an update", compiling, note)
    yield Row(f"train/{mode}/compiling", compiling, "s")
    yield from memory_of_arrays(f"train/{mode}")


def sharing(processes: int = 2, **arguments: object) -> Iterator[Row]:
    """A short step in several processes at once: how many of them end well, and why others do not."""
    code = json.dumps(["gpu_rows:head", {"words": [64], **arguments}])
    command = [sys.executable, "-m", "benchmarks.gpu_process", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    start = time.perf_counter()
    started = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(processes)]
    for process in started:
        print("go", file=process.stdin, flush=True)
    errors = [process.communicate()[1].strip().splitlines() or ["no message"] for process in started]
    failed = [lines[-1] for process, lines in zip(started, errors, strict=True) if process.returncode]
    note = "; ".join(failed) or f"{time.perf_counter() - start:.1f} s for all of them"
    yield Row("share the GPU", processes - len(failed), f"of {processes} processes", note=note)


# ---- several towers ----


def towers(
    tf32: bool, towers: int = 4, updates: int = 20, studies: int = 64, settings: dict[str, object] | None = None
) -> Iterator[Row]:
    """Weights after an update by several towers against those of one, and the time of an update.

    The towers have GPUs of their own where there are so many, and else logical ones, which are parts of the first.
    """
    if len(devices.given_gpus()) < towers:
        os.environ["TIENET_LOGICAL_GPUS"] = str(towers)
    devices.choose_devices(",".join(map(str, range(towers))))
    cli.start_tensorflow()
    import tensorflow as tf

    from benchmarks import training

    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    config = preset("openi", "report").replace(classify_on="true", dropout=0.0, **(settings or {}))
    first, found, seconds = {}, [], []
    with tempfile.TemporaryDirectory() as folder:
        data = training.studies_with_features(Path(folder), config, studies)
        for n in (1, towers):
            with training.updates(data, n) as trainer:
                weights = {variable.op.name: variable for variable in tf.compat.v1.trainable_variables()}
                first = first or trainer.sess.run(weights)
                for name, array in first.items():
                    weights[name].load(array, trainer.sess)
                trainer.run_step()
                found.append(trainer.sess.run(weights))
                seconds.append(repeat(trainer.run_step, updates, warm_up=1))
    what = "TF32" if tf32 else "float32"
    difference, name = max((float(abs(found[0][name] - found[1][name]).max()), name) for name in found[0])
    largest = max(abs(array).max() for array in found[0].values())
    note = f"of single weights, in {name}; the largest weight is {largest:.2g}"
    yield Row(f"towers/{what}/difference", difference, "", note=note)
    for n, taken in zip((1, towers), seconds, strict=True):
        yield Row(f"towers/{what}/update on {n}", statistics.median(taken) * MS, "ms")


# ---- where a training step runs ----


def placement(studies: int = 160, step: int = 4, settings: dict[str, object] | None = None) -> Iterator[Row]:
    """One training step of `report`, preset `openi`: what runs on the host, and what is copied from and to it."""
    cli.start_tensorflow()
    from benchmarks import gpu_trace, training

    config = preset("openi", "report").replace(**(settings or {}))
    with tempfile.TemporaryDirectory() as folder:
        data = training.studies_with_features(Path(folder), config, studies)
        trace = training.Trace(step)
        training.train(data, 1, max(step + 1, -(-studies // config.batch)), trace)
    on_host = gpu_trace.host_operations(trace.metadata)
    yield Row("placement/operations on the host", sum(on_host.values()), "calls", note=_largest(on_host))
    for where, of_name in gpu_trace.crossings(trace.metadata).items():
        note = _largest(of_name, " bytes")
        yield Row(f"placement/{where}", sum(of_name.values()), "bytes", note=f"{len(of_name)} tensors: {note}")
    for kind, found in gpu_trace.copies(trace.metadata).items():
        note = f"{found.count} by the GPU's own record, the largest: {found.largest[:200]}"
        yield Row(f"placement/{kind}", found.size, "bytes", note=note)


def _largest(of_name: dict[str, int], unit: str = "", count: int = 10, characters: int = 60) -> str:
    """The names with the largest numbers, each name's end with its number."""
    names = sorted(of_name, key=of_name.get, reverse=True)[:count]
    return ", ".join(f"{name[-characters:]} {of_name[name]}{unit}" for name in names)


def _config(settings: dict[str, object] | None) -> Config:
    return Config().replace(mode="report", backbone_end="res4f", image_px=256, **(settings or {}))


def _timed(name: str, work: Callable[[], object], steps: int, seconds: float) -> Row:
    """The median of at least `steps` calls after two that compile."""
    first = sum(repeat(work, 2, warm_up=0))
    taken = repeat(work, steps, warm_up=1, least_seconds=seconds)
    note = f"{min(taken) * MS:.2f} to {max(taken) * MS:.2f} in {len(taken)} calls"
    return Row(name, statistics.median(taken) * MS, "ms", first, note)
