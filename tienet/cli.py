"""What every script shares: errors as one line, Ctrl-C, and the exit status."""

import argparse
import errno
import logging
import os
import sys
from collections.abc import Callable

from tienet.errors import InputError

STATUS_BAD_INPUT = 2
STATUS_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, with no usage text before it."""

    def error(self, message: str) -> None:
        self.exit(STATUS_BAD_INPUT, f"{self.prog}: {message} (see --help)\n")


def run(main: Callable[[], int | None]) -> None:
    """Run a script's `main` and exit; what a user can mend becomes a line on standard error and status 2."""
    try:
        status = main() or 0
    except (InputError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        status = _fail(str(error))
    except ImportError as error:
        if not _missing(error):
            raise
        status = _fail(_missing(error))
    except KeyboardInterrupt as interrupt:
        print(f"\n{str(interrupt) or 'interrupted'}", file=sys.stderr)
        status = getattr(interrupt, "status", STATUS_INTERRUPTED)
    except BrokenPipeError:  # the reader, e.g. `head`, went away
        sys.stdout = None
        status = 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        status = _fail(f"{error.filename or 'the output'}: disk full; free some space and run the same command again")
    sys.exit(status)


def start_tensorflow() -> None:
    """Import TensorFlow and Tensorpack without the notes that they print: our one line should not stand under them.

    Tensorpack's own log stays in the run's log.log.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow  # noqa: F401
        from tensorpack.utils import logger

        logger._logger.handlers[0].setLevel(logging.CRITICAL)  # the console
        logger._logger.addFilter(_mend)
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _mend(record: logging.LogRecord) -> bool:
    """Tensorpack logs a failed training with an argument that its text has no place for."""
    if record.args and "%" not in str(record.msg):
        record.msg, record.args = f"{record.msg} {record.args}", ()
    return True


def _fail(message: str) -> int:
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)  # noqa: PTH119
    return STATUS_BAD_INPUT


def _missing(error: ImportError) -> str | None:
    """What to install, where that is why an import failed."""
    if error.name == "tensorflow":
        return "TensorFlow is not installed; pip install -e '.[cpu]' (or '.[gpu]' with an NVIDIA GPU)"
    if "libGL" in str(error) or "libgthread" in str(error):
        return f"OpenCV cannot start ({error}); on Debian or Ubuntu: apt-get install libgl1 libglib2.0-0"
    if isinstance(error, ModuleNotFoundError):
        return f"{error}; pip install -e '.[cpu]' installs what TieNet needs"
    return None
