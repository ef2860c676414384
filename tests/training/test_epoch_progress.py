"""The progress of a training: lines in a log with the time that is left in all epochs, a bar for each on a terminal."""

import io
import sys
from types import SimpleNamespace

import pytest

from tienet import progress
from tienet.training.epoch_progress import EpochProgress


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    # Not time.monotonic itself: event loops that other tests have left running in threads go by it.
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def train(clock: list[float], epochs: range, done: int, stop_at: int | None = None) -> None:
    """Ten steps of 2 s an epoch, of which the first takes 60 s more, and a validation of 10 s."""
    shown = EpochProgress(4, 10, done)
    shown.trainer = SimpleNamespace(epoch_num=epochs[0], loop=SimpleNamespace(steps_per_epoch=10 - done % 10))
    shown._before_train()
    clock[0] += 5
    for epoch in epochs:
        shown.trainer.epoch_num = epoch
        shown._before_epoch()
        for step in range(shown.trainer.loop.steps_per_epoch):
            clock[0] += 2 + 60 * (epoch == epochs[0] and step == 0)
            shown._after_run(None, SimpleNamespace(results=[0.5]))
            shown._trigger_step()
            if (epoch - 1) * 10 + step == stop_at:
                shown._after_train()
                return
        shown._after_epoch()
        clock[0] += 10
        shown._trigger_epoch()
        shown.trainer.loop.steps_per_epoch = 10
    shown._after_train()


def test_a_log(clock, capsys):
    train(clock, range(1, 5), 0)
    lines = capsys.readouterr().err.splitlines()
    assert (
        lines[0] == "training: 2/40 steps (5%), 2.0 s each, epoch 1/4, loss 0.5, 1 min left in all without validation"
    )
    later = [line for line in lines if "epoch 3/4" in line]
    assert later and all(line.endswith(" s left in all") for line in later)
    assert lines[-1] == "training: 40/40 steps in 3 min"


def test_a_run_that_goes_on(clock, capsys):
    train(clock, range(3, 5), 25, stop_at=32)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("training: 27/40 steps (68%), 2.0 s each, epoch 3/4")
    assert lines[-1] == "training: 33/40 steps in 2 min"


def test_a_terminal(clock, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "120")
    train(clock, range(1, 3), 0)
    shown = sys.stderr.getvalue()
    assert "epoch 1/4: 100%" in shown and "epoch 2/4: 100%" in shown and "10/10" in shown
    assert "loss 0.5" in shown and "left in all" in shown and "training:" not in shown
