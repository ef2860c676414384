"""Whole trainings as train.py runs them, each in a process that is forked from one that has loaded TensorFlow."""

import gc
import json
import multiprocessing
import os
import re
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.conftest import ROOT
from tienet import devices
from tienet.config import Config, settings_without_effect
from tienet.evaluation import calibrate
from tienet.training.card import write

SMALL = {
    "backbone_end": "res4f", "image_px": 256, "transition_channels": 16, "attention_units": 8, "lstm_units": 16,
    "attention_hidden": 20, "penalty": 0.03, "max_words": 16, "written_words": 6, "batch": 32, "patience": 0,
}  # fmt: skip
SEED = 2
DRAWN = {"mode": "annotate-text", "batch": 8, "epochs": 3, "report_drop": 0.1}
"""A run of 3 epochs of 4 updates with everything that is drawn at random."""
QUICK = {"mode": "classify", "batch": 8, "epochs": 3}
"""A run of as many updates with the smallest network."""
PRELOADED = [
    "tests.distributed.parallelism.disturb", "tests.distributed.parallelism.runs", "tienet.training.train",
    "tienet.commands.main", "tienet.commands.train",
]  # fmt: skip
"""What every training needs; it is loaded once, by the process that all of them are forked from."""
LONG = 300  # seconds; a machine may have other things to do

Tamper = Callable[[], None]


def train_py(arguments: list[str], log: Path, tamper: Tamper | None, card: bool) -> None:
    """Run train.py in this process, after `tamper` has changed the program; `card`: the run's README is written."""
    from tests.distributed.parallelism import disturb  # only here, because it imports TensorFlow

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(ROOT)
    gc.freeze()  # the modules that were loaded before the fork live as long as this process
    signal.signal(signal.SIGINT, signal.default_int_handler)
    devices.count = lambda: 0  # so that everything runs on the CPU, also where there are GPUs
    calibrate.calibrate_after_training = lambda *_: None  # it would build the network once more
    if not card:
        write.write_after_training = lambda *_: None
    disturb.graphs_as_built()
    if tamper:
        tamper()
    sys.argv = ["train.py", *arguments]
    runpy.run_path("train.py", run_name="__main__")


class Running:
    """A training in a process of its own, and what became of it."""

    def __init__(self, logdir: Path, flags: list[str], tamper: Tamper | None, log: Path, card: bool):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as train.py does, too late here: TensorFlow is loaded
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self.logdir, self._log = logdir, log
        arguments = [*flags, "--logdir", str(logdir)]
        self._process = context.Process(target=train_py, args=(arguments, log, tamper, card))
        self._process.start()

    def status(self, seconds: float = LONG) -> int:
        """Wait until the process has ended. Returns its status, or minus the number of the signal that killed it."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"still runs after {seconds} s:\n{self.text}"
        return self._process.exitcode

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def error(self) -> str:
        """The last line that was printed; there must be no traceback before it."""
        assert "Traceback" not in self.text, self.text
        lines = [line.rpartition("\r")[2].strip() for line in self.text.splitlines()]
        return [line for line in lines if line][-1]

    def wait_for(self, words: str) -> None:
        """Wait until the training has printed `words`."""
        until = time.monotonic() + LONG
        while words not in self.text:
            assert self._process.is_alive() and time.monotonic() < until, self.text
            time.sleep(0.05)

    def done(self) -> Path:
        """Wait until the training has ended with status 0. Returns the folder of the run."""
        assert self.status() == 0, self.text
        return self.logdir

    def send(self, signum: int) -> None:
        os.kill(self._process.pid, signum)

    def seconds_from_signal_to_end(self) -> float:
        """The seconds from the signal that the process sent to itself to the last line that it printed."""
        return self._log.stat().st_mtime - self.sent_at

    @property
    def sent_at(self) -> float:
        """The time at which the process sent a signal to itself (`disturb.send`)."""
        return float(re.search(r"sent at ([\d.]+)", self.text)[1])

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


class Starter:
    """Starts trainings in folders beside each other when it is called, and kills those that still run at the end."""

    def __init__(self, studies: Path, folder: Path):
        self._studies, self._folder, self._running = studies, folder, []

    def __call__(
        self, name: str | Path, *flags: object, tamper: Tamper | None = None, card: bool = False, **settings: object
    ) -> Running:
        """Start a training in the folder `name`, on the CPU unless a flag says otherwise."""
        settings = {**SMALL, "seed": SEED, **settings}
        mode = settings.get("mode", flags[flags.index("--mode") + 1] if "--mode" in flags else Config.mode)
        unused = settings_without_effect(mode)
        sets = [
            f"--set={key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in settings.items()
            if key not in unused
        ]
        fixed = ["--data", "phantom", "--data-root", self._studies, "--backbone-weights", "random", "--gpu", "cpu"]
        log = self._folder / f"{len(self._running)}.log"
        running = Running(self._folder / name, [str(flag) for flag in (*fixed, *sets, *flags)], tamper, log, card)
        self._running.append(running)
        return running

    def workers(
        self, name: str, *flags: object, tampers: dict[int, Tamper] | None = None, **settings: object
    ) -> list[Running]:
        """Start two workers of one training; `tampers` has the changes to the program of each rank."""
        cluster, tampers = ["--workers", addresses()], tampers or {}
        return [self(name, *cluster, "--task", n, *flags, tamper=tampers.get(n), **settings) for n in range(2)]

    def kill_all(self) -> None:
        for one in self._running:
            one.kill()


def addresses() -> str:
    """The value of --workers for two workers at ports that are free."""
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)]
    return ",".join(f"127.0.0.1:{port}" for port in ports)


# ---- what came out ----


def read(run: Path, kind: str = "latest") -> dict:
    return json.loads((run / f"{kind}.json").read_text())


def variables_of(run: Path, kind: str = "latest") -> dict[str, np.ndarray]:
    """All variables of a checkpoint."""
    reader = tf.compat.v1.train.NewCheckpointReader(str(run / "checkpoints" / read(run, kind)["checkpoint"]))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def weights_of(run: Path) -> dict[str, np.ndarray]:
    """The weights and the moments of Adam, without the averages that are only logged and the sums of gradients."""
    return {
        name: value
        for name, value in variables_of(run).items()
        if not name.endswith("/EMA") and "/EMA/" not in name and not name.startswith("accumulation/")
    }


def logged(run: Path) -> list[dict]:
    """The validation results in stats.json, without the losses: each process restarts their moving averages."""
    return [
        {
            name: value
            for name, value in epoch.items()
            if name.startswith("val_") or name in ("epoch_num", "global_step")
        }
        for epoch in json.loads((run / "stats.json").read_text())
    ]


def assert_close(run: Path, other: Path, most: float = 1e-6) -> None:
    ours, theirs = weights_of(run), weights_of(other)
    assert ours.keys() == theirs.keys() and any("Adam" in name for name in ours)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=most, err_msg=name)


def assert_same_bits(run: Path, other: Path) -> None:
    """Both checkpoints, latest and best, are equal in all bits, and so are their JSON files and the validation log."""
    for kind in ("latest", "best"):
        assert read(run, kind) == read(other, kind)
        ours, theirs = variables_of(run, kind), variables_of(other, kind)
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert ours[name].tobytes() == value.tobytes(), f"{kind}: {name}"
    assert logged(run) == logged(other)
