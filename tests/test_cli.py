"""What a script shows when something is wrong."""

import errno
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
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
        (MemoryError(), 2, "out of memory; end other programs"),
        (
            type("ResourceExhaustedError", (Exception,), {})("OOM when allocating"),
            2,
            "out of memory; end other programs",
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


def test_a_link_to_nowhere_and_other_errors_of_files_are_said_in_words(tmp_path, capsys):
    link = tmp_path / "table.csv"
    link.symlink_to("/nowhere/x.csv")

    def read():
        link.read_text()

    assert status_of(read) == 2
    said = f"{link}: a link to /nowhere/x.csv, which is not there; choose another name, or mend the link"
    assert said in capsys.readouterr().err
    assert status_of(lambda: (tmp_path / "none.csv").read_text()) == 2
    assert f"{tmp_path / 'none.csv'}: No such file or directory\n" in capsys.readouterr().err
    assert status_of(lambda: tmp_path.read_text()) == 2
    assert f"{tmp_path}: Is a directory\n" in capsys.readouterr().err


def test_a_closed_standard_input_is_empty(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    found = []
    assert status_of(lambda: found.append(sys.stdin.buffer.read())) == 0
    assert found == [b""]
    sys.stdin.close()


def test_a_flag_of_several_values_that_is_given_twice_is_noted(capsys):
    parser = cli.Parser()
    parser.add_argument("--load", nargs="+", action=cli.Several)
    assert parser.parse_args(["--load", "a", "b"]).load == ["a", "b"] and not capsys.readouterr().err
    parser = cli.Parser()
    parser.add_argument("--load", nargs="+", action=cli.Several)
    assert parser.parse_args(["--load", "a", "--load", "b"]).load == ["b"]
    assert not capsys.readouterr().err  # what is wrong with it is said first
    assert status_of(lambda: 0) == 0
    assert "note: --load is given twice: the last one counts; give all of" in capsys.readouterr().err


def test_a_wish_for_an_older_keras_is_no_obstacle():
    code = "from tienet import cli; cli.start_tensorflow(); import tensorpack.train"
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
