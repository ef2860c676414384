"""What the network is divided by: whether a GPU computes, and how many cores there are."""

import os

import pytest

from tienet import devices


@pytest.fixture(autouse=True)
def no_memory():
    for known in (devices.cores, devices.gpu_computes):
        known.cache_clear()
    yield
    for known in (devices.cores, devices.gpu_computes):
        known.cache_clear()


@pytest.mark.parametrize(
    ("gpus", "visible", "expected"), [(0, None, False), (2, None, True), (2, "0,1", True), (2, "-1", False)]
)
def test_whether_a_gpu_computes(monkeypatch, gpus, visible, expected):
    monkeypatch.setattr(devices, "count", lambda: gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.gpu_computes() == expected


@pytest.mark.parametrize(("allowed", "expected"), [(3, 3), (64, 8)])
def test_cores(monkeypatch, allowed, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    assert devices.cores() == expected


def test_cores_where_a_process_cannot_be_held_to_some(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert devices.cores() == 4
