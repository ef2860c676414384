"""A compiled function takes what the LSTM gives it: tensors, tuples of them, and None."""

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tests.conftest import ROOT, XLA_BY_DEFAULT
from tienet.modeling.lstm.xla import compiled


class Pair(NamedTuple):
    w: tf.Tensor
    b: tf.Tensor | None = None


def test_a_compiled_function_equals_the_plain_one(evaluate, random):
    def function(x, pair, n):
        y = x @ pair.w
        return {"y": y if pair.b is None else y + pair.b, "n": tf.range(3) < n}

    x, w, b = (tf.constant(random.random(shape, np.float32)) for shape in ((4, 3), (3, 2), (2,)))
    for pair in (Pair(w), Pair(w, b)):
        plain, ours = evaluate([function(x, pair, 2), compiled(function)(x, pair, 2)])
        np.testing.assert_allclose(ours["y"], plain["y"], rtol=1e-6)
        np.testing.assert_array_equal(ours["n"], plain["n"])


def test_the_loop_and_its_gradient_are_right_as_xla_compiles_for_users():
    """The tests compile with less optimization (tests/conftest.py); the largest case runs once more as by default."""
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "tests/modeling/lstm/test_loop.py"]
    command += ["-k", "True-21 or no_images"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **XLA_BY_DEFAULT}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
