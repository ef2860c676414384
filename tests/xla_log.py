"""Programs that log what XLA compiles."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_COMPILED = re.compile(r"Compiled __inference_(\w+?)_\d+ (\d+) times")


def run(program: Path, *arguments: object) -> str:
    """Run a Python program that keeps nothing of what it compiles; gives its log."""
    log = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "device_compilation_profiler=1"}
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "modeling")])}
    environment = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"} | log | path
    command = [sys.executable, program, *arguments]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stderr


def compiled(log: str) -> list[tuple[str, int]]:
    """The functions that were compiled, each with how many times it had been by then."""
    return [(name, int(times)) for name, times in _COMPILED.findall(log)]
