"""The GPUs and the CPU cores that this process uses."""

import os
import shutil
import subprocess
import sys
from functools import cache

from tienet.errors import InputError

MAX_CORES = 8
"""The largest number of CPU cores that are used."""


def choose_devices(text: str) -> list[int]:
    """Parse `--gpu`, and hide all other GPUs from TensorFlow.

    Args:
        text: "cpu", or the numbers of GPUs, such as "0,1".
    Returns:
        The numbers of the GPUs; empty for the CPU. On a machine without a GPU the numbers are returned as well, and a
        note says that the CPU is used.
    Raises:
        InputError: The text is not such a list, or there are GPUs, but not all of these.
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
    available = count()
    if not available:
        print(f"note: no GPU here; --gpu {text} runs on the CPU", file=sys.stderr)
        return gpus
    if missing := sorted(set(gpus) - set(range(available))):
        raise InputError(
            f"--gpu {text}: there is no GPU {missing[0]}; there are {','.join(map(str, range(available)))}"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = text
    return gpus


def count() -> int:
    """The number of GPUs that the driver shows, found without TensorFlow, which would reserve all of them."""
    if not shutil.which("nvidia-smi"):
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


@cache
def gpu_computes() -> bool:
    """Whether this process may compute on a GPU."""
    return count() > 0 and os.environ.get("CUDA_VISIBLE_DEVICES") != "-1"


@cache
def cores() -> int:
    """The number of CPU cores that this process may use, at most MAX_CORES."""
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )  # sched_getaffinity exists on Linux only
    return min(allowed, MAX_CORES)
