"""How checkpoints are written, so that they survive kills, damaged files and a full disk.

A checkpoint is written in the following steps; a kill between any two of them loses nothing:

1. TensorFlow writes it into a temporary folder, checkpoints/.writing-*, and the record of the validation split is
   written beside it. The files are synced and moved into place.
2. Its entry, checkpoints/latest-STEP.json, is written, which makes it complete. A run that was killed before is resumed
   from the checkpoint before, one that was killed after from this one.
3. If it is the best, it is linked as best-STEP, and that entry and best.json are written. The entry of step 2 already
   says that it is the best, so that `tienet.checkpoint.resume` can do what a kill has prevented here.
4. TensorFlow's own file `checkpoint` and latest.json are written.
5. Older checkpoints are removed: the two newest and the best are kept. The next save also removes what killed saves
   have left behind.
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
from typing import TYPE_CHECKING

from tienet import files
from tienet.checkpoint import validation_record
from tienet.checkpoint.entries import (
    Entry,
    TrainingState,
    complete_entries,
    find_damage,
    how_to_go_on,
    incomplete_checkpoints,
    named_entry,
    newest_sound,
    read_entry,
    remove_checkpoint,
    sha256,
    short_reason,
    step_from_name,
)
from tienet.checkpoint.validation_record import ValidationRecord
from tienet.checkpoint.writing import Writing
from tienet.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf


def save(
    folder: Path,
    session: "tf.compat.v1.Session",
    saver: "tf.compat.v1.train.Saver",
    state: TrainingState,
    thresholds: list[float] | None,
    best: bool,
    writing: Writing | None = None,
    record: ValidationRecord | None = None,
) -> None:
    """Write the latest checkpoint of a run, and link it as the best if it is; Ctrl-C takes effect after that.

    If a step is saved again in the same state, what is known of it is kept: its thresholds, whether it is the best,
    what its reports were like, and its record.

    Args:
        folder: The run's folder.
        session: The session that holds the variables.
        saver: The saver of all variables that training needs.
        state: How far the run has come, with the step that is saved.
        thresholds: The K thresholds of the validation split; None if the checkpoint was not evaluated.
        best: Whether the checkpoint is the best one so far.
        writing: What its reports were like on the validation split; None as for `thresholds`, and in modes that do not
            write.
        record: What the network gave on the validation split; None as for `thresholds`, and in modes that do not
            classify.
    Raises:
        InputError: The checkpoint cannot be written, e.g. to a full disk. The checkpoints before it are kept, and what
            was written of it is removed.
    """
    checkpoints = folder / "checkpoints"
    prefix = checkpoints / f"latest-{state.step}"
    with _deferring_signals(), _failures_as_input_error(folder, prefix):
        checkpoints.mkdir(exist_ok=True)
        _remove_leftovers(folder)
        _remove_if_too_many(folder)
        same_step = read_entry(prefix)
        if same_step is not None and same_step.state == state:
            thresholds, best = same_step.thresholds if thresholds is None else thresholds, best or same_step.best
            writing, record = writing or same_step.writing, record or _record_of(same_step)
        with _temporary_folder(checkpoints) as temporary:
            with session.graph.as_default():
                _run_saver(session, saver, temporary / prefix.name)
            if record is not None:
                validation_record.write(validation_record.path_of(temporary / prefix.name), record)
            entry = _move_into_place(temporary, Entry(prefix, replace(state), thresholds, best, {}, {}, writing))
        if best:
            make_best(folder, entry)
        name_latest(folder, entry)
        _remove_older(folder, entry)


def _record_of(entry: Entry) -> ValidationRecord | None:
    """The record of a checkpoint that is written again; None if it is damaged, as the new one is then without it."""
    try:
        return validation_record.read(entry.prefix)
    except InputError:
        return None


def _run_saver(session: "tf.compat.v1.Session", saver: "tf.compat.v1.train.Saver", prefix: Path) -> None:
    try:
        saver.save(session, str(prefix), write_meta_graph=False, write_state=False)
    except ValueError as error:
        if prefix.parent.is_dir():
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(prefix)) from error


def _move_into_place(temporary: Path, entry: Entry) -> Entry:
    """Move a checkpoint's files from the folder `temporary` into place and write its entry; returns the entry."""
    checkpoints, sums, sizes = entry.prefix.parent, {}, {}
    for path in sorted(temporary.iterdir()):  # .data before .index
        with path.open("rb") as file:
            os.fsync(file.fileno())
        sums[path.name], sizes[path.name] = sha256(path), path.stat().st_size
        path.replace(checkpoints / path.name)
    _sync_folder(checkpoints)
    entry = replace(entry, files=sums, sizes=sizes)
    files.write_json(entry.path, entry.to_json())
    _sync_folder(checkpoints)
    return entry


def make_best(folder: Path, entry: Entry) -> None:
    """Link a checkpoint as the best one, and name it in best.json."""
    checkpoints, name = folder / "checkpoints", f"best-{step_from_name(entry.name)}"
    if entry.name != name:
        with _temporary_folder(checkpoints) as temporary:
            for source in checkpoints.glob(f"{entry.name}.*"):
                if source != entry.path and (entry.files is None or source.name in entry.files):
                    _link(source, temporary / source.name.replace(entry.name, name, 1))
            entry = _move_into_place(temporary, replace(entry, prefix=checkpoints / name))
    files.write_json(folder / "best.json", entry.summary())


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # not every file system supports hard links
        shutil.copyfile(source, target)


def name_latest(folder: Path, entry: Entry) -> None:
    """Name a checkpoint in the file that TensorFlow's own tools read, and in latest.json."""
    state = f'model_checkpoint_path: "{entry.name}"\nall_model_checkpoint_paths: "{entry.name}"\n'
    files.write_text(folder / "checkpoints" / "checkpoint", state)
    files.write_json(folder / "latest.json", entry.summary())
    _sync_folder(folder)


def _remove_older(folder: Path, newest: Entry) -> None:
    """Remove all checkpoints but `newest`, the newest sound one before it, and the one that best.json names."""
    kept, best = {newest.name}, named_entry(folder, "best")
    entries = complete_entries(folder)
    for entry in entries:
        is_older = entry.name.startswith("latest-") and step_from_name(entry.name) < step_from_name(newest.name)
        if is_older and find_damage(entry) is None:
            kept.add(entry.name)
            break
    for name in incomplete_checkpoints(folder):
        remove_checkpoint(folder / "checkpoints", name)
    for entry in entries:
        may_go = entry.name.startswith("latest-") or (best is not None and entry.name != best.name)
        if entry.name not in kept and may_go:
            remove_checkpoint(folder / "checkpoints", entry.name)


def _remove_if_too_many(folder: Path) -> None:
    """Remove the older checkpoints that killed saves did not come to remove.

    Without it, saves that are killed one after the other before their last step would fill the disk.
    """
    kinds = [entry.name.partition("-")[0] for entry in complete_entries(folder)]
    if kinds.count("latest") > 2 or kinds.count("best") > 1:
        newest = newest_sound(folder)
        if newest is not None:
            _remove_older(folder, newest)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed saves have left behind: temporary files, and checkpoints without an entry."""
    checkpoints = folder / "checkpoints"
    for path in checkpoints.glob(".writing-*"):
        shutil.rmtree(path, ignore_errors=True)
    for name in ("latest.json", "best.json", "stats.json"):
        for path in folder.glob(f".{name}.*.tmp"):
            path.unlink(missing_ok=True)
    for path in (*checkpoints.glob(".*.tmp"), folder / "stats.json.tmp"):  # the last one is of older versions
        path.unlink(missing_ok=True)
    for name in incomplete_checkpoints(folder):
        if not (checkpoints / f"{name}.json").exists():
            remove_checkpoint(checkpoints, name)


@contextlib.contextmanager
def _temporary_folder(checkpoints: Path) -> Iterator[Path]:
    """A temporary folder in `checkpoints`, removed at the end of the block."""
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=checkpoints))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _failures_as_input_error(folder: Path, prefix: Path) -> Iterator[None]:
    """Turn a failed write into an InputError that names what is kept, and remove what was written halfway."""
    import tensorflow as tf  # only here, as a run is resumed from what this module names before TensorFlow is imported

    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        newest = None
        with contextlib.suppress(OSError):
            _remove_leftovers(folder)
            newest = next((entry.name for entry in complete_entries(folder)), None)
        kept = f"the checkpoint before it, {newest}, is kept" if newest else "there is none before it"
        if newest == prefix.name:
            kept = "its weights are, and --resume goes on from them"
        why = f"cannot be written ({short_reason(error)})"
        raise InputError(f"{how_to_go_on(error)}: {prefix} {why}; {kept}") from error


@contextlib.contextmanager
def _deferring_signals() -> Iterator[None]:
    """A context in which Ctrl-C and SIGTERM wait: they take effect at the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if handler is not None}
    for number in handlers:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(received):
            signal.raise_signal(number)


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names of its files survive a power cut."""
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
