"""Paths of checkpoints as TensorFlow can be given them to read.

TensorFlow writes a checkpoint to its prefix as it stands, but where it reads one it first looks for files that match
the prefix as a pattern. It finds none if the path has one of the characters * ? [ and \\, and escaping these does not
help, because the same string is then opened as it stands.
"""

import contextlib
import glob
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SPECIAL = frozenset("*?[\\")
_CHECKPOINT = "checkpoint"


@contextlib.contextmanager
def readable_prefix(prefix: Path) -> Iterator[str]:
    """The prefix of a checkpoint for TensorFlow's readers, valid in the block.

    It is `prefix` itself, or, if TensorFlow would take that for a pattern, the prefix of links to the checkpoint's
    files in a temporary folder.
    """
    if not is_pattern(prefix):
        yield str(prefix)
        return
    with tempfile.TemporaryDirectory(prefix="tienet-", dir=_temporary_root()) as folder:
        for path in prefix.parent.absolute().glob(f"{glob.escape(prefix.name)}.*"):
            Path(folder, _CHECKPOINT + path.name.removeprefix(prefix.name)).symlink_to(path)
        yield str(Path(folder, _CHECKPOINT))


def is_pattern(path: Path | str) -> bool:
    """Whether TensorFlow takes the path for a pattern where it reads."""
    return not _SPECIAL.isdisjoint(str(path))


def _temporary_root() -> str | None:
    """The folder of the temporary one; batch systems name a job's own like the job, such as 4711[2]."""
    return "/tmp" if is_pattern(tempfile.gettempdir()) else None
