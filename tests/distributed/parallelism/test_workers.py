"""Workers that do not fit each other, that come late or never, and that are lost."""

import re
import shutil
import signal
import socket
import time
from functools import partial

import pytest

from tests.distributed.parallelism.disturb import at_step, change_a_weight, fail, features, send_kill, set_environment
from tests.distributed.parallelism.runs import QUICK, SEED, addresses, assert_close, read


@pytest.fixture(scope="module")
def other_label(studies, tmp_path_factory):
    """A data root with the same studies, of which one has another label."""
    root = tmp_path_factory.mktemp("other")
    shutil.copytree(studies / "phantom", root / "phantom", ignore=shutil.ignore_patterns("features"))
    path = root / "phantom" / "manifest.csv"
    text = path.read_text()
    changed = re.sub(r",0\n", ",1\n", text, count=1)
    assert changed != text
    path.write_text(changed)
    return root


@pytest.mark.parametrize("what", ["settings", "seed", "data"])
def test_workers_that_were_started_differently_all_end_with_one_line(start, other_label, what):
    flags, settings, named = {
        "settings": (["--lr", 0.01, "--tower-batch", 4], {}, "settings; --tower-batch"),
        "seed": ([], {"seed": SEED + 1}, "settings"),
        "data": (["--data-root", other_label], {}, "data"),
    }[what]
    cluster = ["--workers", addresses(), "--mode", "annotate-text"]
    workers = [start("run", *cluster, "--task", 0), start("run", *cluster, "--task", 1, *flags, **settings)]
    for worker in workers:
        assert worker.status() == 2, worker.text
        assert worker.error == f"train.py: the workers differ in their {named}: start all of them alike"
    assert not (workers[0].logdir / "checkpoints").exists()


def test_a_malformed_tf_config_is_told_in_a_line(start):
    worker = start("run", "--mode", "annotate-text", tamper=partial(set_environment, TF_CONFIG="{'cluster'"))
    assert worker.status() == 2
    assert worker.error.startswith("""train.py: TF_CONFIG "{'cluster'": not JSON""")
    assert len(worker.text.splitlines()) == 1


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
    worker = start("run", "--mode", "annotate-text", "--workers", workers, "--task", 0, "--peer-timeout", 0.4)
    assert worker.status() == 2
    assert worker.error.startswith(f"train.py: worker 1 ({workers.split(',')[1]}) did not start within 2 s")


def test_a_chief_that_cannot_compute_features_ends_the_others_with_a_line(start):
    workers = start.workers("run", tampers={0: partial(features, fail)}, **QUICK)
    for worker in workers:
        assert worker.status() == 2, worker.text
    assert workers[0].error == "train.py: an image cannot be read"
    assert re.fullmatch(
        r"train.py: worker 0 \(127.0.0.1:\d+\) could not go on; its own output says why", workers[1].error
    )


def test_weights_that_differ_stop_all_workers_after_the_epoch(start):
    workers = start.workers("run", tampers={1: partial(change_a_weight, 6)}, **QUICK)
    for worker in workers:
        assert worker.status() == 2, worker.text
        assert worker.error.startswith("train.py: the workers' weights are no longer equal after epoch 2: ")
        assert "classifier/output/b" in worker.error
    assert read(workers[0].logdir)["step"] == 4


@pytest.mark.parametrize("rank", [0, 1])
def test_kill_9_of_one_worker_ends_the_other_with_status_3_and_a_checkpoint(start, straight, rank):
    timeout = 20
    workers = start.workers("run", "--peer-timeout", timeout, tampers={rank: partial(at_step, 6, send_kill)}, **QUICK)
    lost, other = workers[rank], workers[1 - rank]
    assert lost.status() == -signal.SIGKILL
    assert other.status() == 3, other.text
    assert time.time() - lost.sent_at < timeout
    assert re.fullmatch(
        rf"worker {rank} \(127.0.0.1:\d+\) has not answered for \d+ s; the last checkpoint is good: start again with "
        r"--resume, also with other workers",
        other.error,
    )
    assert read(other.logdir)["step"] == 4  # the end of epoch 1
    start("run", "--gpu", "0,1", "--resume", **QUICK).done()
    assert_close(other.logdir, straight["two towers"])
