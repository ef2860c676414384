"""Work on several files at once: in order, by as many threads as cores, or by the caller where there are few."""

import threading
import time

import pytest

from tienet import cpu
from tienet.data.threads import map_in_threads


@pytest.mark.usefixtures("four_cores")
def test_four_cores_work_at_once_and_results_are_in_order():
    together = threading.Barrier(4)

    def work(n: int) -> int:
        together.wait(timeout=30)  # breaks, and so raises, if fewer than four work at once
        return n * n

    assert map_in_threads(work, range(16)) == [n * n for n in range(16)]


def test_with_few_cores_the_caller_works(monkeypatch):
    monkeypatch.setattr(cpu, "usable_cores", lambda: 2)
    assert set(map_in_threads(lambda _: threading.current_thread(), range(4), least_cores=3)) == {
        threading.current_thread()
    }


@pytest.mark.usefixtures("four_cores")
def test_an_error_is_raised_when_no_thread_works_any_more():
    """A thread that still wrote could write into another file, which was opened under the number of the closed one."""
    failed, ended = threading.Event(), []

    def work(n: int) -> None:
        if n == 0:
            failed.set()
            raise OSError("full")
        failed.wait(timeout=30)
        time.sleep(0.1)
        ended.append(n)

    with pytest.raises(OSError, match="full"):
        map_in_threads(work, range(4))
    assert sorted(ended) == [1, 2, 3]


@pytest.mark.usefixtures("four_cores")
def test_the_first_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda n: 1 // n, [2, 0, 1])
