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


def of_tensorflow(message: str) -> Exception:
    """An error as TensorFlow raises it; its real ones take seconds to import."""
    return type("OpError", (Exception,), {"__module__": "tensorflow.python.framework.errors_impl"})(message)


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (InputError("label 2 in row 3"), 2, "label 2 in row 3"),
        (FileNotFoundError("no x.csv"), 2, "no x.csv"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "a/b: disk full"),
        (OSError(errno.EFBIG, "File too large", "a/b"), 2, "a/b: disk full"),
        (OSError(errno.EROFS, "Read-only file system", "a/b"), 2, "a/b: this file system is read-only"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 264), 2, "aaa: this name is too long"),
        (FileExistsError(errno.EEXIST, "File exists", "a/b"), 2, "a/b: is there already and is no folder"),
        (OSError(errno.EIO, "Input/output error", "a/b"), 2, "a/b: the disk or the network failed"),
        (OSError(errno.ENOSPC, "No space left on device", "a/.b.tmp", None, "a/b"), 2, "a/b: disk full"),
        (of_tensorflow("RESOURCE_EXHAUSTED: a/b; No space left on device"), 2, "the output: disk full"),
        (of_tensorflow("OUT_OF_RANGE: a/b; File too large"), 2, "the output: disk full"),
        (
            of_tensorflow("PERMISSION_DENIED: a/b; Read-only file system"),
            2,
            "the output: this file system is read-only",
        ),
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


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), OSError(errno.EBADF, "Bad file descriptor"), of_tensorflow("Incompatible shapes")]
)
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        cli.run(raising(error))


def test_a_name_that_is_too_long_is_shortened(capsys):
    status_of(raising(OSError(errno.ENAMETOOLONG, "File name too long", "a" * 4000)))
    assert len(capsys.readouterr().err) < 200


def test_a_wrong_flag_is_one_line(capsys):
    parser = cli.Parser(prog="train.py")
    parser.add_argument("--batch", type=int)
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(["--batch", "many"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
