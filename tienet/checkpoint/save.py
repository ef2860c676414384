"""Checkpoints that survive kills, damage and a full disk: how they are written.

What happens to a checkpoint, in this order; a kill between any two steps loses nothing:

1. TensorFlow writes it into a folder of its own, checkpoints/.writing-*. The files are synced and moved into place.
2. Its entry, checkpoints/latest-STEP.json, makes it complete. Before that the run goes on from the checkpoint before,
   after it from this one.
3. If it is the best, it is linked as best-STEP, that entry is written, and best.json. The entry of step 2 says that it
   is the best: what a kill leaves out here, `tienet.checkpoint.resume` makes up for.
4. TensorFlow's own file `checkpoint`, and latest.json.
5. Older ones are removed: the two newest and the best are kept. What killed writes left is removed by the next one.
"""

import contextlib
import errno
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from tienet import files
from tienet.checkpoint.entries import (
    Entry,
    TrainingState,
    complete,
    damage,
    entry_of,
    incomplete,
    newest_sound,
    pointed,
    reason,
    remove,
    sha256,
    step_of,
)
from tienet.errors import InputError

tf1 = tf.compat.v1


def save(
    folder: Path,
    session: tf1.Session,
    saver: tf1.train.Saver,
    state: TrainingState,
    thresholds: list[float] | None,
    best: bool,
) -> None:
    """Write the latest checkpoint of a run, and keep it as the best too if it is; Ctrl-C waits until it is done.

    When a step is saved again in the same state, what was known of it (thresholds, being the best) stays.

    Args:
        folder: the run's. saver: of all variables that training needs. state: with the step that is saved.
        thresholds: K of them; None if it was not judged.
    Raises:
        InputError: it cannot be written (a full disk); those before it are kept, half of it is not.
    """
    checkpoints = folder / "checkpoints"
    prefix = checkpoints / f"latest-{state.step}"
    with _signals_wait(), _told_in_a_line(folder, prefix):
        checkpoints.mkdir(exist_ok=True)
        _remove_leftovers(folder)
        _catch_up_removing(folder)
        before = entry_of(prefix)
        if before is not None and before.state == state:
            thresholds, best = before.thresholds if thresholds is None else thresholds, best or before.best
        with _aside(checkpoints) as aside:
            with session.graph.as_default():
                _run_saver(session, saver, aside / prefix.name)
            entry = _move_in(aside, Entry(prefix, replace(state), thresholds, best, {}, {}))
        if best:
            make_best(folder, entry)
        name_latest(folder, entry)
        _remove_older(folder, entry)


def _run_saver(session: tf1.Session, saver: tf1.train.Saver, prefix: Path) -> None:
    try:
        saver.save(session, str(prefix), write_meta_graph=False, write_state=False)
    except ValueError as error:
        if prefix.parent.is_dir():
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(prefix)) from error


def _move_in(aside: Path, entry: Entry) -> Entry:
    """Move a checkpoint's files from the folder `aside` into place and write its entry."""
    checkpoints, sums, sizes = entry.prefix.parent, {}, {}
    for path in sorted(aside.iterdir()):  # .data before .index
        with path.open("rb") as file:
            os.fsync(file.fileno())
        sums[path.name], sizes[path.name] = sha256(path), path.stat().st_size
        path.replace(checkpoints / path.name)
    _sync(checkpoints)
    entry = replace(entry, files=sums, sizes=sizes)
    files.write_json(entry.path, entry.to_json())
    _sync(checkpoints)
    return entry


def make_best(folder: Path, entry: Entry) -> None:
    """Link a checkpoint as the best one, and name it in best.json."""
    checkpoints, name = folder / "checkpoints", f"best-{step_of(entry.name)}"
    if entry.name != name:
        with _aside(checkpoints) as aside:
            for source in checkpoints.glob(f"{entry.name}.*"):
                if source != entry.path:
                    _link(source, aside / source.name.replace(entry.name, name, 1))
            entry = _move_in(aside, replace(entry, prefix=checkpoints / name))
    files.write_json(folder / "best.json", entry.summary())


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # not every file system has links
        shutil.copyfile(source, target)


def name_latest(folder: Path, entry: Entry) -> None:
    """Name a checkpoint in the file that TensorFlow's own tools read, and in latest.json."""
    state = f'model_checkpoint_path: "{entry.name}"\nall_model_checkpoint_paths: "{entry.name}"\n'
    files.write_text(folder / "checkpoints" / "checkpoint", state)
    files.write_json(folder / "latest.json", entry.summary())
    _sync(folder)


def _remove_older(folder: Path, newest: Entry) -> None:
    """Keep `newest`, the newest sound one before it, and what best.json names."""
    kept, best = {newest.name}, pointed(folder, "best")
    entries = complete(folder)
    for entry in entries:
        older = entry.name.startswith("latest-") and step_of(entry.name) < step_of(newest.name)
        if older and damage(entry) is None:
            kept.add(entry.name)
            break
    for name in incomplete(folder):
        remove(folder / "checkpoints", name)
    for entry in entries:
        replaced = entry.name.startswith("latest-") or (best is not None and entry.name != best.name)
        if entry.name not in kept and replaced:
            remove(folder / "checkpoints", entry.name)


def _catch_up_removing(folder: Path) -> None:
    """Remove the older ones that killed saves had no time for: kills one after the other must not fill the disk."""
    there = [entry.name.partition("-")[0] for entry in complete(folder)]
    if there.count("latest") > 2 or there.count("best") > 1:
        newest = newest_sound(folder)
        if newest is not None:
            _remove_older(folder, newest)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed writes left: temporary files, and checkpoints without an entry."""
    checkpoints = folder / "checkpoints"
    for path in checkpoints.glob(".writing-*"):
        shutil.rmtree(path, ignore_errors=True)
    for name in ("latest.json", "best.json", "stats.json"):
        for path in folder.glob(f".{name}.*.tmp"):
            path.unlink(missing_ok=True)
    for path in checkpoints.glob(".*.tmp"):
        path.unlink(missing_ok=True)
    for name in incomplete(folder):
        if not (checkpoints / f"{name}.json").exists():
            remove(checkpoints, name)


@contextlib.contextmanager
def _aside(checkpoints: Path) -> Iterator[Path]:
    """A temporary folder in `checkpoints`, removed at the end."""
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=checkpoints))
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _told_in_a_line(folder: Path, prefix: Path) -> Iterator[None]:
    """Turn a failed write into an InputError that says what is kept, and remove what was half written."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        newest = None
        with contextlib.suppress(OSError):
            _remove_leftovers(folder)
            newest = next((entry.name for entry in complete(folder)), None)
        kept = f"the checkpoint before it, {newest}, is kept" if newest else "there is none before it"
        if newest == prefix.name:
            kept = "its weights are, and --resume goes on from them"
        raise InputError(f"{prefix} cannot be written ({reason(error)}); {kept}") from error


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Ctrl-C and SIGTERM that come meanwhile act at the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not None}
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    with contextlib.suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
