#!/usr/bin/env python
"""Two workers train in two network namespaces; one is killed, or its cable is pulled: the other must end and name it.

    python benchmarks/lost_worker.py [--peer-timeout 20]

Each worker has an address of its own, 10.213.57.1 and .2, with a veth pair between them. The worker that is left must
end with status 3 within --peer-timeout seconds. Then the run is resumed: after the kill with both workers, after the
cable with one process of as many GPUs as there were workers. Its weights must come to within 1e-6 of those of a run
that nothing interrupted. This needs root and the program `ip`; the namespaces are removed at the end. The exit status
is 1 if any of this fails.
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
MAX_SECONDS = 300  # that a run may take
MAX_DIFFERENCE = 1e-6
STATUS_WORKER_LOST = 3


def ip(*words: str) -> None:
    """Run the program `ip`; raises InputError if it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"ip {' '.join(words)}: {done.stderr.strip()}; namespaces are needed, such as root has")


@contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """The names of two network namespaces, joined by a cable (a veth pair); they are removed at the end."""
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
        for name in names:  # the cable is removed with them
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def pull_cable(name: str) -> None:
    """Take the cable's end in this namespace down."""
    ip("-n", name, "link", "set", f"tn{os.getpid()}-{name.rpartition('-')[2]}", "down")


class Process:
    """One process of train.py, whose output goes to a file."""

    def __init__(self, parts: list[object], log: Path):
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(list(map(str, parts)), cwd=ROOT, stdout=file, stderr=file)

    def status(self) -> int:
        """Wait for the end; returns the exit status. Raises InputError after MAX_SECONDS."""
        try:
            return self.process.wait(MAX_SECONDS)
        except subprocess.TimeoutExpired:
            raise InputError(f"a run takes more than {MAX_SECONDS} s: {self.last_line()}") from None

    def last_line(self) -> str:
        """The last line of the output that is not empty, or "nothing"."""
        lines = self._log.read_text(errors="replace").replace("\r", "\n").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "nothing")


class Runs:
    """All processes that are started, and the folder of their data and runs; `end` kills what is left."""

    def __init__(self, root: Path, timeout: float):
        self._root, self._timeout, self._processes = root, timeout, []

    def start(self, run: str, *flags: object, inside: str | None = None) -> Process:
        """Start train.py for the run `run`, in the namespace `inside` if one is given."""
        flags = ("--mode", "annotate-text", "--data", "phantom", "--data-root", self._root, "--batch", 8, *flags)
        sets = [f"--set={name}={value}" for name, value in SETTINGS.items()]
        parts = [sys.executable, "train.py", *flags, *sets, "--logdir", self._root / run, "--resume"]
        # `ip netns exec` replaces itself by the command, so the process that is started is train.py.
        parts = ["ip", "netns", "exec", inside, *parts] if inside else parts
        self._processes.append(Process(parts, self._root / f"{len(self._processes)}.log"))
        return self._processes[-1]

    def both(self, run: str, names: tuple[str, str], *flags: object) -> list[Process]:
        """Start a worker in each namespace."""
        workers = ",".join(f"{address}:{PORT}" for address in ADDRESSES)
        cluster = ["--gpu", "cpu", "--workers", workers, "--peer-timeout", self._timeout, *flags]
        return [self.start(run, *cluster, "--task", n, inside=name) for n, name in enumerate(names)]

    def folder(self, run: str) -> Path:
        """The folder of a run."""
        return self._root / run

    def end(self) -> None:
        """Kill all processes that still run."""
        for started in self._processes:
            started.process.kill()
            started.process.wait()


def make_data(root: Path) -> None:
    """Make a phantom data set of 80 studies and its vocabulary."""
    phantom = ["data_prep/phantom.py", "--out", root / "phantom", "--studies", "80"]
    vocab = ["data_prep/build_vocab.py", "--data-root", root, "--data", "phantom", "--dim", "12"]
    for script in (phantom, vocab):
        subprocess.run([sys.executable, *map(str, script)], cwd=ROOT, check=True, capture_output=True)


def step_of(folder: Path, kind: str = "latest") -> int:
    """The step of the run's latest (or best) checkpoint; 0 before the first one."""
    path = folder / f"{kind}.json"
    return json.loads(path.read_text())["step"] if path.exists() else 0


def lose(runs: Runs, run: str, names: tuple[str, str], hurt: Callable[[Process], None], timeout: float) -> bool:
    """Start two workers and, once there is a checkpoint, `hurt` the second; returns whether the first ends as it must.

    It must end within `timeout` seconds with status 3 and a line that names the second.
    """
    workers = runs.both(run, names, "--epochs", 100_000)
    until = time.monotonic() + MAX_SECONDS
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
    """Resume the run for two epochs and compare it with a run that nothing interrupted.

    Args:
        processes: Starts the processes of the resumed run, for so many epochs.

    Returns:
        Whether it reached the same step and its weights differ by MAX_DIFFERENCE at most.
    """
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
    difference = max(float(np.abs(ours[name] - value).max()) for name, value in theirs.items())
    who = "both" if len(going) > 1 else "one"
    step = step_of(runs.folder(run))
    print(
        f"{run}: goes on with {who} from step {before} to {step}; largest difference of a weight {difference:.1e}",
        flush=True,
    )
    return difference <= MAX_DIFFERENCE and step == step_of(runs.folder(f"{run}-straight")) > before


def weights(run: Path) -> dict[str, np.ndarray]:
    """All variables of the run's latest checkpoint, by name."""
    import tensorflow as tf

    name = json.loads((run / "latest.json").read_text())["checkpoint"]
    reader = tf.compat.v1.train.NewCheckpointReader(str(run / "checkpoints" / name))
    return {name: reader.get_tensor(name).astype(float) for name in reader.get_variable_to_shape_map()}


def main() -> int:
    """Kill a worker and resume; pull the cable and resume."""
    parser = cli.Parser(description="Lose a worker in another network namespace, and go on.")
    parser.add_argument("--peer-timeout", type=float, default=20.0, metavar="S", help="as of train.py (20)")
    args = parser.parse_args()
    if os.geteuid() or not shutil.which("ip"):
        raise InputError("needs root and the program `ip` (Debian: iproute2), for network namespaces")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(cli.STATUS_INTERRUPTED))  # so that the namespaces are removed
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
