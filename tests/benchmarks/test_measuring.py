"""The measures of time and memory."""

import subprocess
import sys

import numpy as np

from benchmarks import measuring
from tests.conftest import ROOT


def test_the_peak_is_this_processs_own():
    code = "from benchmarks.measuring import peak_memory; print(peak_memory())"
    ballast = np.ones(50_000_000)  # 400 MB here are not the child's
    child = int(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout)
    assert child < 200e6 < measuring.peak_memory()
    assert ballast.all()


def test_repeat_goes_on_until_both_limits_are_met():
    calls = []
    assert len(measuring.repeat(lambda: calls.append(1), least=3, warm_up=2)) == 3
    assert len(calls) == 5
    assert sum(measuring.repeat(lambda: None, least=1, warm_up=0, least_seconds=0.01)) >= 0.01
