"""What a script shows when something is wrong."""

import errno

import pytest

from tienet import cli
from tienet.errors import InputError


def status_of(main) -> int:
    with pytest.raises(SystemExit) as exit_:
        cli.run(main)
    return exit_.value.code


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (InputError("label 2 in row 3"), 2, "label 2 in row 3"),
        (FileNotFoundError("no x.csv"), 2, "no x.csv"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "a/b: disk full"),
        (OSError(errno.EFBIG, "File too large", "a/b"), 2, "a/b: disk full"),
        (ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow"), 2, ".[cpu]"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_a_user_can_mend_is_one_line(capsys, error, status, shown):
    assert status_of(raising(error)) == status
    err = capsys.readouterr().err.strip()
    assert shown in err
    assert "\n" not in err
    assert "Traceback" not in err


def test_the_line_starts_with_the_programs_name(capsys):
    for name, start in (("tienet train", "tienet train: no x"), (None, "train.py: no x")):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr("sys.argv", ["some/where/train.py", "--epochs", "2"])
            cli.run(raising(InputError("no x")), name)
        assert capsys.readouterr().err == f"{start}\n"


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(raising(ZeroDivisionError()))


def test_a_wrong_flag_is_one_line(capsys):
    parser = cli.Parser(prog="train.py")
    parser.add_argument("--batch", type=int)
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(["--batch", "many"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
