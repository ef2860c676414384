"""Too little memory in a training: one line that says at what and with how many studies, and how validation pads."""

import numpy as np
import pytest
import tensorflow as tf

from tienet.data.dataflow import Studies
from tienet.errors import InputError
from tienet.training import memory, validation

NO_MEMORY = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[60000,512]\nmore")


def fail(*_: object, **__: object) -> None:
    raise NO_MEMORY


@pytest.mark.parametrize("error", [NO_MEMORY, MemoryError("Unable to allocate 90 GiB")])
def test_a_lack_of_memory_is_one_line(error):
    with pytest.raises(InputError) as raised, memory.told("in validation", 1, "give less"):
        raise error
    assert str(raised.value) == "out of memory in validation, with 1 study at a time; give less"
    assert raised.value.__suppress_context__


def test_other_errors_stay_what_they_are():
    for error in (KeyError("x"), tf.errors.InvalidArgumentError(None, None, "x"), InputError("x")):
        with pytest.raises(type(error)), memory.told("in validation", 2, "give less"):
            raise error


def test_in_validation(last_line, monkeypatch):
    monkeypatch.setattr(validation, "predict_all", fail)
    told = "out of memory in validation, with 16 studies at a time; train anew with a smaller --batch"
    assert last_line().startswith(f"tienet train: {told}")


def test_in_an_update(last_line, monkeypatch):
    monkeypatch.setattr(tf.compat.v1.train.MonitoredSession, "run", fail)
    told = "out of memory at step 1, with 16 studies at a time; run again with --resume and a smaller --tower-batch"
    assert last_line().startswith(f"tienet train: {told}")


def test_in_the_thread_that_reads(last_line, monkeypatch):
    def read(self: Studies, indices: np.ndarray, step: int | None = None) -> list[np.ndarray]:
        raise MemoryError

    monkeypatch.setattr(Studies, "batch", read)
    assert last_line().startswith("tienet train: out of memory reading studies, with 16 studies at a time; ")
