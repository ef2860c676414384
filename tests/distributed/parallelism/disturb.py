"""How a training is disturbed: each function changes the program in a process before it starts (Starter's `tamper`)."""

import itertools
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from tienet import cpu, devices
from tienet.checkpoint import save as saving
from tienet.data.dataflow import TrainingBatches
from tienet.errors import InputError
from tienet.modeling.lstm import attention, block
from tienet.modeling.lstm import step as attention_step
from tienet.training import studies, validation
from tienet.training.trainer import Trainer

VALIDATES, COMPUTES = "validates for a minute", "computes features for a minute"


def at_step(step: int, act: Callable[[], None], within: bool = False) -> None:
    """Call `act` before update number `step` (the first is 1), or within that update."""
    run_step = Trainer.run_step

    def disturbed(trainer: Trainer) -> None:
        if trainer.loop.global_step + 1 == step:
            with trainer._interruption.deferred() if within else nullcontext():
                act()
                run_step(trainer)
        else:
            run_step(trainer)

    Trainer.run_step = disturbed


def change_a_weight(step: int) -> None:
    """Change a weight in this worker alone, before update number `step`."""
    run_step = Trainer.run_step

    def disturbed(trainer: Trainer) -> None:
        if trainer.loop.global_step + 1 == step:
            bias = next(v for v in tf.compat.v1.global_variables() if v.op.name == "classifier/output/b")
            bias.load(np.full(bias.shape, 0.25, np.float32), trainer.sess)
        run_step(trainer)

    Trainer.run_step = disturbed


def in_validation(nth: int, act: Callable[[], None]) -> None:
    """Call `act` within the n-th validation."""
    measure, calls = validation.measure, itertools.count(1)

    def disturbed(*arguments):
        if next(calls) == nth:
            act()
        return measure(*arguments)

    validation.measure = disturbed


def long_validation(nth: int) -> None:
    """Make the n-th validation predict its studies again and again for a minute; print VALIDATES before."""
    predict_all, calls = validation.predict_all, itertools.count(1)

    def prolonged(*arguments):
        if next(calls) == nth:
            print(VALIDATES, flush=True)
            until = time.monotonic() + 60
            while time.monotonic() < until:
                predict_all(*arguments)
                time.sleep(0.1)
        return predict_all(*arguments)

    validation.predict_all = prolonged


def features(act: Callable[[], None]) -> None:
    """Call `act` where the training would open the cached features."""

    def disturbed(*_):
        act()

    studies.cached_features = disturbed


def compute_for_long() -> None:
    """Sleep for a minute as if features were computed; COMPUTES is printed when that begins."""
    print(COMPUTES, flush=True)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.1)


def fail() -> None:
    raise InputError("an image cannot be read")


def at_save(nth: int, act: Callable[[], None]) -> None:
    """Call `act` before the n-th checkpoint is written."""
    save, calls = saving.save, itertools.count(1)

    def disturbed(*arguments):
        if next(calls) == nth:
            act()
        save(*arguments)

    saving.save = disturbed


def limit_save(nth: int, size: int) -> None:
    """Let no file grow above `size` bytes while the n-th checkpoint is written."""
    save, calls = saving.save, itertools.count(1)

    def limited(*arguments):
        if next(calls) == nth:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            save(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    saving.save = limited


def fill(folder: Path) -> None:
    """Fill the disk of `folder` with a file."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))


def poison(step: int, part: int) -> None:
    """Make the labels of one part of a batch overflow in the loss of update number `step` (the first is 1)."""
    batches = TrainingBatches.__iter__

    def poisoned(self: TrainingBatches):
        for *arrays, labels, draw in batches(self):
            yield [*arrays, labels * np.float32(3e38) if draw.tolist() == [step - 1, part] else labels, draw]

    TrainingBatches.__iter__ = poisoned


def graphs_as_built() -> None:
    """Run graphs without TensorFlow's optimizers, which take longer than all updates of a small network do.

    Processes that users' commands start are tested beside this, with `python train.py` (tests/training/test_train.py).
    """
    session_config = devices.session_config

    def as_built() -> tf.compat.v1.ConfigProto:
        config = session_config()
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        return config

    devices.session_config = as_built


def without_compilers() -> None:
    """Run the attention LSTM without XLA and on one core.

    For every tower and in every process its compiler takes longer than ten updates of a small network do.
    """
    cpu.cores = lambda: 1
    for part in (block, attention_step, attention):
        for name, function in list(vars(part).items()):
            if hasattr(function, "python_function"):
                setattr(part, name, tf.function(function.python_function, autograph=False))


def set_environment(**variables: str) -> None:
    os.environ.update(variables)


def send(signum: int) -> None:
    """Send a signal to this process, and print the time at which it is sent."""
    print(f"sent at {time.time()}", flush=True)
    os.kill(os.getpid(), signum)


send_term, send_kill = partial(send, signal.SIGTERM), partial(send, signal.SIGKILL)
