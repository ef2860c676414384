"""The flags of eval.py: what does not go together is one line and exit status 2, before TensorFlow is started."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam", "3"], "width is a setting of --decode beam"),
        (["--decode", "beam", "--temperature", "2"], "temperature is a setting of --decode sample"),
        (["--decode", "sample", "--length-norm", "0"], "length_norm is a setting of --decode beam"),
        (["--load", "a", "b"], "--out is missing"),
        (["--data", "x", "y"], "--out is missing"),
    ],
)
def test_flags_that_do_not_go_together(flags, message):
    command = [sys.executable, "eval.py", "--load", "runs/none", "--data", "none", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
