"""How many cores a process may use."""

import os

import pytest

from tienet import cpu


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing is remembered from other tests, and no container limits the cores."""
    cpu.cores.cache_clear()
    monkeypatch.setattr(cpu, "_OWN_CGROUPS", tmp_path / "no cgroup")
    yield
    cpu.cores.cache_clear()


@pytest.mark.parametrize(("allowed", "expected"), [(3, 3), (64, 8)])
def test_cores(monkeypatch, allowed, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    assert cpu.cores() == expected


def test_cores_where_a_process_cannot_be_held_to_some(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert cpu.cores() == 4


V1 = "4:memory:/a/b\n3:cpu,cpuacct:/a/b\n1:name=systemd:/a/b\n0::/a/b\n"
V2 = "0::/a/b\n"


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        (V2, {"a/b/cpu.max": "max 100000"}, 6),
        (V2, {"a/b/cpu.max": "200000 100000"}, 2),
        (V2, {"a/b/cpu.max": "150000 100000"}, 2),
        (V2, {"a/b/cpu.max": "50000 100000"}, 1),
        (V2, {"a/b/cpu.max": "900000 100000"}, 6),
        (V2, {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
        (V2, {"cpu.max": "400000 100000"}, 4),  # in a container, which sees its own group at the root
        ("0::/\n", {"cpu.max": "400000 100000"}, 4),
        (V1, {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000"}, 6),
        (V1, {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "250000", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "20000", "cpu,cpuacct/cpu.cfs_period_us": "10000"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "20000", "cpu/cpu.cfs_period_us": "10000"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "20000"}, 6),
        (V1, {}, 6),
    ],
)
def test_the_quota_of_a_container_limits_the_cores(monkeypatch, tmp_path, own, limits, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    for name, text in {"own": own, **{f"cgroup/{name}": f"{text}\n" for name, text in limits.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(cpu, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(cpu, "_CGROUPS", tmp_path / "cgroup")
    assert cpu.cores() == expected
