"""Whether other workers are alive: asked of scripted workers, and of a real TensorFlow server."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tienet.distributed import liveness
from tienet.distributed.cluster import Cluster
from tienet.distributed.liveness import LivenessMonitor, WorkerLostError, WorkersMissingError
from tienet.distributed.probe import ProbeResult, is_alive

SERVER = """
import sys
import tensorflow as tf
tf1 = tf.compat.v1
server = tf1.train.Server({"worker": [sys.argv[1]]}, job_name="worker", task_index=0)
with tf.Graph().as_default(), tf1.Session(server.target) as session:
    x = tf1.placeholder(tf.float32, [])
    print(session.run(x + 1, {x: 1}), flush=True)
    for line in sys.stdin:
        print(session.run(x + 1, {x: float(line)}), flush=True)
"""


class Server:
    """A TensorFlow server in a child process."""

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        environ = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-c", SERVER, self.address]
        self.process = subprocess.Popen(command, env=environ, text=True, **pipes)

    def add_one(self, x: float) -> float:
        self.process.stdin.write(f"{x}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


@pytest.fixture(scope="module")
def starting():
    """The server, started at the module's begin so that other tests run meanwhile."""
    server = Server()
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.fixture(scope="module", autouse=True)
def _start_early(starting):
    pass


def took(seconds_before: float) -> float:
    return time.monotonic() - seconds_before


class Script:
    """Workers that answer as they are told: (rank, how often it was asked before) -> ProbeResult."""

    def __init__(self, answer):
        self.answer, self.asked = answer, {}

    def __call__(self, address, seconds):
        rank = int(address.rpartition(":")[2])
        self.asked[rank] = self.asked.get(rank, 0) + 1
        answer = self.answer(rank, self.asked[rank])
        if answer is ProbeResult.SILENT:
            time.sleep(seconds)
        return answer


def cluster_of(size: int, rank: int = 0) -> Cluster:
    return Cluster(tuple(f"a:{n}" for n in range(size)), rank)


def test_a_silent_worker_is_lost_once_after_the_timeout_and_delays_no_other():
    before, lost = time.monotonic(), []
    script = Script(lambda rank, _: ProbeResult.SILENT if rank in (0, 3) else ProbeResult.ALIVE)
    with LivenessMonitor(cluster_of(4, rank=2), 0.5, lambda rank: lost.append((rank, took(before))), probe=script):
        time.sleep(1.2)
    assert sorted(rank for rank, _ in lost) == [0, 3]
    assert all(0.5 <= seconds < 1 for _, seconds in lost)
    assert script.asked[1] >= 6
    assert 2 not in script.asked


def test_a_worker_that_answers_again_in_time_is_not_lost():
    lost = []
    script = Script(lambda _, n: ProbeResult.ALIVE if n % 3 == 0 else ProbeResult.SILENT)
    with LivenessMonitor(cluster_of(2), 1, lost.append, probe=script):
        time.sleep(1.8)
    assert lost == []
    assert script.asked[1] >= 4


def test_an_own_pause_longer_than_the_timeout_is_nobodys_loss():
    lost, now = [], [0.0]

    def answer(_, n):
        now[0] += 100 if n == 2 else 0.01
        return ProbeResult.SILENT if n == 2 else ProbeResult.ALIVE

    with LivenessMonitor(cluster_of(2), 0.5, lost.append, clock=lambda: now[0], probe=Script(answer)) as monitor:
        time.sleep(0.6)
        assert lost == []
        assert monitor._probe.asked[1] > 3


@pytest.mark.parametrize(
    ("pattern", "asked"),
    # asked every .4 s: counted at 0, 1.2 and 2.4 s
    [("r" * 20, 7), ("rrrrr" + "a" + "r" * 20, 13), ("rrrrr" + "s" + "r" * 20, 13)],
)
def test_three_refusals_at_least_a_second_apart_are_a_loss(monkeypatch, pattern, asked):
    monkeypatch.setattr(liveness, "SECONDS_BETWEEN_PROBES", 0.005)
    kinds = {"r": ProbeResult.REFUSED, "a": ProbeResult.ALIVE, "s": ProbeResult.UNREACHABLE}
    lost, now = threading.Event(), [0.0]

    def answer(_, n):
        now[0] += 0.4
        return kinds[pattern[n - 1]]

    script = Script(answer)
    with LivenessMonitor(cluster_of(2), 100, lambda _: lost.set(), clock=lambda: now[0], probe=script) as monitor:
        assert lost.wait(5)
        assert script.asked[1] == asked
        assert f"has not answered for {now[0] if 'a' not in pattern else 7 * 0.4:.0f} s" in str(monitor.error(1))


def test_stop_is_final_and_may_be_repeated():
    lost = []
    script = Script(lambda *_: ProbeResult.SILENT)
    monitor = LivenessMonitor(cluster_of(3), 0.3, lost.append, probe=script)
    monitor.stop()
    monitor.start()
    monitor.start()
    time.sleep(0.1)
    monitor.stop()
    monitor.stop()
    time.sleep(0.6)
    assert lost == []
    assert sum(script.asked.values()) <= 4


def test_stop_waits_for_a_call_that_has_begun():
    begun, ended = threading.Event(), []

    def on_lost(rank):
        begun.set()
        time.sleep(0.2)
        ended.append(rank)

    monitor = LivenessMonitor(cluster_of(3), 0.1, on_lost, probe=Script(lambda *_: ProbeResult.SILENT))
    monitor.start()
    assert begun.wait(5)
    monitor.stop()
    assert len(ended) == 1
    time.sleep(0.3)
    assert len(ended) == 1


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_on_lost_that_raises_disturbs_nobody(capfd, error):
    asked = []

    def on_lost(rank):
        asked.append(rank)
        monitor.stop()  # from its own thread
        raise error("oh")

    monitor = LivenessMonitor(cluster_of(2), 0.1, on_lost, probe=Script(lambda *_: ProbeResult.SILENT))
    monitor.start()
    time.sleep(0.3)
    assert asked == [1]
    assert f"{error.__name__}: oh" in capfd.readouterr().err


def test_an_ask_that_raises_is_no_answer():
    def ask(address, seconds):
        raise RuntimeError

    lost = threading.Event()
    monitor = LivenessMonitor(cluster_of(2), 0.2, lambda rank: lost.set(), probe=ask)
    assert monitor.silent(0.1) == [1]
    with monitor:
        assert lost.wait(5)


def test_silent_names_who_does_not_answer_within_the_time():
    script = Script(
        lambda rank, _: [ProbeResult.ALIVE, ProbeResult.SILENT, ProbeResult.ALIVE, ProbeResult.REFUSED][rank]
    )
    monitor = LivenessMonitor(cluster_of(4, rank=2), 10, lambda rank: None, probe=script)
    before = time.monotonic()
    assert monitor.silent(0.2) == [1, 3]
    assert took(before) < 2


def test_one_process_alone_waits_for_nobody():
    with LivenessMonitor(Cluster(), 60, lambda rank: None) as monitor:
        monitor.wait_for_all(0)
        assert monitor.silent(5) == []


# wait_for_all


def test_waiting_names_who_is_missing_again_when_that_changes(capsys, monkeypatch):
    monkeypatch.setattr(liveness, "SECONDS_BETWEEN_LINES", 0.2)
    before = time.monotonic()
    script = Script(lambda rank, _: ProbeResult.ALIVE if took(before) > [0, 0, 0.5, 1][rank] else ProbeResult.REFUSED)
    LivenessMonitor(cluster_of(4), 0.5, lambda rank: None, probe=script).wait_for_all(10)
    assert capsys.readouterr().err.splitlines() == [
        "waiting for worker 2 (a:2), worker 3 (a:3)",
        "waiting for worker 3 (a:3)",
    ]
    asked = dict(script.asked)
    time.sleep(0.3)
    assert script.asked == asked


def test_waiting_says_nothing_where_all_are_there(capsys):
    LivenessMonitor(cluster_of(3), 5, lambda rank: None, probe=Script(lambda *_: ProbeResult.ALIVE)).wait_for_all(10)
    assert capsys.readouterr().err == ""


def test_waiting_ends_at_its_limit_and_names_who_never_came():
    before = time.monotonic()
    script = Script(lambda rank, _: ProbeResult.ALIVE if rank == 1 else ProbeResult.SILENT)
    monitor = LivenessMonitor(cluster_of(14), 60, lambda rank: None, probe=script)
    with pytest.raises(
        WorkersMissingError, match=r"worker 2 \(a:2\), .* and 4 more did not start within 0 s"
    ) as raised:
        monitor.wait_for_all(0.3)
    assert raised.value.ranks == tuple(range(2, 14))
    assert "\n" not in str(raised.value)
    assert took(before) < 1


def test_ctrl_c_ends_the_waiting():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        LivenessMonitor(cluster_of(2), 60, lambda rank: None, probe=Script(lambda *_: ProbeResult.SILENT)).wait_for_all(
            20
        )
    assert took(before) < 1


# the process


def child(code: str, seconds: float) -> subprocess.CompletedProcess:
    names = "from tienet.distributed.cluster import Cluster\nfrom tienet.distributed.liveness import *\n"
    start = f"import os, threading, time\n{names}"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, timeout=seconds)


def test_the_process_ends_while_workers_are_asked_and_a_call_hangs():
    done = child(
        "c, refuse = Cluster(('a:1', 'b:1')), lambda *_: ProbeResult.REFUSED\n"
        "w = LivenessMonitor(c, .1, lambda rank: time.sleep(60), probe=refuse)\n"
        "w.start(); time.sleep(.5); threading.Thread(target=w.silent, args=(60,), daemon=True).start()",
        10,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_on_lost_can_end_a_process_whose_main_thread_is_blocked():
    done = child(
        "def on_lost(rank):\n    print(w.error(rank), flush=True)\n    os._exit(3)\n"
        "w = LivenessMonitor(Cluster(('a:1', 'b:1')), .2, on_lost, probe=lambda *_: ProbeResult.UNREACHABLE)\n"
        "w.start(); threading.Lock().acquire() and threading.Event().wait()",
        10,
    )
    assert done.returncode == 3
    assert done.stdout.startswith("worker 1 (b:1) has not answered for 1 s; the last checkpoint is good")


def test_the_error_says_who_how_long_and_what_to_do():
    error = WorkerLostError(1, cluster_of(2).name(1), 60.2)
    assert error.rank == 1
    assert str(error) == (
        "worker 1 (a:1) has not answered for 60 s; the last checkpoint is good: start again with --resume, "
        "also with other workers"
    )


# a real server, last: it takes some seconds to start


def _open_files(process) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208


def test_a_tensorflow_server_answers_unless_its_process_is_stopped_or_killed(starting):
    assert float(starting.process.stdout.readline()) == 2
    process, address = starting.process, starting.address
    assert is_alive(address, 10)
    before = _open_files(process)
    for n in range(50):
        assert is_alive(address, 10)
        if n % 10 == 0:
            assert starting.add_one(n) == n + 1
    end = time.monotonic() + 10  # the server closes its end of the last connection when it gets to it
    while _open_files(process) > before and time.monotonic() < end:
        time.sleep(0.05)
    assert _open_files(process) <= before
    lost, found = [], threading.Event()
    monitor = LivenessMonitor(Cluster(("127.0.0.1:1", address)), 5.2, lambda rank: (lost.append(rank), found.set()))
    monitor.wait_for_all(10)
    process.send_signal(signal.SIGSTOP)
    assert not is_alive(address, 0.5)
    assert monitor.silent(0.5) == [1]
    process.send_signal(signal.SIGCONT)
    assert is_alive(address, 10)
    assert monitor.silent(10) == []
    assert starting.add_one(41) == 42
    process.kill()
    _, said = process.communicate()
    assert not is_alive(address, 5)
    assert not re.search("rpc|http|transport", said, re.IGNORECASE)
    with monitor:
        assert found.wait(8)
    assert lost == [1]
