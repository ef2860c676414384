"""The console script: quick help, and mistakes as one line."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tienet.commands.main import COMMANDS, dispatch


def test_help_imports_no_tensorflow_and_names_every_command():
    code = (
        "import sys; from tienet.commands.main import dispatch\n"
        "for flags in (['--help'], ['report', '--help'], ['export', '--help'], ['annotate', '--help']):\n"
        "    try: dispatch(flags)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert 'tensorflow' not in sys.modules and 'cv2' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["anotate"], "invalid choice: 'anotate'"),
        (["annotate"], "required: --load, CSV|FOLDER, --out"),
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
    assert end.value.code == 0 and "not a medical device" in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_is_no_run_is_one_line_with_status_2(tmp_path):
    (tmp_path / "a.csv").write_text("study_id,report\n1,clear\n")
    command = [
        sys.executable,
        "-m",
        "tienet.commands.main",
        "annotate",
        "--load",
        str(tmp_path),
        str(tmp_path / "a.csv"),
    ]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out.csv")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no run.json" in done.stderr and len(done.stderr.strip().splitlines()) == 1
