"""`tienet evaluate`: flags that do not go together are one line and exit status 2, before TensorFlow is started."""

import pytest

from tests.command_line import tienet
from tienet import cli
from tienet.commands.evaluate import options_of
from tienet.commands.main import top_parser
from tienet.modeling.decoding import Decoding


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam", "3"], "width is a setting of --decode beam"),
        (["--decode", "beam", "--temperature", "2"], "temperature is a setting of --decode sample"),
        (["--decode", "sample", "--length-norm", "0"], "length_norm is a setting of --decode beam"),
        (["--candidates", "3"], "candidates is a setting of --decode consistent"),
        (["--decode", "sample", "--judge", "a"], "judge is a setting of --decode consistent"),
        (["--decode", "beam", "--no-repeat", "3"], "no_repeat is a setting of --decode greedy or sample or consistent"),
        (
            ["--decode", "sample", "--findings-penalty", "3"],
            "findings_penalty is a setting of --decode greedy or consistent",
        ),
        (["--load", "a", "b"], "--out is missing"),
        (["--data", "x", "y"], "--out is missing"),
    ],
)
def test_flags_that_do_not_go_together(flags, message, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    assert tienet("evaluate", "--load", "runs/none", "--data", "none", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tienet evaluate: ") and message in line


def test_the_flags_of_writing_are_what_the_reports_are_written_by():
    words = ["evaluate", "--load", "r", "--data", "d", "--findings-penalty", "3", "--max-written", "9"]
    assert options_of(top_parser(whole=True).parse_args(words)).decoding == Decoding(max_words=9, findings_penalty=3.0)
    words += ["--decode", "consistent", "--reader", "a", "b", "--judge", "c", "--judge", "d", "e"]
    options = options_of(top_parser(whole=True).parse_args(words))
    assert (options.reader, options.judge) == (("a", "b"), ("d", "e"))
