"""From which checkpoint a run goes on after a kill, a damaged file or a full disk."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tienet import files
from tienet.checkpoint.entries import (
    Entry,
    TrainingState,
    complete,
    damage,
    incomplete,
    pointed,
    read_json,
    reason,
    step_of,
)
from tienet.checkpoint.save import make_best, name_latest
from tienet.errors import InputError


@dataclass(frozen=True)
class ResumePoint:
    """The prefix of the checkpoint that a run goes on from, and how far the run had come."""

    prefix: Path
    state: TrainingState


def resume_point(folder: Path, mend: bool = True) -> ResumePoint | None:
    """The newest sound checkpoint of a run; each newer one that is not is named in a line on standard error.

    The best checkpoint is made sure of as well. If a kill came between a checkpoint and its link as the best, it is
    linked now. If the best is damaged or gone, the best sound one takes its place, and the state knows its score; if
    none was ever the best, the checkpoint that the run goes on from stands in, and the next epoch with a score
    replaces it.

    Args:
        folder: the run's.
        mend: write best.json and latest.json where they do not say so. False: only look, as the workers of a cluster
            do that do not save.
    Returns:
        None if no sound checkpoint is there.
    Raises:
        InputError: the folder cannot be written.
    """
    entries, check = complete(folder), _Check()
    chosen = next((entry for entry in entries if check(entry) is None), None)
    flaws = check.flaws | incomplete(folder)
    if chosen is None:
        _tell_of_passed_over(flaws, None)
        return None
    best, state = _best_of(entries, chosen, check)
    named = pointed(folder, "best") if best is not None else None
    if named is not None and check(named) is not None:
        flaws.pop(named.name, None)  # it is told of below
    _tell_of_passed_over(flaws, chosen)
    if best is not None:
        _tell_of_lost_best(best, named, named and check(named), state != chosen.state)
    if mend:
        _name(folder, best, replace(chosen, state=state))
    return ResumePoint(chosen.prefix, replace(state))


def _name(folder: Path, best: Entry | None, latest: Entry) -> None:
    """Make best.json and latest.json say so; nothing is written where they do: a full disk shall not matter then."""
    named = pointed(folder, "best")
    try:
        if best is not None and (named is None or named.name != best.name):
            make_best(folder, best)
        if read_json(folder / "latest.json") != latest.summary():
            name_latest(folder, latest)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({reason(error)}); the run cannot go on there") from error


def truncate_log(folder: Path, epoch: int) -> None:
    """Cut a run's stats.json back to the epochs up to `epoch`, which a run that goes on from there logs again.

    A missing one is left missing; a broken one is moved aside to stats.json.broken.
    """
    path = folder / "stats.json"
    try:
        log = json.loads(path.read_text(encoding="utf-8"))
        kept = [entry for entry in log if entry["epoch_num"] <= epoch]
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, RecursionError):
        path.replace(path.with_name("stats.json.broken"))
        print(f"note: {path} is broken; moved to stats.json.broken, the log starts anew", file=sys.stderr)
        return
    if len(kept) < len(log):
        files.write_text(path, json.dumps(kept))


class _Check:
    """`damage`, of each checkpoint once; flaws: name -> what it found."""

    def __init__(self) -> None:
        self._found: dict[str, str | None] = {}

    def __call__(self, entry: Entry) -> str | None:
        if entry.name not in self._found:
            self._found[entry.name] = damage(entry)
        return self._found[entry.name]

    @property
    def flaws(self) -> dict[str, str]:
        return {name: flaw for name, flaw in self._found.items() if flaw is not None}


def _tell_of_passed_over(flaws: dict[str, str], chosen: Entry | None) -> None:
    going_on = f"going on from {chosen.name}" if chosen else "there is no other to go on from"
    newest = step_of(chosen.name) if chosen else -1
    for name in sorted(flaws, key=lambda name: (step_of(name), name), reverse=True):
        if step_of(name) >= newest:
            print(f"note: {name} is damaged ({flaws[name]}); {going_on}", file=sys.stderr)


def _best_of(entries: list[Entry], chosen: Entry, check: _Check) -> tuple[Entry | None, TrainingState]:
    """The best sound checkpoint (None: none was judged yet), and the state with which the run goes on from `chosen`."""
    state = chosen.state
    if state.best_epoch == 0:
        return None, state
    by_age = sorted(entries, key=lambda e: (step_of(e.name), e.name.startswith("best-")), reverse=True)
    best = next((e for e in by_age if e.best and check(e) is None), None)  # a newer best has a better score
    if best is None:
        state = replace(state, best_score=None, best_epoch=state.epoch, epochs_since_best=0)
        return replace(chosen, state=state, best=True), state
    found = best.state
    if found.best_epoch != state.best_epoch:
        since = state.epoch - found.best_epoch
        state = replace(state, best_score=found.best_score, best_epoch=found.best_epoch, epochs_since_best=since)
    return best, state


def _tell_of_lost_best(best: Entry, named: Entry | None, flaw: str | None, state_changed: bool) -> None:
    """Say so where another checkpoint than before is the best; to catch up with a kill is no loss."""
    lost = f"{named.name} is damaged ({flaw})" if flaw else "the best checkpoint is gone" if named is None else None
    if lost and (flaw or state_changed):
        what = f"the best is chosen anew from {best.name} on" if state_changed else f"the best is {best.name}"
        print(f"note: {lost}; {what}", file=sys.stderr)
