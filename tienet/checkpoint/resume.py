"""From which checkpoint a run is resumed, also after a kill, with a damaged file or a full disk."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tienet import files
from tienet.checkpoint.entries import (
    Entry,
    TrainingState,
    complete_entries,
    find_damage,
    incomplete_checkpoints,
    named_entry,
    read_json,
    short_reason,
    step_from_name,
)
from tienet.checkpoint.save import make_best, name_latest
from tienet.errors import InputError


@dataclass(frozen=True)
class ResumePoint:
    """The prefix of the checkpoint that a run is resumed from, and how far the run had come there."""

    prefix: Path
    state: TrainingState


def find_resume_point(folder: Path, repair: bool = True) -> ResumePoint | None:
    """The newest sound checkpoint of a run; a line on standard error names each newer one that is damaged.

    The best checkpoint is checked as well. If a kill came after a checkpoint was written but before it was linked as
    the best, it is linked now. If the best checkpoint is damaged or gone, the best sound one replaces it, and the state
    gets its score. If no sound checkpoint was ever the best, the one that the run is resumed from becomes the best
    without a score, so that the next epoch that has a score replaces it.

    Args:
        folder: The run's folder.
        repair: Whether to write best.json and latest.json where they do not name these checkpoints. The workers of a
            cluster that do not save only look.
    Returns:
        The checkpoint and the state; None if there is no sound checkpoint.
    Raises:
        InputError: The folder cannot be written.
    """
    entries, check = complete_entries(folder), _DamageCheck()
    chosen = next((entry for entry in entries if check(entry) is None), None)
    flaws = check.flaws | incomplete_checkpoints(folder)
    if chosen is None:
        _log_damaged(flaws, None)
        return None
    best, state = _best_of(entries, chosen, check)
    named = named_entry(folder, "best") if best is not None else None
    if named is not None and check(named) is not None:
        flaws.pop(named.name, None)  # it is logged below
    _log_damaged(flaws, chosen)
    if best is not None:
        _log_lost_best(best, named, named and check(named), state != chosen.state)
    if repair:
        _write_names(folder, best, replace(chosen, state=state))
    return ResumePoint(chosen.prefix, replace(state))


def _write_names(folder: Path, best: Entry | None, latest: Entry) -> None:
    """Let best.json and latest.json name these checkpoints.

    Nothing is written if they do already, so that a run can also be resumed from a full disk.
    """
    named = named_entry(folder, "best")
    try:
        if best is not None and (named is None or named.name != best.name):
            make_best(folder, best)
        if read_json(folder / "latest.json") != latest.summary():
            name_latest(folder, latest)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({short_reason(error)}); the run cannot go on there") from error


def truncate_log(folder: Path, epoch: int) -> None:
    """Remove the epochs after `epoch` from a run's stats.json, because the resumed run logs them again.

    A missing file stays missing; a broken one is renamed to stats.json.broken.
    """
    path = folder / "stats.json"
    try:
        log = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(log, list):
            raise TypeError(f"a list is expected, not {type(log).__name__}")
        kept = [entry for entry in log if entry["epoch_num"] <= epoch]
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, RecursionError):
        path.replace(path.with_name("stats.json.broken"))
        print(f"note: {path} is broken; moved to stats.json.broken, the log starts anew", file=sys.stderr)
        return
    if len(kept) < len(log):
        files.write_text(path, json.dumps(kept))


class _DamageCheck:
    """Calls `find_damage` once for each checkpoint, and keeps what it found.

    Attributes:
        flaws: Maps the name of each damaged checkpoint to what is wrong with it.
    """

    def __init__(self) -> None:
        self._found: dict[str, str | None] = {}

    def __call__(self, entry: Entry) -> str | None:
        if entry.name not in self._found:
            self._found[entry.name] = find_damage(entry)
        return self._found[entry.name]

    @property
    def flaws(self) -> dict[str, str]:
        return {name: flaw for name, flaw in self._found.items() if flaw is not None}


def _log_damaged(flaws: dict[str, str], chosen: Entry | None) -> None:
    going_on = f"going on from {chosen.name}" if chosen else "there is no other to go on from"
    newest = step_from_name(chosen.name) if chosen else -1
    for name in sorted(flaws, key=lambda name: (step_from_name(name), name), reverse=True):
        if step_from_name(name) >= newest:
            print(f"note: {name} is damaged ({flaws[name]}); {going_on}", file=sys.stderr)


def _best_of(entries: list[Entry], chosen: Entry, check: _DamageCheck) -> tuple[Entry | None, TrainingState]:
    """The best sound checkpoint (None: none was evaluated yet), and the state in which the run is resumed."""
    state = chosen.state
    if state.best_epoch == 0:
        return None, state
    by_age = sorted(entries, key=lambda e: (step_from_name(e.name), e.name.startswith("best-")), reverse=True)
    best = next((e for e in by_age if e.best and check(e) is None), None)  # the newest best one has the best score
    if best is None:
        state = replace(state, best_score=None, best_epoch=state.epoch, epochs_since_best=0)
        return replace(chosen, state=state, best=True), state
    found = best.state
    if found.best_epoch != state.best_epoch:
        since = state.epoch - found.best_epoch
        score = {"best_score": found.best_score, "chosen_by": found.chosen_by}
        state = replace(state, best_epoch=found.best_epoch, epochs_since_best=since, **score)
    return best, state


def _log_lost_best(best: Entry, named: Entry | None, flaw: str | None, state_changed: bool) -> None:
    """Log that another checkpoint than before is the best; not where only a kill's missing link was made."""
    lost = f"{named.name} is damaged ({flaw})" if flaw else "the best checkpoint is gone" if named is None else None
    if lost and (flaw or state_changed):
        what = f"the best is chosen anew from {best.name} on" if state_changed else f"the best is {best.name}"
        print(f"note: {lost}; {what}", file=sys.stderr)
