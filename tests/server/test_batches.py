"""The queue in front of a network: together, in order, and closed."""

import threading
import time

import pytest

from tienet.server.batches import Batches, ClosedError


@pytest.fixture
def held():
    """A queue whose work waits for `gate`; notes the batches."""
    gate, seen = threading.Event(), []

    def work(items):
        gate.wait(10)
        seen.append(list(items))
        if "bad" in items:
            raise ValueError("bad")
        return [f"{item}!" for item in items]

    batches = Batches(work, 4, "test")
    batches.gate, batches.seen = gate, seen
    yield batches
    gate.set()
    batches.close()


def test_what_waits_is_worked_on_together_and_each_gets_its_own(held):
    futures = [held.submit(str(n)) for n in range(10)]
    held.gate.set()
    assert [future.result(10) for future in futures] == [f"{n}!" for n in range(10)]
    assert [len(batch) for batch in held.seen] == [4, 4, 2] and held.seen[2] == ["8", "9"]


def test_one_that_fails_fails_alone(held):
    futures = [held.submit(item) for item in ("a", "bad", "c")]
    held.gate.set()
    assert futures[0].result(10) == "a!" and futures[2].result(10) == "c!"
    with pytest.raises(ValueError, match="bad"):
        futures[1].result(10)
    assert held.submit("later").result(10) == "later!"


def test_what_was_cancelled_is_left_out(held):
    first = [held.submit(str(n)) for n in range(4)]
    time.sleep(0.1)
    late = [held.submit(item) for item in ("x", "y")]
    assert late[0].cancel()
    held.gate.set()
    assert [future.result(10) for future in first] == ["0!", "1!", "2!", "3!"] and late[1].result(10) == "y!"
    assert held.seen[1] == ["y"]


def test_closing_finishes_what_is_in_work_and_fails_the_rest(held):
    futures = [held.submit(str(n)) for n in range(6)]
    time.sleep(0.1)
    closing = threading.Thread(target=held.close)
    closing.start()
    time.sleep(0.05)
    held.gate.set()
    closing.join(10)
    assert [future.result(10) for future in futures[:4]] == ["0!", "1!", "2!", "3!"]
    for future in [*futures[4:], held.submit("late")]:
        with pytest.raises(ClosedError):
            future.result(10)
    assert not held.alive
