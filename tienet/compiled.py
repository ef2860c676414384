"""What XLA has compiled, kept for the next process: the loops over the words take seconds to compile in each run.

TensorFlow writes a file for each function that it compiles, and takes such a file for good: a damaged one ends the
run. So a list beside them has the sha256 of each, and before TensorFlow starts all files that do not have theirs are
deleted. They are then compiled again.
"""

import atexit
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

from tienet import cpu, files

VARIABLE = "TIENET_XLA_CACHE"
"""The environment variable that names another folder than the user's cache folder; `off` keeps nothing."""

MAX_BYTES = 500_000_000
"""When the files of one machine and TensorFlow have more bytes, the oldest are deleted."""

_FLAGS = "TF_XLA_FLAGS"
_DIRECTORY = "--tf_xla_persistent_cache_directory"
_SUMS = "sums.json"
_PACKAGES = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly", "tf-nightly-cpu")


def keep() -> Path | None:
    """Let TensorFlow, which must not have been imported yet, keep what it compiles, and use what was kept.

    Returns:
        The folder; None where nothing is kept: `VARIABLE` is off, TF_XLA_FLAGS names a folder of its own, or no file
        can be written.
    """
    root, flags = _root(), os.environ.get(_FLAGS, "")
    if root is None or _DIRECTORY in flags:
        return None
    folder = root / machine_key()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tidy(folder)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    os.environ[_FLAGS] = f"{flags} {_DIRECTORY}={folder}".strip()
    atexit.register(_record_quietly, folder)
    return folder


def machine_key() -> str:
    """What compiled code depends on besides the function: TensorFlow's version, processor, GPUs, and XLA's flags."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    flags = [os.environ.get(name, "") for name in ("XLA_FLAGS", _FLAGS)]
    facts = [versions, platform.machine(), _processor(), cpu.cores(), _gpus(), flags]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def tidy(folder: Path) -> None:
    """Delete the files that are not in the list of `record` as they are, and the oldest ones beyond `MAX_BYTES`.

    The list then names what is left.
    """
    sums = _sums(folder)
    kept = []
    for path in folder.glob("*.pb"):
        if sums.get(path.name) == _sum(path):
            kept.append(path)
        else:
            path.unlink(missing_ok=True)
    kept.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    sizes = itertools.accumulate(path.stat().st_size for path in kept)
    for path, total in list(zip(kept, sizes, strict=True)):
        if total > MAX_BYTES:
            kept.remove(path)
            path.unlink(missing_ok=True)
    if sums.keys() != (left := {path.name for path in kept}):  # what is compiled again may have other bytes
        files.write_json(folder / _SUMS, {name: sums[name] for name in sorted(left)})


def record(folder: Path) -> None:
    """Add the files that are new in a folder to its list."""
    known = _sums(folder)
    sums = {path.name: known.get(path.name) or _sum(path) for path in folder.glob("*.pb")}
    if sums != known:
        files.write_json(folder / _SUMS, sums)


def _record_quietly(folder: Path) -> None:
    """`record` at the end of a process; without it the files are compiled again, which needs no word."""
    try:
        record(folder)
    except OSError:
        return


def _root() -> Path | None:
    """The folder of all machines' files; None if nothing is to be kept."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return None if given.strip().lower() in ("", "off", "0") else Path(given)
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return None
    return base / "tienet" / "xla"


def _sums(folder: Path) -> dict[str, str]:
    try:
        sums = json.loads((folder / _SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return sums if isinstance(sums, dict) else {}


def _sum(path: Path) -> str | None:
    """The sha256 of a file; None if it is gone."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _processor() -> str:
    """The processor's model and what it can do: code for one processor may not run on another one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:  # not on Linux
        return platform.processor()
    facts = dict(line.partition(":")[::2] for line in lines)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    return " ".join(facts.get(name, "") for name in ("model name", "model", "flags", "Features"))


def _gpus() -> str:
    """The GPUs of this machine and their driver, as nvidia-smi lists them; empty if they are hidden or not there."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "-1" or not shutil.which("nvidia-smi"):
        return ""
    query = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout
