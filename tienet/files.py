"""Writing files so that each is either the old one or the new one as a whole, also after a kill; names of files."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePath

from tienet.errors import InputError


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, which replaces `path` when the block ends, and is removed if the block raises."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_beside(path)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def check_writable(path: Path | str) -> None:
    """Try whether `replacing` can write `path`, before the work of minutes; nothing is left of it.

    Raises:
        InputError: `path` is a folder, or lies where no file or folder can be made.
        OSError: The folder cannot be written, for a reason that `cli` has words for.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected the name of a file")
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _touch_beside(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: cannot be written to ({error.strerror}); choose another place") from None
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _touch_beside(path: Path) -> None:
    temporary = _temporary_beside(path)
    try:
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # the user's own name, not the temporary one


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text to `path`, as a whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: object) -> None:
    """Write `value` as indented JSON, as a whole or not at all.

    Raises:
        ValueError: The value contains NaN or an infinity; use None, which is null in JSON.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str) -> object:
    """The value in a JSON file.

    Raises:
        InputError: The file is not JSON; the message says where, if that is known.
    """
    try:
        return json.loads(Path(path).read_bytes().decode("utf-8"))
    except json.JSONDecodeError as error:
        why = f"line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError:
        why = "not UTF-8 text"
    except RecursionError:
        why = "nested too deeply"
    except ValueError:  # of the number of digits, which Python limits
        why = "a number of too many digits"
    raise InputError(f"{path}: not a JSON file ({why})")


def is_hidden(name: PurePath | str) -> bool:
    """Whether the name of a file, or a folder in its path, starts with a dot, as macOS's `._1.png` and `.DS_Store` do.

    No command takes a hidden file as input. Of a path pass what is below the user's folder, which may be hidden itself.
    """
    return any(part.startswith(".") and part != ".." for part in PurePath(name).parts)


def printable(name: PurePath | str) -> str:
    """A file's name as UTF-8 text; bytes of it that are not UTF-8 are written as \\xf6."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_utf8(name: PurePath | str) -> bool:
    """Whether a file's name is UTF-8, so that it can be written into a table."""
    return printable(name) == str(name)
