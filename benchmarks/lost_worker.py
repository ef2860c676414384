#!/usr/bin/env python
"""Two workers in two network namespaces; one is killed, or its cable is pulled: the other must end and name it.

    python benchmarks/lost_worker.py [--peer-timeout 20]

Each worker has an address of its own, 10.213.57.1 and .2, with a veth pair between. The other must end with status 3
within --peer-timeout seconds. Then the run goes on: with both workers after the kill, with one process of as many GPUs
as there were workers after the cable; its weights must come to within 1e-6 of a run that nothing interrupted. Needs
root and the program `ip`; the namespaces are removed at the end. The exit status is 1 if anything is not as it must be.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tienet import cli
from tienet.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
ADDRESSES = ("10.213.57.1", "10.213.57.2")
PORT = 4000
SETTINGS = {"lstm_units": 16, "attention_hidden": 20, "penalty": 0.03, "patience": 0}
LONGEST = 300  # seconds that a run may take
MAX_DIFFERENCE = 1e-6
STATUS_WORKER_LOST = 3


def ip(*words: str) -> None:
    """Run `ip`; InputError if it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"ip {' '.join(words)}: {done.stderr.strip()}; namespaces are needed, such as root has")


@contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """Two, joined by a cable, and removed at the end."""
    names = tuple(f"tienet{os.getpid()}-{n}" for n in range(2))
    ends = tuple(f"tn{os.getpid()}-{n}" for n in range(2))
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1], "netns", names[1])
        for name, end, address in zip(names, ends, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:  # the cable goes with them
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def pull_cable(name: str) -> None:
    """Take a namespace's end of the cable down."""
    ip("-n", name, "link", "set", f"tn{os.getpid()}-{name.rpartition('-')[2]}", "down")


class Process:
    """One train.py, its output in a file."""

    def __init__(self, parts: list[object], log: Path):
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(list(map(str, parts)), cwd=ROOT, stdout=file, stderr=file)

    def status(self) -> int:
        """Wait for the end."""
        try:
            return self.process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            raise InputError(f"a run takes more than {LONGEST} s: {self.last_line()}") from None

    def last_line(self) -> str:
        """Of the output."""
        lines = self._log.read_text(errors="replace").replace("\r", "\n").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "nothing")


class Runs:
    """What is started, in one folder; all of it is killed at the end."""

    def __init__(self, root: Path, timeout: float):
        self._root, self._timeout, self._processes = root, timeout, []

    def start(self, run: str, *flags: object, inside: str | None = None) -> Process:
        """train.py in the folder `run`, in a namespace or outside."""
        flags = ("--mode", "annotate-text", "--data", "phantom", "--data-root", self._root, "--batch", 8, *flags)
        sets = [f"--set={name}={value}" for name, value in SETTINGS.items()]
        parts = [sys.executable, "train.py", *flags, *sets, "--logdir", self._root / run, "--resume"]
        # The namespace's name leads `ip` to the process itself: it calls exec.
        parts = ["ip", "netns", "exec", inside, *parts] if inside else parts
        self._processes.append(Process(parts, self._root / f"{len(self._processes)}.log"))
        return self._processes[-1]

    def both(self, run: str, names: tuple[str, str], *flags: object) -> list[Process]:
        """A worker in each namespace."""
        workers = ",".join(f"{address}:{PORT}" for address in ADDRESSES)
        cluster = ["--gpu", "cpu", "--workers", workers, "--peer-timeout", self._timeout, *flags]
        return [self.start(run, *cluster, "--task", n, inside=name) for n, name in enumerate(names)]

    def folder(self, run: str) -> Path:
        """Of a run."""
        return self._root / run

    def end(self) -> None:
        """Kill what is left."""
        for one in self._processes:
            one.process.kill()
            one.process.wait()


def make_data(root: Path) -> None:
    """A phantom of 80 studies and its vocabulary."""
    phantom = ["data_prep/phantom.py", "--out", root / "phantom", "--studies", "80"]
    vocab = ["data_prep/build_vocab.py", "--data-root", root, "--data", "phantom", "--dim", "12"]
    for script in (phantom, vocab):
        subprocess.run([sys.executable, *map(str, script)], cwd=ROOT, check=True, capture_output=True)


def step_of(folder: Path, kind: str = "latest") -> int:
    """0 before the first checkpoint."""
    path = folder / f"{kind}.json"
    return json.loads(path.read_text())["step"] if path.exists() else 0


def lose(runs: Runs, run: str, names: tuple[str, str], hurt: Callable[[Process], None], timeout: float) -> bool:
    """Start two workers, do something to the second once there are checkpoints; whether the first ends as it must."""
    workers = runs.both(run, names, "--epochs", 100_000)
    until = time.monotonic() + LONGEST
    while step_of(runs.folder(run)) < 14:
        if time.monotonic() > until or any(worker.process.poll() is not None for worker in workers):
            raise InputError(f"the workers do not train: {'; '.join(worker.last_line() for worker in workers)}")
        time.sleep(0.05)
    began = time.monotonic()
    hurt(workers[1])
    status, seconds = workers[0].status(), time.monotonic() - began
    line = workers[0].last_line()
    print(f"{run}: the other ended after {seconds:.1f} s with status {status}: {line}", flush=True)
    workers[1].process.kill()
    workers[1].process.wait()
    named = line.startswith(f"worker 1 ({ADDRESSES[1]}:{PORT}) has not answered for")
    return status == STATUS_WORKER_LOST and seconds <= timeout and named


def resume(runs: Runs, run: str, processes: Callable[[int], list[Process]]) -> bool:
    """Go on for two epochs beyond the checkpoint that there is, and compare with a run that nothing interrupted."""
    before = step_of(runs.folder(run))
    epochs = json.loads((runs.folder(run) / "latest.json").read_text())["epoch"] + 2
    going = processes(epochs)
    for process in going:
        if process.status():
            print(f"{run}: does not go on: {process.last_line()}")
            return False
    straight = runs.start(f"{run}-straight", "--gpu", "0,1", "--epochs", epochs)
    if straight.status():
        raise InputError(f"the uninterrupted run: {straight.last_line()}")
    ours, theirs = (weights(runs.folder(name)) for name in (run, f"{run}-straight"))
    most = max(float(np.abs(ours[name] - value).max()) for name, value in theirs.items())
    who = "both" if len(going) > 1 else "one"
    step = step_of(runs.folder(run))
    print(
        f"{run}: goes on with {who} from step {before} to {step}; largest difference of a weight {most:.1e}", flush=True
    )
    return most <= MAX_DIFFERENCE and step == step_of(runs.folder(f"{run}-straight")) > before


def weights(run: Path) -> dict[str, np.ndarray]:
    """All variables of the latest checkpoint."""
    import tensorflow as tf

    name = json.loads((run / "latest.json").read_text())["checkpoint"]
    reader = tf.compat.v1.train.NewCheckpointReader(str(run / "checkpoints" / name))
    return {name: reader.get_tensor(name).astype(float) for name in reader.get_variable_to_shape_map()}


def main() -> int:
    """Kill, pull the cable, resume."""
    parser = cli.Parser(description="Lose a worker in another network namespace, and go on.")
    parser.add_argument("--peer-timeout", type=float, default=20.0, metavar="S", help="as of train.py (20)")
    args = parser.parse_args()
    if os.geteuid() or not shutil.which("ip"):
        raise InputError("needs root and the program `ip` (Debian: iproute2), for network namespaces")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(cli.STATUS_INTERRUPTED))  # so that the namespaces go
    cli.start_tensorflow()
    with tempfile.TemporaryDirectory(prefix="lost-worker-") as folder:
        runs = Runs(Path(folder), args.peer_timeout)
        make_data(Path(folder))
        good = []
        try:
            with namespaces() as names:
                good.append(lose(runs, "killed", names, lambda worker: worker.process.kill(), args.peer_timeout))
                good.append(resume(runs, "killed", lambda epochs: runs.both("killed", names, "--epochs", epochs)))
                good.append(lose(runs, "cable", names, lambda _: pull_cable(names[1]), args.peer_timeout))
                one = ["--gpu", "0,1", "--epochs"]
                good.append(resume(runs, "cable", lambda epochs: [runs.start("cable", *one, epochs)]))
        finally:
            runs.end()
    print("all as it must be" if all(good) else "NOT as it must be")
    return 0 if all(good) else 1


if __name__ == "__main__":
    cli.run(main)
