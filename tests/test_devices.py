"""Which GPUs are used, whether a GPU computes, and how many cores there are."""

import os

import pytest

from tienet import devices
from tienet.errors import InputError


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


@pytest.mark.parametrize("text", ["x", "0,0", "-1", ""])
def test_a_wrong_gpu_list_is_refused(text):
    with pytest.raises(InputError, match="expected cpu, or GPU numbers"):
        devices.choose_devices(text)


def test_the_cpu_hides_all_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices.choose_devices("cpu") == []
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_gpus_that_are_there_are_the_only_visible_ones(monkeypatch):
    monkeypatch.setattr(devices, "count", lambda: 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices.choose_devices("1,3") == [1, 3]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,3"
    with pytest.raises(InputError, match="--gpu 2,4: there is no GPU 4; there are 0,1,2,3"):
        devices.choose_devices("2,4")


def test_without_a_gpu_the_numbers_are_towers_on_the_cpu(monkeypatch, capsys):
    monkeypatch.setattr(devices, "count", lambda: 0)
    assert devices.choose_devices("0,1") == [0, 1]
    assert capsys.readouterr().err == "note: no GPU here; --gpu 0,1 runs on the CPU\n"
