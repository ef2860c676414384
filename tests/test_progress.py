"""Progress: a bar on a terminal, and in a log lines that become rarer, with the time that is left."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from tienet import progress
from tienet.progress import Progress, over, readable_duration


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time in seconds, which only the test moves."""
    now = [1000.0]
    # Not time.monotonic itself: event loops that other tests have left running in threads go by it.
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def work(clock: list[float], seconds_each: float, bar: Progress, count: int) -> None:
    for _ in range(count):
        clock[0] += seconds_each
        bar.update()


def test_a_log_has_lines_with_the_speed_and_the_time_that_is_left(clock, capsys):
    with Progress(100, "features", "images") as bar:
        work(clock, 0.5, bar, 40)
        bar.note("loss 1.5")
        work(clock, 0.5, bar, 60)
    assert capsys.readouterr().err.splitlines() == [
        "features: 20/100 images (20%), 2.0/s, 40 s left",
        "features: 40/100 images (40%), 2.0/s, 30 s left",
        "features: 60/100 images (60%), 2.0/s, loss 1.5, 20 s left",
        "features: 80/100 images (80%), 2.0/s, loss 1.5, 10 s left",
        "features: 100/100 images (100%), 2.0/s, loss 1.5, 0 s left",
        "features: 100/100 images in 50 s",
    ]


def test_a_long_work_has_few_lines(clock, capsys):
    counts = {}
    for seconds in (9, 600, 36_000, 10 * 86_400):
        with Progress(None, "annotate", "studies", keep=False) as bar:
            work(clock, 1, bar, seconds)
        counts[seconds] = capsys.readouterr().err.count("\n")
    assert counts[9] == 0 and 15 < counts[600] < 35 and counts[36_000] < 110 and counts[864_000] < 1_500


def test_what_was_done_before_and_a_slow_start_say_nothing_of_the_speed(clock, capsys):
    with Progress(1_000, "annotate", "studies") as bar:
        bar.skip(900)
        work(clock, 1, bar, 10)
        assert bar.time_left() == pytest.approx(90)
        bar.restart_clock()
        assert bar.time_left() is None
        work(clock, 0.1, bar, 10)
        assert bar.time_left() == pytest.approx(8)
    assert capsys.readouterr().err.splitlines()[0] == "annotate: 910/1,000 studies (91%), 1.0/s, 2 min left"


def test_a_terminal_has_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with Progress(4, "features", "images") as bar:
        bar.skip(1)
        bar.note("loss 2")
        bar.write("a line")
        bar.update(3)
    shown = screen.getvalue()
    assert re.search(r"features: 100%.*4/4 .* images.*loss 2", shown) and "\na line\n" in f"\n{shown}".replace(
        "\r", "\n"
    )
    assert "left" not in shown


@pytest.mark.parametrize(("total", "show"), [(0, True), (3, False)])
def test_nothing_is_shown(total, show, capsys):
    with Progress(total, "features", "images", show=show) as bar:
        bar.update(total)
        bar.note("x")
    assert capsys.readouterr() == ("", "")


def test_over_items(clock, capsys):
    def slowly(items):
        for item in items:
            clock[0] += 5
            yield item

    assert list(slowly(over("abc", "some", "letters"))) == ["a", "b", "c"]
    assert list(over(slowly("abc"), "few", "letters", keep=False)) == ["a", "b", "c"]
    assert list(over(iter("ab"), "quick", "letters")) == ["a", "b"]
    said = ["some: 2/3 letters (67%), 5.0 s each, 5 s left", "some: 3/3 letters in 15 s"]
    assert capsys.readouterr().err.splitlines() == [*said, "few: 2 letters, 5.0 s each"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3_570, "1 h"), (3_000, "50 min"), (7_800, "2 h 10 min"),
     (86_399, "1 d"), (86_400 * 3 + 3_600 * 4, "3 d 4 h")],
)  # fmt: skip
def test_durations(seconds, text):
    assert readable_duration(seconds) == text
