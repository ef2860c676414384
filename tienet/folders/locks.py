"""One writer for each folder: a lock that the kernel takes back from a process that ends, however it ends.

The lock (flock) is on a file in the folder, or beside what is written, that says who holds it. The file is removed at
the end. One that a killed process has left behind is no lock: the next process takes it over. A process that is forked
closes what it inherits of a lock, and a program that is started inherits nothing, so that no child keeps the lock of a
process that has ended. Readers need no lock.

Some file systems have no locks. There a note says so and the work goes on, as to refuse would make them useless.
"""

import contextlib
import errno
import fcntl
import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tienet.errors import InputError

NAME = ".tienet.lock"
"""The name of the file in a folder that is being written."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
_NO_WRITING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST)

_MOMENT = 0.2
"""Seconds for which a lock that is held is tried again."""

_held: dict[str, int] = {}
"""The locks of this process: the descriptor of each lock's file, by the file's real path."""


@contextlib.contextmanager
def writing(folder: Path | str, flag: str = "", *, again: bool = False) -> Iterator[Path]:
    """Be the only process that writes into a folder while the block runs.

    The folder is made, and removed at the end if nothing was written into it.

    Args:
        folder: The folder.
        flag: The flag that names the folder, such as --out, for messages; empty: there is none.
        again: Whether this process may hold the lock already, as a command that trains and then calibrates does.
    Raises:
        InputError: Another process writes into the folder, which is left as it is. Where there is a flag, also: the
            folder cannot be written to.
        OSError: As in `hold`.
    """
    folder = Path(folder)
    with hold(folder / NAME, folder, flag, again=again):
        yield folder


@contextlib.contextmanager
def hold(path: Path, what: Path, flag: str = "", *, again: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold the lock on the file `path` while the block runs; its folder is made as in `writing`.

    Args:
        path: The lock's file.
        what: What it protects, for messages.
        flag: As in `writing`.
        again: As in `writing`.
        wait: Whether to wait for another process that holds it, which a line on standard error says.
    Raises:
        InputError: Another process holds the lock, and `wait` is not set. Where there is a flag, also: the lock's file
            cannot be made, in a way that another place mends.
        OSError: The lock's file cannot be made.
    """
    real = os.path.realpath(path)
    if again and real in _held:
        yield
        return
    made: list[Path] = []
    with contextlib.ExitStack() as at_end:
        at_end.callback(_remove_empty, made)
        with _explained(what, flag):
            descriptor = _take(Path(real), made, what, flag, wait)
        _held[real] = descriptor
        at_end.callback(_release, real, descriptor)
        _sign(descriptor)
        yield


@contextlib.contextmanager
def _explained(what: Path, flag: str) -> Iterator[None]:
    """Turn an error of the file system that another place mends into an InputError, where a flag names the place."""
    try:
        yield
    except OSError as error:
        if not flag or error.errno not in _NO_WRITING:
            raise
        why = f"cannot be written to ({error.strerror}); choose another {flag}"
        raise InputError(f"{flag} {what}: {why}") from None


def _release(real: str, descriptor: int) -> None:
    if _held.get(real) != descriptor:  # this process was forked meanwhile, and has closed it
        return
    del _held[real]
    with contextlib.suppress(OSError):
        Path(real).unlink()  # before the lock is given back, so that it is still this process's
    os.close(descriptor)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _take(path: Path, made: list[Path], what: Path, flag: str, wait: bool) -> int:
    """Make the lock's file and lock it; returns its descriptor. The folders that had to be made are added to `made`."""
    while True:
        made += _make(path.parent)
        try:
            descriptor = _open(path)
        except OSError as error:
            error.filename = str(what)
            raise
        if descriptor is None:
            continue
        try:
            _lock(descriptor, what, flag, wait)
            if _is_open(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the process before this one has removed the file


def _make(folder: Path) -> list[Path]:
    """Make a folder; returns it and those above it that were not there, the deepest first."""
    missing = list(itertools.takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _open(path: Path) -> int | None:
    """Open the lock's file, which is made; None if another process has just removed its folder, which was empty."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        if path.parent.is_dir():  # as in /proc, where no file can be made
            raise
        return None
    except PermissionError as error:
        try:
            return os.open(path, os.O_RDONLY)  # what a killed process of another user has left can be locked, too
        except OSError:
            raise error from None


def _lock(descriptor: int, what: Path, flag: str, wait: bool) -> None:
    try:
        _lock_at_once(descriptor, 0.0 if wait else _MOMENT)
    except BlockingIOError:
        who, since = _holder(descriptor)
        if not wait:
            where, other = (f"{flag} {what}", f", or choose another {flag}") if flag else (what, "")
            raise InputError(f"{where}: {who} has been writing it{since}; wait until that ends{other}") from None
        print(f"{what}: {who} has been writing it{since}; waiting for that", file=sys.stderr)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        risk = "see yourself that no other process writes there"
        print(f"note: {what}: this file system has no locks ({error.strerror}); {risk}", file=sys.stderr)


def _lock_at_once(descriptor: int, seconds: float) -> None:
    """Take the lock, or raise BlockingIOError.

    It is tried for some seconds: of a process that was killed just after it forked, the child may not yet have closed
    what it inherited of the lock.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _is_open(path: Path, descriptor: int) -> bool:
    """Whether a descriptor is of the file that `path` names now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write into the lock's file who holds it."""
    facts = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    with contextlib.suppress(OSError):  # the lock holds without it, also on a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{json.dumps(facts)}\n".encode(), 0)


def _holder(descriptor: int) -> tuple[str, str]:
    """Who holds a lock, and since when, as parts of a sentence; the latter is empty if it is not known."""
    try:
        facts = json.loads(os.pread(descriptor, 1000, 0))
        number, host, since = int(facts["process"]), str(facts["host"]), str(facts["since"])
    except (OSError, ValueError, TypeError, KeyError):
        return "another process", ""
    return f"process {number}" + ("" if host == socket.gethostname() else f" on {host}"), f" since {since}"


def _close_inherited() -> None:
    """In a process that was forked: close what it has of the locks, which stay its parent's."""
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_inherited)
