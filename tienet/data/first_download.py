"""The size and the sha256 of a file at its first good download, with which it is compared ever after.

They are kept beside the file, as NAME.json, also where the file itself is removed.
"""

from pathlib import Path

from tienet import files
from tienet.data import download
from tienet.errors import InputError


def is_known(path: Path) -> bool:
    """Whether size and sha256 of a file are kept."""
    return _record_of(path).exists()


def sha256_of(path: Path) -> str:
    """The sha256 that is kept of a file."""
    return _read(path)["sha256"]


def compare_size(what: str, size: int, path: Path) -> None:
    """Raise InputError if a size is not that of the file's first download; without one, any will do.

    Args:
        what: Whose size it is, such as an address, for the message.
        size: In bytes.
        path: The file whose record counts.
    """
    if is_known(path) and size != _read(path)["bytes"]:
        raise _differs(what, f"{size:,} bytes", f"{_read(path)['bytes']:,} bytes", path)


def compare(what: str, there: Path, path: Path) -> str:
    """Compare a file with the first download, or keep its size and sha256 if it is the first; returns its sha256.

    Args:
        what: What it is, such as an address or its path, for the message.
        there: Where it lies now.
        path: The file whose record counts.
    Raises:
        InputError: It is another file.
    """
    size, sha256 = there.stat().st_size, download.digest_of(there, "sha256")
    compare_size(what, size, path)
    if not is_known(path):
        files.write_json(_record_of(path), {"from": what, "bytes": size, "sha256": sha256})
    elif sha256 != sha256_of(path):
        raise _differs(what, f"sha256 {sha256}", f"sha256 {sha256_of(path)}", path)
    return sha256


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read(path: Path) -> dict:
    record = files.read_json(_record_of(path))
    if not isinstance(record, dict) or not {"bytes", "sha256"} <= record.keys():
        raise InputError(f"{_record_of(path)}: not the size and sha256 of {path.name}; remove it")
    return record


def _differs(what: str, found: str, expected: str, path: Path) -> InputError:
    return InputError(
        f"{what}: {found}, but {expected} at the first download: damaged, or another version; remove {path} if it is "
        f"there to download it again, and {_record_of(path)} too to take another version"
    )
