"""The CPU cores that this process may use."""

import math
import os
from functools import cache
from pathlib import Path

MAX_CORES = 8
"""The largest number of CPU cores that work is divided for; TensorFlow may start more threads."""

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


@cache
def cores() -> int:
    """The number of CPU cores that this process may use, at most MAX_CORES."""
    return min(usable_cores(), MAX_CORES)


def usable_cores() -> int:
    """The number of CPU cores that this process is held to, or the share that its container has of them if it is less.

    A share of 1.5 cores counts as 2.
    """
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )  # sched_getaffinity exists on Linux only
    return max(math.ceil(min([allowed, *_quotas()])), 1)


def _quotas() -> list[float]:
    """The limits on this process's CPU time in cores, of its control groups and of those that they are in."""
    try:
        groups = [line.split(":", 2) for line in _OWN_CGROUPS.read_text().splitlines()]
    except OSError:  # not on Linux
        return []
    quotas = []
    for _, controllers, path in groups:
        if not controllers:  # version 2, which has one group for everything
            mount, files = _CGROUPS, ("cpu.max",)
        elif "cpu" in controllers.split(","):
            mount, files = _CGROUPS / controllers, ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            mount = mount if mount.exists() else _CGROUPS / "cpu"
        else:
            continue
        group = Path(path.lstrip("/"))
        # A container's own view has its group at the root, whatever the path says; a path that is not there is passed.
        quotas += [_quota([mount / folder / file for file in files]) for folder in (group, *group.parents)]
    return [quota for quota in quotas if quota]


def _quota(files: list[Path]) -> float | None:
    """The microseconds of CPU time over those of the period, from files that hold both; None if there is no limit."""
    try:
        limit, period = " ".join(file.read_text() for file in files).split()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return None
