"""How far a long work is: a bar on a terminal; elsewhere, as in a log, a line every so often with the time left."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

FIRST_S, LONGEST_S, SHARE = 10.0, 600.0, 0.1
"""The first line comes after FIRST_S seconds, each further one when SHARE of the time so far has passed again, but not
before FIRST_S and not after LONGEST_S seconds: a work of minutes has some ten lines, one of days six an hour. A work
that is done in less than FIRST_S has none."""

Item = TypeVar("Item")


class Progress:
    """The progress of one work on standard error, a context that ends with it.

    Args:
        total: How many units there are; None if nobody knows.
        what: The name of the work, which each line starts with.
        unit: What is counted, in the plural.
        show: Whether anything is shown.
        keep: Whether a bar stays on the terminal, and a log has a last line, when the work is done.
        scaled: Whether a bar shows large numbers as 1.2M.
        left: What the time that is left is called, such as "left in all" where the units are those of several works.

    Attributes:
        left: As the argument; it may change.
    """

    def __init__(
        self,
        total: int | None,
        what: str,
        unit: str,
        *,
        show: bool = True,
        keep: bool = True,
        scaled: bool = False,
        left: str = "left",
    ) -> None:
        self._total, self._what, self._unit, self.left = total, what, unit, left
        self._is_shown, self._is_kept = show and total != 0, keep
        self._done = self._done_before = 0
        self._note = ""
        self._begun = self._start = self._last = time.monotonic()
        self._bar: tqdm | None = None
        if self._is_shown and sys.stderr.isatty():
            self._bar = tqdm(
                total=total, desc=what, unit=f" {unit}", leave=keep, unit_scale=scaled, smoothing=0.05, file=sys.stderr
            )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, count: int = 1) -> None:
        """Count units that are done now."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif self._is_shown:
            now = time.monotonic()
            if now - self._last >= min(max(SHARE * (now - self._start), FIRST_S), LONGEST_S):
                self._last = now
                self._print(self._line(now))

    def skip(self, count: int) -> None:
        """Count units that were done before this work began, as after a stop: they say nothing of its speed."""
        self._done += count
        self._done_before += count
        if self._bar is not None:
            self._bar.initial += count
            self._bar.update(count)

    def restart_clock(self) -> None:
        """Forget the time so far, and what was done in it, where a first unit takes longer than all others."""
        self._done_before, self._start = self._done, time.monotonic()

    def note(self, text: str) -> None:
        """Set what stands at the end of the bar, and in each further line before the time that is left."""
        self._note = text
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def write(self, text: str) -> None:
        """Print a line of text, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            self._print(text)

    def close(self) -> None:
        """End it: leave the bar as it is, or print the last line."""
        if self._bar is not None:
            self._bar.close()
        elif self._is_shown and self._is_kept and (took := time.monotonic() - self._begun) >= FIRST_S:
            self._print(f"{self._what}: {self._count()} {self._unit} in {readable_duration(took)}")
        self._is_shown, self._bar = False, None

    def time_left(self) -> float | None:
        """The seconds that are left at the speed so far; None if nobody knows."""
        if self._total is None or self._done <= self._done_before:
            return None
        each = (time.monotonic() - self._start) / (self._done - self._done_before)
        return each * max(self._total - self._done, 0)

    def _line(self, now: float) -> str:
        parts = [f"{self._what}: {self._count()} {self._unit}"]
        if self._total:
            parts[0] += f" ({self._done / self._total:.0%})"
        new = self._done - self._done_before
        if new > 0 and now > self._start:
            parts.append(_rate(new / (now - self._start)))
        if self._note:
            parts.append(self._note)
        left = self.time_left()
        if left is not None:
            parts.append(f"{readable_duration(left)} {self.left}")
        return ", ".join(parts)

    def _count(self) -> str:
        return f"{self._done:,}" if self._total is None else f"{self._done:,}/{self._total:,}"

    @staticmethod
    def _print(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def over(
    items: Iterable[Item], what: str, unit: str, total: int | None = None, *, show: bool = True, keep: bool = True
) -> Iterator[Item]:
    """The items one by one, with a `Progress` of how many of them have been used.

    Args:
        items: What is worked on.
        total: How many items there are; None takes their `len`, if they have one.
        what: As for `Progress`; so are unit, show and keep.
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    with Progress(total, what, unit, show=show, keep=keep) as progress:
        for item in items:
            yield item
            progress.update()


def readable_duration(seconds: float) -> str:
    """A number of seconds in its two largest units, such as "42 s", "3 min", "2 h 10 min" or "3 d 4 h"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _rate(per_second: float) -> str:
    if per_second >= 10:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{1 / per_second:,.1f} s each"
