"""Whoever shares a batch, and whatever ends a run, the weights are the same: whole trainings, as train.py runs them."""

import itertools
import json
import multiprocessing
import os
import re
import resource
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tienet import devices, saving, validation
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.dataflow import Studies, TrainingBatches, epoch_batches
from tienet.data.text import Vocab
from tienet.modeling import attention_lstm
from tienet.predict import cached_features
from tienet.trainer import Trainer

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "backbone_end": "res4f", "image_px": 256, "transition_channels": 16, "attention_units": 8, "lstm_units": 16,
    "attention_hidden": 20, "penalty": 0.03, "max_words": 16, "written_words": 6, "batch": 32, "patience": 0,
}  # fmt: skip
SEED = 2
LONG = 300  # seconds: for a machine that has other things to do


# ---- train.py in a process of its own, forked from one that has TensorFlow loaded ----


def train_py(arguments: list[str], log: Path, tamper: Callable[[], None] | None) -> None:
    """What the process does. `tamper` changes the program beforehand."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    devices.count = lambda: 0  # all runs on the CPU, also where there are GPUs
    if tamper:
        tamper()
    sys.argv = ["train.py", *arguments]
    runpy.run_path("train.py", run_name="__main__")


class Running:
    """A training under way, or its end."""

    def __init__(self, logdir: Path, flags: list[str], tamper: Callable[[], None] | None, log: Path):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as train.py does, too late here: TensorFlow is loaded
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.logdir, self._log = logdir, log
        self._process = context.Process(target=train_py, args=([*flags, "--logdir", str(logdir)], log, tamper))
        self._process.start()
        self.pid = self._process.pid

    def status(self, seconds: float = LONG) -> int:
        """Wait for the end; the exit status, or minus the signal that killed it."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"still runs after {seconds} s:\n{self.text}"
        return self._process.exitcode

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def error(self) -> str:
        """The one line that the user is left with."""
        assert "Traceback" not in self.text, self.text
        lines = [line.rpartition("\r")[2].strip() for line in self.text.splitlines()]
        return [line for line in lines if line][-1]

    def done(self) -> Path:
        """The run's folder, after it ended well."""
        assert self.status() == 0, self.text
        return self.logdir

    def seconds_from_signal_to_end(self) -> float:
        """The end is when the last line was written."""
        return self._log.stat().st_mtime - float(re.search(r"sent at ([\d.]+)", self.text)[1])

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


class Starter:
    """Calls start trainings in folders beside each other; what still runs at the end is killed."""

    def __init__(self, studies: Path, folder: Path):
        self._studies, self._folder, self._running = studies, folder, []

    def __call__(
        self, name: str, *flags: object, tamper: Callable[[], None] | None = None, **settings: object
    ) -> Running:
        """In the folder `name`, on the CPU unless a flag says otherwise."""
        settings = {**SMALL, "seed": SEED, **settings}
        sets = [
            f"--set={key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()
        ]
        fixed = ["--data", "phantom", "--data-root", self._studies, "--backbone-weights", "random", "--gpu", "cpu"]
        log = self._folder / f"{len(self._running)}.log"
        running = Running(self._folder / name, [str(flag) for flag in (*fixed, *sets, *flags)], tamper, log)
        self._running.append(running)
        return running

    def workers(self, name: str, *flags: object, tampers: dict | None = None, **settings: object) -> list[Running]:
        """Two; `tampers` by rank."""
        cluster, tampers = ["--workers", addresses()], tampers or {}
        return [self(name, *cluster, "--task", n, *flags, tamper=tampers.get(n), **settings) for n in range(2)]

    def kill_all(self) -> None:
        for one in self._running:
            one.kill()


@pytest.fixture
def start(studies, tmp_path):
    starter = Starter(studies, tmp_path)
    yield starter
    starter.kill_all()


def addresses() -> str:
    """--workers: two ports that are free."""
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)]
    return ",".join(f"127.0.0.1:{port}" for port in ports)


@pytest.fixture(scope="module")
def studies(data_root, tmp_path_factory) -> Path:
    """A data root with 32 studies to train on, one batch, and 8 to validate; their features are there already."""
    root = tmp_path_factory.mktemp("sharing")
    (root / "phantom").mkdir()
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    first = table.groupby("split").cumcount() < 32
    table[first].to_csv(root / "phantom" / "manifest.csv", index=False)
    build_vocab = [sys.executable, "data_prep/build_vocab.py", "--data-root", root, "--data", "phantom", "--dim", "12"]
    subprocess.run(build_vocab, cwd=ROOT, check=True, capture_output=True)
    manifest = manifests.load("phantom", root)
    config = Config().replace(**SMALL, seed=SEED)
    for split in ("train", "val"):
        cached_features(manifest.split(split), config, "random")
    return root


# ---- what came out ----


def read(run: Path, kind: str = "latest") -> dict:
    return json.loads((run / f"{kind}.json").read_text())


def variables_of(run: Path, kind: str = "latest") -> dict[str, np.ndarray]:
    """All that a checkpoint holds."""
    reader = tf.compat.v1.train.NewCheckpointReader(str(run / "checkpoints" / read(run, kind)["checkpoint"]))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def weights_of(run: Path) -> dict[str, np.ndarray]:
    """The network's, and Adam's moments; not what is only logged, nor what sums gradients."""
    return {
        name: value
        for name, value in variables_of(run).items()
        if not name.endswith("/EMA") and "/EMA/" not in name and not name.startswith("accumulation/")
    }


def logged(run: Path) -> list[dict]:
    """What stats.json says of validation; the losses are moving averages, which begin anew with each process."""
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
    """All variables of the latest and of the best checkpoint, what is written beside them, and the log."""
    for kind in ("latest", "best"):
        assert read(run, kind) == read(other, kind)
        ours, theirs = variables_of(run, kind), variables_of(other, kind)
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert ours[name].tobytes() == value.tobytes(), f"{kind}: {name}"
    assert logged(run) == logged(other)


# ---- how the program is disturbed ----


def at_step(step: int, act: Callable[[], None], within: bool = False) -> None:
    """Call `act` before update `step`, from 1, or within it."""
    run_step = Trainer.run_step

    def disturbed(trainer: Trainer) -> None:
        if trainer.loop.global_step + 1 == step:
            with trainer._interruption.deferred() if within else nullcontext():
                act()
                run_step(trainer)
        else:
            run_step(trainer)

    Trainer.run_step = disturbed


def in_validation(epoch: int, act: Callable[[], None]) -> None:
    """Call `act` within the validation after an epoch."""
    measure, calls = validation.measure, itertools.count(1)

    def disturbed(*arguments):
        if next(calls) == epoch:
            act()
        return measure(*arguments)

    validation.measure = disturbed


def at_save(nth: int, act: Callable[[], None]) -> None:
    """Call `act` before a checkpoint is written."""
    save, calls = saving.save, itertools.count(1)

    def disturbed(*arguments):
        if next(calls) == nth:
            act()
        save(*arguments)

    saving.save = disturbed


def send(signum: int) -> None:
    """To this process; says when."""
    print(f"sent at {time.time()}", flush=True)
    os.kill(os.getpid(), signum)


def limit_save(nth: int, size: int) -> None:
    """While the n-th checkpoint is written no file may grow above `size` bytes."""
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
    """Leave no room on the disk."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))


def poison(step: int, part: int) -> None:
    """The labels of a part of a batch overflow in the loss of update `step`, from 1."""
    batches = TrainingBatches.__iter__

    def poisoned(self: TrainingBatches):
        for *arrays, labels, draw in batches(self):
            yield [*arrays, labels * np.float32(3e38) if draw.tolist() == [step - 1, part] else labels, draw]

    TrainingBatches.__iter__ = poisoned


send_term, send_kill = partial(send, signal.SIGTERM), partial(send, signal.SIGKILL)


def seconds_since_sent(running: Running) -> float:
    return time.time() - float(re.search(r"sent at ([\d.]+)", running.text)[1])


# ---- the same weights ----

LAYOUTS = {
    "four towers": ["--gpu", "0,1,2,3"],
    "four towers x 2 accumulations": ["--gpu", "0,1,2,3", "--tower-batch", 4],
    "two workers": [],
    "two workers x two towers": ["--gpu", "0,1"],
}


def without_xla() -> None:
    """The steps of the LSTM are not compiled: that takes 2 s for every tower, in every process."""
    for name, function in list(vars(attention_lstm).items()):
        if hasattr(function, "python_function"):
            setattr(attention_lstm, name, function.python_function)


@pytest.mark.parametrize("mode", ["annotate", "report"])
def test_ten_updates_on_the_same_studies_give_the_same_weights_however_they_are_shared(start, mode):
    """Adam, no dropout, batches of 32 of 32 studies.

    The seed is one for which no two rows of the text attention come within a rounding error of each other where
    x_aete takes the larger: with others the gradient goes to one row in one layout, to its neighbour in another, and
    the weights differ by up to 3e-5. No layout is more right then.
    """
    flags = ["--mode", mode, "--epochs", 10]
    one = start("one", *flags, tamper=without_xla, dropout=0.0)
    others = {}
    for name, layout in LAYOUTS.items():
        if "workers" in name:
            tampers = {0: without_xla, 1: without_xla}
            others[name] = start.workers(name, *flags, *layout, tampers=tampers, dropout=0.0)
        else:
            others[name] = [start(name, *flags, *layout, tamper=without_xla, dropout=0.0)]
    alone = one.done()
    assert read(alone)["step"] == read(alone)["epoch"] == 10
    for running in others.values():
        for process in running:
            assert_close(process.done(), alone)
    sums = {
        name: value
        for name, value in variables_of(others["four towers x 2 accumulations"][0].logdir).items()
        if name.startswith("accumulation/")
    }
    assert sums.pop("accumulation/counter") == 20 and sums and not any(value.any() for value in sums.values())


SHORT = {"mode": "annotate-text", "batch": 8, "epochs": 3, "report_drop": 0.1}
"""A run of 3 x 4 updates with all that is drawn at random."""


@pytest.fixture(scope="module")
def straight(studies, tmp_path_factory) -> dict[str, Path]:
    """SHORT without interruption: with one tower, the same again, and with two towers."""
    start = Starter(studies, tmp_path_factory.mktemp("straight"))
    try:
        running = {
            "one": start("one", **SHORT),
            "again": start("again", **SHORT),
            "two towers": start("two-towers", "--gpu", "0,1", **SHORT),
        }
        return {name: one.done() for name, one in running.items()}
    finally:
        start.kill_all()


def test_two_runs_with_one_seed_are_equal_bit_for_bit_and_with_another_they_are_not(start, straight):
    assert_same_bits(straight["again"], straight["one"])
    assert json.loads((straight["one"] / "config.json").read_text())["seed"] == SEED
    other = weights_of(start("other", **SHORT | {"seed": SEED + 1}).done())
    assert any(not np.array_equal(other[name], value) for name, value in weights_of(straight["one"]).items())


# ---- workers that do not fit ----


def test_a_batch_that_does_not_divide_names_the_nearest_that_do(start):
    three = start("three", "--gpu", "0,1,2", "--tower-batch", 4)
    two = start("two", "--workers", addresses(), "--task", 1, "--gpu", "0,1,2", "--tower-batch", 3)
    assert three.status() == two.status() == 2
    assert three.error == "train.py: batch=32 does not divide by 3 GPUs x 4 studies; use 24 or 36"
    assert two.error == "train.py: batch=32 does not divide by 2 workers x 3 GPUs x 3 studies; use 18 or 36"


@pytest.mark.parametrize(
    ("flags", "what"), [(["--lr", 0.01], "settings"), (["--tower-batch", 4], "--tower-batch")], ids=["lr", "tower"]
)
def test_workers_that_were_started_differently_all_end_with_one_line(start, flags, what):
    cluster = ["--workers", addresses(), "--mode", "annotate-text"]
    workers = [start("run", *cluster, "--task", 0), start("run", *cluster, "--task", 1, *flags)]
    for worker in workers:
        assert worker.status() == 2, worker.text
        assert worker.error == f"train.py: the workers differ in their {what}: start all of them alike"
    assert not (workers[0].logdir / "checkpoints").exists()


def test_a_port_in_use_is_told_in_a_line(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ours = f"127.0.0.1:{taken.getsockname()[1]}"
        worker = start(
            "run", "--mode", "annotate-text", "--workers", f"{ours},{addresses().split(',')[0]}", "--task", 0
        )
        assert worker.status() == 2
    assert worker.error == f"train.py: {ours}: this worker's port cannot be opened; is another process using it?"


def test_a_worker_that_does_not_come_is_named(start):
    workers = addresses()
    worker = start("run", "--mode", "annotate-text", "--workers", workers, "--task", 0, "--peer-timeout", 2)
    assert worker.status() == 2
    assert worker.error.startswith(f"train.py: worker 1 ({workers.split(',')[1]}) did not start within 2 s")


def change_a_weight(step: int) -> None:
    """In this worker alone, before an update."""
    run_step = Trainer.run_step

    def disturbed(trainer: Trainer) -> None:
        if trainer.loop.global_step + 1 == step:
            bias = next(v for v in tf.compat.v1.global_variables() if v.op.name == "classifier/output/b")
            bias.load(np.full(bias.shape, 0.25, np.float32), trainer.sess)
        run_step(trainer)

    Trainer.run_step = disturbed


def test_weights_that_differ_stop_all_workers_after_the_epoch(start):
    workers = start.workers("run", tampers={1: partial(change_a_weight, 6)}, **SHORT)
    for worker in workers:
        assert worker.status() == 2, worker.text
        assert worker.error.startswith("train.py: the workers' weights are no longer equal after epoch 2: ")
        assert "classifier/output/b" in worker.error
    assert read(workers[0].logdir)["step"] == 4


# ---- workers that end ----


@pytest.mark.parametrize("rank", [0, 1])
def test_sigterm_to_one_worker_stops_both_with_a_checkpoint_that_one_process_goes_on_from(start, straight, rank):
    workers = start.workers("run", tampers={rank: partial(at_step, 6, send_term)}, **SHORT)
    for worker in workers:
        assert worker.status() == 0, worker.text
    assert seconds_since_sent(workers[rank]) < 20
    assert [worker.error for worker in workers] == ["stopped by SIGTERM"] * 2
    assert read(workers[0].logdir)["step"] == 6 and read(workers[0].logdir)["epoch"] == 1
    start("run", "--gpu", "0,1", "--resume", **SHORT).done()
    assert_close(workers[0].logdir, straight["two towers"])


@pytest.mark.parametrize("rank", [0, 1])
def test_kill_9_of_one_worker_ends_the_other_with_status_3_and_a_checkpoint(start, straight, rank):
    timeout = 20
    workers = start.workers("run", "--peer-timeout", timeout, tampers={rank: partial(at_step, 6, send_kill)}, **SHORT)
    lost, other = workers[rank], workers[1 - rank]
    assert lost.status() == -signal.SIGKILL
    assert other.status() == 3, other.text
    assert seconds_since_sent(lost) < timeout
    assert re.fullmatch(
        rf"worker {rank} \(127.0.0.1:\d+\) has not answered for \d+ s; the last checkpoint is good: start again with "
        r"--resume, also with other workers",
        other.error,
    )
    assert read(other.logdir)["step"] == 4  # the end of epoch 1
    start("run", "--gpu", "0,1", "--resume", **SHORT).done()
    assert_close(other.logdir, straight["two towers"])


# ---- one process that ends ----


STOPS = {
    "between updates": (partial(at_step, 6, send_term), 5),
    "in an update": (partial(at_step, 6, send_term, within=True), 6),
    "in the last update of an epoch": (partial(at_step, 8, send_term, within=True), 8),
    "in validation": (partial(in_validation, 2, send_term), 8),
    "while saving": (partial(at_save, 2, send_term), 9),  # one update more: a save is not left half done
}
"""When SIGTERM comes, and the step that is saved then."""


@pytest.fixture(scope="module")
def stopped(studies, tmp_path_factory):
    """Name -> SHORT, stopped; all of them start at once."""
    start = Starter(studies, tmp_path_factory.mktemp("stopped"))
    yield {name: start(name, tamper=tamper, **SHORT) for name, (tamper, _) in STOPS.items()}
    start.kill_all()


@pytest.mark.parametrize("when", STOPS)
def test_sigterm_leaves_a_checkpoint_from_which_the_run_comes_to_the_same_end(start, straight, stopped, when):
    run = stopped[when]
    assert run.status() == 0, run.text
    assert run.error == "stopped by SIGTERM"
    step = STOPS[when][1]
    assert f"stopped at step {step}; go on with --resume" in run.text
    assert read(run.logdir)["step"] == step
    assert run.seconds_from_signal_to_end() < 20
    start(run.logdir, "--resume", **SHORT).done()
    assert_same_bits(run.logdir, straight["one"])


def test_a_loss_that_is_not_finite_names_step_studies_and_gradients_and_keeps_the_last_checkpoint(start, studies):
    """Of two towers x 2 accumulations one part is bad: its 2 studies are named, the others are not."""
    layout = ["--gpu", "0,1", "--tower-batch", 2]
    stopped = start("run", *layout, tamper=partial(poison, 7, 2), **SHORT)
    before = start("before", *layout, **SHORT | {"epochs": 1}).done()
    assert stopped.status() == 2, stopped.text
    train = manifests.load("phantom", studies).split("train")
    config = Config.load(stopped.logdir / "config.json")
    lengths = Studies.of(config, train, Vocab.load(stopped.logdir / "vocab.txt")).lengths
    bad = np.split(epoch_batches(lengths, 8, SEED, 1)[7 - 1 - 4], 4)[2]
    gradient = r"[\w/]+ ([\d.e+-]+|nan)"
    assert re.fullmatch(
        r"train.py: the loss is not finite at step 7, epoch 2 \(loss [^)]*(nan|inf)[^)]*\); "
        rf"studies: {', '.join(train.study_ids[n] for n in bad)}; largest gradients: .*; "
        "the last checkpoint is good: look at these studies, or lower --lr",
        stopped.error,
    ), stopped.error
    assert re.search(rf"largest gradients: {gradient}(, {gradient}){{2}};", stopped.error), stopped.error
    assert read(stopped.logdir)["step"] == 4
    assert_same_bits(stopped.logdir, before)


def test_a_learning_rate_that_is_far_too_high_ends_in_a_line(start):
    stopped = start("run", "--lr", 1e30, **SHORT)
    assert stopped.status() == 2, stopped.text
    assert "is not finite at step" in stopped.error


def test_a_disk_that_fills_up_while_saving_keeps_the_last_checkpoint(start, straight):
    stopped = start("run", tamper=partial(limit_save, 2, 10_000), **SHORT)
    assert stopped.status() == 2, stopped.text
    assert stopped.error.endswith(
        "latest-8 cannot be written (File too large); the checkpoint before it, latest-4, is kept"
    )
    assert read(stopped.logdir)["step"] == 4 and not list((stopped.logdir / "checkpoints").glob("*8*"))
    start("run", "--resume", **SHORT).done()
    assert_same_bits(stopped.logdir, straight["one"])


@pytest.mark.parametrize("tamper", [at_save, in_validation], ids=["while saving", "in validation"])
def test_a_disk_without_room_ends_in_a_line_and_the_run_goes_on_once_there_is_some(start, straight, tmp_path, tamper):
    """Of its own, so that the log and TensorBoard's file find no room either."""
    folder = tmp_path / "run"
    folder.mkdir()
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=9m", "tmpfs", folder], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        stopped = start("run", tamper=partial(tamper, 2, partial(fill, folder)), **SHORT)
        assert stopped.status() == 2, stopped.text
        assert "No space left on device" in stopped.error or "disk full" in stopped.error
        assert read(folder)["step"] == 4
        (folder / "filler").unlink()
        start("run", "--resume", **SHORT).done()
        assert_same_bits(folder, straight["one"])
    finally:
        subprocess.run(["umount", folder], check=True)
