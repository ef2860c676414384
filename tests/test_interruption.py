"""Ctrl-C and SIGTERM: when they act, when they wait, and what is left behind."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.conftest import ROOT
from tienet.interruption import Interrupted, Interruption

BOTH = (signal.SIGINT, signal.SIGTERM)
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 0}


@pytest.fixture(autouse=True)
def _own_handlers():
    """A test that fails must not leave its handlers behind."""
    before = {which: signal.getsignal(which) for which in BOTH}
    yield
    for which, handler in before.items():
        signal.signal(which, handler)


@pytest.mark.parametrize("which", BOTH)
def test_a_signal_raises_where_nothing_defers_it(which):
    with Interruption() as interruption, pytest.raises(Interrupted) as raised:
        signal.raise_signal(which)
    assert interruption.wanted == which
    assert raised.value.status == STATUS[which]
    assert isinstance(raised.value, KeyboardInterrupt)  # which scripts and Tensorpack let through


@pytest.mark.parametrize("which", BOTH)
def test_a_deferred_signal_only_sets_what_is_wanted(which):
    with Interruption() as interruption:
        assert interruption.wanted is None
        with interruption.deferred():
            signal.raise_signal(which)
            assert interruption.wanted == which
        assert interruption.error().status == STATUS[which]


def test_nested_deferral_lasts_until_the_outer_one_ends():
    with Interruption() as interruption:
        with interruption.deferred():
            with interruption.deferred():
                pass
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)


def test_deferral_ends_with_an_error_inside():
    with Interruption() as interruption:
        with pytest.raises(RuntimeError), interruption.deferred():
            raise RuntimeError
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("which", BOTH)
def test_within_a_deferral_a_signal_is_heeded_where_it_may_be(which):
    with Interruption() as interruption, interruption.deferred():
        with pytest.raises(Interrupted), interruption.heeded():
            signal.raise_signal(which)
        signal.raise_signal(signal.SIGTERM)  # deferred again


def test_a_signal_that_was_deferred_is_heeded_later():
    with Interruption() as interruption, interruption.deferred():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), interruption.heeded():
            pytest.fail("began")


@pytest.mark.parametrize("first", BOTH)
def test_the_second_ctrl_c_raises_even_where_it_is_deferred(first):
    with Interruption() as interruption, interruption.deferred():
        signal.raise_signal(first)
        with pytest.raises(Interrupted) as raised:
            signal.raise_signal(signal.SIGINT)
        assert raised.value.status == 130


@pytest.mark.parametrize("first", BOTH)
def test_a_second_sigterm_waits_as_the_first(first):
    """Clusters send it again and again; the save must still come to its end."""
    with Interruption() as interruption, interruption.deferred():
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert interruption.wanted == signal.SIGTERM


def test_the_handlers_of_before_are_put_back_after_an_error_too():
    seen = []

    def mine(signum, _frame):
        seen.append(signum)

    for which in BOTH:
        signal.signal(which, mine)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) is not mine
    with pytest.raises(ZeroDivisionError), Interruption():
        raise ZeroDivisionError
    with pytest.raises(Interrupted), Interruption():
        signal.raise_signal(signal.SIGINT)
    for which in BOTH:
        signal.raise_signal(which)
    assert seen == list(BOTH)


def test_in_another_thread_nothing_is_taken_and_nothing_fails():
    before = [signal.getsignal(which) for which in BOTH]
    seen = []

    def work() -> None:
        with Interruption() as interruption, interruption.deferred():
            seen.append([signal.getsignal(which) for which in BOTH])
        seen.append(interruption.wanted)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before, None]
    assert [signal.getsignal(which) for which in BOTH] == before


SCRIPT = """
import signal, sys
from tienet import cli
from tienet.interruption import Interruption
def main():
    with Interruption() as interruption:
        if sys.argv[2] == "deferred":
            with interruption.deferred():
                signal.raise_signal(int(sys.argv[1]))
            raise interruption.error()
        signal.raise_signal(int(sys.argv[1]))
cli.run(main)
"""


@pytest.mark.parametrize("where", ["deferred", "at once"])
@pytest.mark.parametrize("which", BOTH)
def test_a_script_ends_with_one_line_and_the_status_that_shells_and_clusters_expect(which, where):
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(int(which)), where],
        cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == STATUS[which]
    assert ended.stderr.strip() == ("interrupted" if which == signal.SIGINT else "stopped by SIGTERM")
