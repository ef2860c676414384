"""Which GPUs a run takes."""

import os
import shutil
import subprocess
import sys
from functools import cache

from tienet.errors import InputError


def choose_devices(text: str) -> list[int]:
    """`--gpu`: "cpu", or GPU numbers such as "0,1"; they are made the only ones that TensorFlow sees.

    Raises:
        InputError: not such a list, or a number that is not there while other GPUs are.
    """
    if text == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        return []
    try:
        gpus = [int(part) for part in text.split(",")]
    except ValueError:
        gpus = [-1]
    if min(gpus) < 0 or len(set(gpus)) < len(gpus):
        raise InputError(f"--gpu {text}: expected cpu, or GPU numbers such as 0 or 0,1,2,3")
    there = count()
    if not there:
        print(f"note: no GPU here; --gpu {text} runs on the CPU", file=sys.stderr)
        return gpus
    if missing := sorted(set(gpus) - set(range(there))):
        raise InputError(f"--gpu {text}: there is no GPU {missing[0]}; there are {','.join(map(str, range(there)))}")
    os.environ["CUDA_VISIBLE_DEVICES"] = text
    return gpus


def count() -> int:
    """How many GPUs the driver shows; asked without TensorFlow, which would take all of them."""
    if not shutil.which("nvidia-smi"):
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


@cache
def gpu_computes() -> bool:
    """Whether there is a GPU that this process may use."""
    return count() > 0 and os.environ.get("CUDA_VISIBLE_DEVICES") != "-1"


@cache
def cores() -> int:
    """How many CPU cores this process may use, 8 at most."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # Linux only
    return min(allowed, 8)
