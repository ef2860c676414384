"""How many cores the attention is shared by."""

import os

import pytest

from tienet import devices


@pytest.fixture(autouse=True)
def no_memory():
    devices.cores.cache_clear()
    yield
    devices.cores.cache_clear()


@pytest.mark.parametrize(
    ("gpus", "visible", "allowed", "expected"),
    [(0, None, 3, 3), (0, None, 64, 8), (2, "0,1", 16, 1), (2, "-1", 16, 8)],
)
def test_cores(monkeypatch, gpus, visible, allowed, expected):
    monkeypatch.setattr(devices, "count", lambda: gpus)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.cores() == expected


def test_cores_where_a_process_cannot_be_held_to_some(monkeypatch):
    monkeypatch.setattr(devices, "count", lambda: 0)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert devices.cores() == 4
