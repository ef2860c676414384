"""SIGTERM: what is saved, and that a run goes on from it to the same end."""

import signal
import time
from functools import partial

import pytest

from tests.distributed.parallelism.disturb import (
    COMPUTES,
    VALIDATES,
    at_save,
    at_step,
    compute_for_long,
    features,
    in_validation,
    long_validation,
    send_term,
)
from tests.distributed.parallelism.runs import DRAWN, QUICK, addresses, assert_close, assert_same_bits, read

STOPS = {
    "between updates": (partial(at_step, 2, send_term), 1),
    "in an update": (partial(at_step, 3, send_term, within=True), 3),
    "in the last update of an epoch": (partial(at_step, 4, send_term, within=True), 4),
    "in the second validation of this process": (partial(in_validation, 2, send_term), 8),
    "while saving": (partial(at_save, 1, send_term), 9),  # one update more: a save is not left half done
}
"""When SIGTERM comes (each time to the run that goes on from the stop before), and the step that is saved then."""


def test_a_run_that_sigterm_stops_at_every_kind_of_moment_comes_to_the_same_end(start, straight):
    for when, (tamper, step) in STOPS.items():
        run = start("run", "--resume", tamper=tamper, **DRAWN)
        assert run.status() == 0, f"{when}: {run.text}"
        assert run.error == "stopped by SIGTERM", when
        assert f"stopped at step {step}; go on with --resume" in run.text, when
        assert read(run.logdir)["step"] == step, when
        assert run.seconds_from_signal_to_end() < 20, when
    assert_same_bits(start("run", "--resume", **DRAWN).done(), straight["drawn"])


def test_sigterm_to_a_worker_stops_both_after_an_update_and_one_process_goes_on(start, straight):
    workers = start.workers("run", tampers={0: partial(at_step, 6, send_term)}, **QUICK)
    for worker in workers:
        assert worker.status() == 0, worker.text
        assert worker.error == "stopped by SIGTERM"
    assert time.time() - workers[0].sent_at < 20
    assert read(workers[0].logdir)["step"] == 6 and read(workers[0].logdir)["epoch"] == 1
    start("run", "--gpu", "0,1", "--resume", **QUICK).done()
    assert_close(workers[0].logdir, straight["two towers"])


@pytest.mark.parametrize("rank", [0, 1])
def test_sigterm_to_any_worker_while_the_chief_validates_for_long_stops_both_at_once(start, straight, rank):
    """The other worker then waits for the chief inside an operation, where no signal reaches it."""
    workers = start.workers("run", tampers={0: partial(long_validation, 2)}, **QUICK)
    workers[0].wait_for(VALIDATES)
    sent_at = time.monotonic()
    workers[rank].send(signal.SIGTERM)
    for worker in workers:
        assert worker.status() == 0, worker.text
        assert worker.error == "stopped by SIGTERM"
    assert time.monotonic() - sent_at < 20
    assert read(workers[0].logdir)["step"] == 8 and read(workers[0].logdir)["epoch"] == 1
    if rank:
        start("run", "--gpu", "0,1", "--resume", **QUICK).done()
        assert_close(workers[0].logdir, straight["two towers"])


@pytest.mark.parametrize("rank", [0, 1])
def test_sigterm_to_any_worker_while_the_chief_computes_features_stops_both_at_once(start, rank):
    workers = start.workers("run", tampers={0: partial(features, compute_for_long)}, **QUICK)
    workers[0].wait_for(COMPUTES)
    sent_at = time.monotonic()
    workers[rank].send(signal.SIGTERM)
    for worker in workers:
        assert worker.status() == 0, worker.text
        assert worker.error == "stopped by SIGTERM"
    assert time.monotonic() - sent_at < 20
    assert not workers[0].logdir.exists()


def test_sigterm_while_a_worker_is_waited_for_ends_the_process_at_once(start):
    worker = start("run", "--workers", addresses(), "--task", 0, **QUICK)
    worker.wait_for("waiting for worker 1")
    sent_at = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.status() == 0, worker.text
    assert worker.error == "stopped by SIGTERM"
    assert time.monotonic() - sent_at < 20
