"""`tienet evaluate`: flags that do not go together are one line and exit status 2, before TensorFlow is started."""

import pytest

from tests.command_line import tienet
from tienet import cli


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam", "3"], "width is a setting of --decode beam"),
        (["--decode", "beam", "--temperature", "2"], "temperature is a setting of --decode sample"),
        (["--decode", "sample", "--length-norm", "0"], "length_norm is a setting of --decode beam"),
        (["--candidates", "3"], "candidates is a setting of --decode consistent"),
        (["--decode", "sample", "--judge", "a"], "judge is a setting of --decode consistent"),
        (["--decode", "beam", "--no-repeat", "3"], "no_repeat is a setting of --decode greedy or sample or consistent"),
        (["--load", "a", "b"], "--out is missing"),
        (["--data", "x", "y"], "--out is missing"),
    ],
)
def test_flags_that_do_not_go_together(flags, message, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    assert tienet("evaluate", "--load", "runs/none", "--data", "none", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tienet evaluate: ") and message in line
