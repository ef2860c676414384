"""What all commands share: errors as one line, Ctrl-C, the exit status, and the quiet start of TensorFlow."""

import argparse
import errno
import logging
import os
import sys
from collections.abc import Callable

from tienet import compiled
from tienet.errors import InputError

STATUS_BAD_INPUT = 2
STATUS_INTERRUPTED = 130  # 128 + SIGINT, as shells report it

_FILE_ERRORS = {
    errno.ENOSPC: "disk full; free some space and run the same command again",
    errno.EDQUOT: "disk full; free some space and run the same command again",
    errno.EFBIG: "disk full; free some space and run the same command again",
    errno.EROFS: "this file system is read-only; choose a place that can be written",
    errno.ENAMETOOLONG: "this name is too long for the file system; choose a shorter one",
    errno.EEXIST: "is there already and is no folder; choose another name",
    errno.ELOOP: "a loop of symbolic links; choose another name",
    errno.EIO: "the disk or the network failed; run the same command again",
}
"""What is said of the errors of a file system that a user can mend, and that have no exception of their own."""

_TENSORFLOW_FILE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENAMETOOLONG)
_MAX_NAME = 80  # characters of a file's name in a message; a name that is too long has thousands


class UsageError(InputError):
    """The command line is wrong in a way that argparse cannot see, such as two flags that exclude each other."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, with no usage text before it."""

    def error(self, message: str) -> None:
        self.exit(STATUS_BAD_INPUT, f"{self.prog}: {message} (see --help)\n")


_notes: list[str] = []  # on the command line, that were not printed yet


class Several(argparse.Action):
    """A flag that takes one value or more: those of the last one count, as with other flags.

    A note says so once the command line has turned out to be right (`say_notes`).
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._given = False
        _notes.clear()  # of another command line

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        """Take the values."""
        if self._given:
            how = "the last one counts; give all of its values at once"
            _notes.append(f"note: {option} is given twice: {how}")
        self._given = True
        setattr(namespace, self.dest, values)


def say_notes() -> None:
    """Print the notes on the command line, each once."""
    while _notes:
        print(_notes.pop(0), file=sys.stderr)


def run(main: Callable[[], int | None], name: str | None = None) -> None:
    """Run `main` and exit with its status; an error that the user can mend becomes one line and status 2.

    Args:
        main: What to run. It returns the exit status; None is 0.
        name: The program's name at the start of an error's line; None takes the file name of the script that runs.
    """
    name = name or os.path.basename(sys.argv[0])  # noqa: PTH119
    if sys.stdin is None:  # closed, as by some daemons; the next file that is opened would take its place
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  for the whole process
    try:
        status = main() or 0
        say_notes()
    except (InputError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        status = _fail(name, _in_words(error))
    except ImportError as error:
        if not _missing(error):
            raise
        status = _fail(name, _missing(error))
    except KeyboardInterrupt as interrupt:
        print(f"\n{str(interrupt) or 'interrupted'}", file=sys.stderr)
        status = getattr(interrupt, "status", STATUS_INTERRUPTED)
    except BrokenPipeError:  # the reader of standard output, e.g. `head`, has gone
        sys.stdout = None
        status = 0
    except Exception as error:
        message = _file_error(error) or _memory_error(error)
        if message is None:
            raise
        status = _fail(name, message)
    _notes.clear()
    sys.exit(status)


def start_tensorflow() -> None:
    """Import TensorFlow and Tensorpack with standard error closed, as both print lines there that no user needs.

    An error's one line would stand under them otherwise. Tensorpack's own log stays in the run's log.log. What XLA
    compiles is kept for the next process (`tienet.compiled`). Nothing here uses Keras, but Tensorpack asks for it, and
    that fails where an older Keras is wanted that is not installed.
    """
    compiled.keep()
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow  # noqa: F401
        from tensorpack.utils import logger

        logger._logger.handlers[0].setLevel(logging.CRITICAL)  # the handler of the console
        logger._logger.addFilter(_mend_record)
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _mend_record(record: logging.LogRecord) -> bool:
    """Tensorpack logs a failed training with an argument for which its message has no placeholder; append it."""
    if record.args and "%" not in str(record.msg):
        record.msg, record.args = f"{record.msg} {record.args}", ()
    return True


def _fail(name: str, message: str) -> int:
    print(f"{name}: {message}", file=sys.stderr)
    return STATUS_BAD_INPUT


def _file_error(error: Exception) -> str | None:
    """One line for an error of `_FILE_ERRORS`, Python's own or TensorFlow's; None for any other error.

    TensorFlow gives the system's words in its message, and neither a number nor reliably a file.
    """
    where = "the output"
    if isinstance(error, OSError):
        number = error.errno
        where = str(error.filename2 or error.filename or where)
    elif any(kind.__module__.startswith("tensorflow.") for kind in type(error).__mro__):
        number = next((number for number in _TENSORFLOW_FILE_ERRORS if os.strerror(number) in str(error)), None)
    else:
        return None
    if number not in _FILE_ERRORS:
        return None
    if number == errno.ENAMETOOLONG and len(where) > _MAX_NAME:
        where = f"{where[: _MAX_NAME // 2]}...{where[-_MAX_NAME // 2 :]}"
    return f"{where}: {_FILE_ERRORS[number]}"


def _memory_error(error: Exception) -> str | None:
    """One line where the memory of the computer or of a GPU was too little, for which a command has no words itself."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "out of memory; end other programs that use it, or use a computer or a GPU with more"
    return None


def _in_words(error: Exception) -> str:
    """The message of an error, for one that Python made itself the file and the system's words, without its number."""
    if not isinstance(error, OSError) or error.errno is None or error.filename is None:
        return str(error)
    path = str(error.filename2 or error.filename)
    if isinstance(error, FileNotFoundError) and os.path.islink(path):  # noqa: PTH114
        return f"{path}: a link to {os.readlink(path)}, which is not there; choose another name, or mend the link"  # noqa: PTH115
    return f"{path}: {os.strerror(error.errno)}"


def _missing(error: ImportError) -> str | None:
    """What to install, where a missing package or library is why an import failed; None for other failures."""
    if error.name == "tensorflow":
        return "TensorFlow is not installed; pip install -e '.[cpu]' (or '.[gpu]' with an NVIDIA GPU)"
    if "libGL" in str(error) or "libgthread" in str(error):
        return f"OpenCV cannot start ({error}); on Debian or Ubuntu: apt-get install libgl1 libglib2.0-0"
    if isinstance(error, ModuleNotFoundError):
        return f"{error}; pip install -e '.[cpu]' installs what TieNet needs"
    return None
