#!/usr/bin/env python
"""Kill a training 20 times at random moments, resume it each time, and compare it with an uninterrupted one.

    python benchmarks/survival.py [--kills 20] [--seed 0] [--mode annotate]

The command is the same each time, `python train.py ... --resume`; its phantom data set is made in a temporary folder.
Every other kill comes when a file appears, or is moved, in the run's checkpoints/. Weights, Adam's moments, the best
checkpoint, best.json, latest.json and the epochs in stats.json must be the same, bit for bit; the exit status is 1 if
they are not.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tienet import cli
from tienet.config import settings_without_effect
from tienet.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {
    "transition_channels": 16, "attention_units": 8, "lstm_units": 16, "attention_hidden": 20, "penalty": 0.03,
    "report_drop": 0.1, "patience": 0,
}  # fmt: skip
MAX_SECONDS = 600  # that one start may take


def make_data(root: Path) -> None:
    """Make a phantom data set of 80 studies and its vocabulary."""
    phantom = ["data_prep/phantom.py", "--out", root / "phantom", "--studies", "80"]
    vocab = ["data_prep/build_vocab.py", "--data-root", root, "--data", "phantom", "--dim", "12"]
    for script in (phantom, vocab):
        subprocess.run([sys.executable, *map(str, script)], cwd=ROOT, check=True, capture_output=True)


def command(root: Path, run: Path, mode: str, epochs: int) -> list[str]:
    """The command line of the training, which is the same whether it starts or resumes."""
    flags = {
        "--mode": mode, "--data": "phantom", "--data-root": root, "--gpu": "cpu", "--backbone-weights": "random",
        "--backbone-end": "res4f", "--image-px": 256, "--batch": 8, "--epochs": epochs, "--logdir": run,
    }  # fmt: skip
    unused = settings_without_effect(mode)
    sets = [f"--set={name}={value}" for name, value in SETTINGS.items() if name not in unused]
    return [sys.executable, "train.py", *(str(part) for flag in flags.items() for part in flag), *sets, "--resume"]


class Training:
    """One process of the training, whose output is appended to a file."""

    def __init__(self, parts: list[str], log: Path):
        with log.open("a") as file:
            self._process = subprocess.Popen(parts, cwd=ROOT, stdout=file, stderr=file)
        self._log, self._until = log, time.monotonic() + MAX_SECONDS

    @property
    def goes_on(self) -> bool:
        """Whether the process still runs. Raises InputError after MAX_SECONDS."""
        if time.monotonic() > self._until:
            self.kill()
            raise InputError(f"a start took more than {MAX_SECONDS} s; its output ends with: {self.last_line()}")
        return self._process.poll() is None

    def kill(self) -> bool:
        """Kill the process by SIGKILL; returns False if it had ended by itself before."""
        self._process.kill()
        return self._process.wait() == -signal.SIGKILL

    def check(self) -> None:
        """Wait for the end. Raises InputError if the exit status is not 0."""
        while self.goes_on:
            time.sleep(0.1)
        if self._process.returncode:
            raise InputError(f"a start ended with status {self._process.returncode}: {self.last_line()}")

    def last_line(self) -> str:
        """The last line of the output that is not empty, or "nothing"."""
        lines = self._log.read_text(errors="replace").replace("\r", "\n").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "nothing")


def in_checkpoints(run: Path) -> frozenset[str]:
    """The names of all files under the run's checkpoints/."""
    names = set()
    for _, _, files in os.walk(run / "checkpoints"):
        names.update(files)
    return frozenset(names)


def kill_once(training: Training, run: Path, draw: random.Random, aimed: bool) -> tuple[str, bool]:
    """Kill a training that has begun.

    Args:
        aimed: Whether to wait for a few changes in checkpoints/ and kill within the next few milliseconds. Otherwise
            the kill comes some seconds after the start, of which starting the program takes about four.

    Returns:
        A text that says when it was killed, and whether it was still running then.
    """
    start = time.monotonic()
    if aimed:
        changes, seen = draw.randrange(1, 16), in_checkpoints(run)
        while training.goes_on and changes:
            now = in_checkpoints(run)
            changes -= now != seen
            seen = now
        time.sleep(draw.uniform(0, 0.01))
    else:
        seconds = draw.uniform(0.5, 12)
        while training.goes_on and time.monotonic() - start < seconds:
            time.sleep(0.01)
    killed = training.kill()
    unfinished = any((run / "checkpoints").glob(".writing-*")) or any((run / "checkpoints").glob(".*.tmp"))
    what = "a checkpoint half written" if unfinished else "aimed at a checkpoint" if aimed else "any moment"
    return f"{time.monotonic() - start:5.1f} s   {what}", killed


def kills(root: Path, run: Path, args: object) -> None:
    """Kill and resume the training `args.kills` times, print a line for each, then let it end."""
    draw, log = random.Random(args.seed), run.with_suffix(".log")
    print(f"{'kill':>4}  {'after':>7}   {'when':<27} step that the run goes on from", flush=True)
    for n in range(1, args.kills + 1):
        training = Training(command(root, run, args.mode, args.epochs), log)
        what, killed = kill_once(training, run, draw, aimed=n % 2 == 0)
        if not killed:
            training.check()
            raise InputError(f"the training was over before kill {n}; give more --epochs")
        print(f"{n:>4}  {what:<37} {step_reached(run)}", flush=True)
    Training(command(root, run, args.mode, args.epochs), log).check()


def step_reached(run: Path) -> int:
    """The step of the newest checkpoint that has an entry; 0 if there is none."""
    return max((int(path.stem.partition("-")[2]) for path in (run / "checkpoints").glob("latest-*.json")), default=0)


def differences(run: Path, other: Path) -> list[str]:
    """The names of what differs between two runs: files and variables."""
    found = []
    for kind in ("latest", "best"):
        ours, theirs = (json.loads((folder / f"{kind}.json").read_text()) for folder in (run, other))
        if ours != theirs:
            found.append(f"{kind}.json: {ours} instead of {theirs}")
            continue
        ours, theirs = (values(folder / "checkpoints" / theirs["checkpoint"]) for folder in (run, other))
        if ours.keys() != theirs.keys():
            found.append(f"{kind}: variables {sorted(ours.keys() ^ theirs.keys())} are in one only")
        same = {name for name in ours.keys() & theirs.keys() if ours[name].tobytes() == theirs[name].tobytes()}
        found += [f"{kind}: {name}" for name in sorted(theirs.keys() - same)]
    if epochs_logged(run) != epochs_logged(other):
        found.append("stats.json")
    return found


def values(prefix: Path) -> dict[str, np.ndarray]:
    """All arrays of a checkpoint, by name."""
    import tensorflow as tf

    reader = tf.compat.v1.train.NewCheckpointReader(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def epochs_logged(run: Path) -> list[dict]:
    """The validation figures and steps in stats.json.

    The moving averages, which start anew with each process, and how full the queue was are left out.
    """
    log = json.loads((run / "stats.json").read_text())
    return [
        {k: v for k, v in epoch.items() if k.startswith("val_") or k in ("epoch_num", "global_step")} for epoch in log
    ]


def main() -> int:
    """Train once without and once with kills, and compare the two runs; returns the exit status."""
    parser = cli.Parser(description="Kill a training at random moments and compare it with an uninterrupted one.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--mode", default="annotate")
    parser.add_argument("--epochs", type=int, default=100, help="more, where the training is over too soon")
    args = parser.parse_args()
    cli.start_tensorflow()
    with tempfile.TemporaryDirectory(prefix="survival-") as folder:
        root = Path(folder)
        make_data(root)
        straight, killed = root / "straight", root / "killed"
        Training(command(root, straight, args.mode, args.epochs), straight.with_suffix(".log")).check()
        kills(root, killed, args)
        found, count = (
            differences(killed, straight),
            len(values(killed / "checkpoints" / f"latest-{step_reached(killed)}")),
        )
        print(f"\nstep {step_reached(killed)} of {step_reached(straight)}, {args.kills} kills: ", end="")
        if found:
            print("NOT the same: " + "; ".join(found))
            return 1
        print(f"all {count} variables, best and latest, are those of the uninterrupted run, bit for bit")
        return 0


if __name__ == "__main__":
    cli.run(main)
