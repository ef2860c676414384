"""`python -m tienet` is `tienet`."""

import subprocess
import sys

from tests.conftest import ROOT


def test_a_mistake_is_one_line_with_status_2():
    command = [sys.executable, "-m", "tienet", "evaluate", "--load", "a", "b", "--data", "c"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("tienet evaluate: --out is missing") and done.stderr.count("\n") == 1
