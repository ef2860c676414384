"""The console script: quick help, mistakes as one line, and the version."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import tienet
from tests import command_line
from tests.conftest import ROOT
from tienet.commands import main, subcommand
from tienet.commands.main import COMMANDS, dispatch

CALLS = [[name] for name, command in COMMANDS.items() if not command.is_group]
CALLS += [["prepare", name] for name in ("phantom", "openi", "chestxray14", "mimic-cxr", "padchest", "folder")]
CALLS += [["weights", name] for name in ("fetch", "convert")]


def test_help_and_wrong_flags_import_no_tensorflow():
    code = (
        "import sys; from tienet.commands.main import dispatch\n"
        "def end(words):\n"
        "    try: dispatch(words)\n"
        "    except SystemExit as end: return end.code\n"
        "light = [[], ['prepare'], ['report'], ['export'], ['annotate']]\n"
        "assert [end([*words, '--help']) for words in light] == [0] * 5\n"
        "assert not {'tensorflow', 'cv2', 'pandas'} & set(sys.modules)\n"
        f"for words in {CALLS}: assert (end([*words, '--help']), end([*words, '--nonsense'])) == (0, 2), words\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)
    assert all(f"usage: tienet {' '.join(words)} " in done.stdout for words in CALLS)


def test_every_call_is_in_the_list():
    found = [
        [name, below] if command.is_group else [name]
        for name, command in COMMANDS.items()
        for below in (subcommand.commands_of(command) if command.is_group else [name])
    ]
    assert sorted(found) == sorted(CALLS)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["anotate"], "tienet: argument COMMAND: invalid choice: 'anotate'"),
        (["--vresion"], "tienet: the following arguments are required: COMMAND"),
        (["annotate"], "tienet annotate: the following arguments are required: --load, --out"),
        (["annotate", "--load", "x", "--out", "y"], "required: FILE|FOLDER|-"),
        (["report", "--load", "x"], "required: IMAGE"),
    ],
)
def test_a_wrong_command_line_is_one_line(flags, message, capsys):
    with pytest.raises(SystemExit) as end:
        dispatch(flags)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert message in said and len(said.strip().splitlines()) == 1


def test_no_command_shows_help(capsys):
    with pytest.raises(SystemExit) as end:
        dispatch([])
    assert end.value.code == 0 and "not a medical device" in capsys.readouterr().out


def test_the_version_has_one_place(capsys):
    with pytest.raises(SystemExit) as end:
        dispatch(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"tienet {tienet.__version__}\n"
    assert version("tienet") == tienet.__version__


def test_a_script_has_its_own_name_and_way_in(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["data_prep/phantom.py", "--help"])
    with pytest.raises(SystemExit) as end:
        main.run_script("python data_prep/phantom.py", "prepare", "phantom")
    said = capsys.readouterr().out
    assert end.value.code == 0 and said.startswith("usage: phantom.py ")
    assert "\n    python data_prep/phantom.py --out" in said


def test_the_module_is_another_way_in():
    command = [sys.executable, "-m", "tienet.commands.main", "evaluate", "--load", "a", "b", "--data", "c"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("tienet evaluate: --out is missing") and done.stderr.count("\n") == 1


def test_a_folder_that_is_no_run_is_one_line_with_status_2(tmp_path, capfd):
    (tmp_path / "a.csv").write_text("study_id,report\n1,clear\n")
    assert command_line.tienet("annotate", "--load", tmp_path, tmp_path / "a.csv", "--out", tmp_path / "out.csv") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("tienet annotate: ") and "no run.json" in line
