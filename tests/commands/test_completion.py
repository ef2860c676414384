"""`tienet completion`: what the script completes, and that neither making nor using it starts TensorFlow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import tienet
from tests.conftest import ROOT
from tienet.commands.completion import actions_of, what_completes
from tienet.commands.main import COMMANDS, top_parser

COMPLETE = """
source "$SCRIPT"
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
complete -p tienet > /dev/null || exit 1
_shtab_tienet
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    """The script for bash, made in a process that must not import TensorFlow."""
    path = tmp_path_factory.mktemp("completion") / "tienet.bash"
    code = (
        "import sys; from tienet.commands.main import dispatch\n"
        "assert dispatch(['completion', 'bash']) == 0 and 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path


@pytest.fixture
def complete(script, tmp_path):
    """complete(*words) -> what bash offers for the last word, in a folder with a file, a folder, and no Python."""
    (tmp_path / "some.csv").touch()
    (tmp_path / "some-folder").mkdir()
    (tmp_path / "empty").mkdir()

    def run(*words: str) -> set[str]:
        environment = {"SCRIPT": str(script), "PATH": str(tmp_path / "empty")}
        command = [shutil.which("bash"), "-c", COMPLETE, "bash", "tienet", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return set(done.stdout.split())

    return run


def test_bash_completes_commands_flags_choices_files_and_folders(complete):
    assert complete("") >= set(COMMANDS)
    assert complete("ann") == {"annotate"}
    assert complete("prepare", "") >= {"phantom", "openi", "chestxray14", "mimic-cxr", "folder"}
    assert complete("prepare", "mimic-cxr", "--ro") == {"--root"}
    assert complete("prepare", "mimic-cxr", "--labels", "") >= {"chexpert", "negbio"}
    assert {"--load", "--out", "--gpu"} <= complete("annotate", "--")
    assert complete("train", "--resume", "--log") == {"--logdir"}
    assert complete("train", "--logdir", "so") == {"some-folder"}
    assert complete("annotate", "--load", "so") == {"some-folder", "some.csv"}
    assert complete("describe", "some.") == {"some.csv"}
    assert complete("weights", "convert", "--end", "res") == {"res4f", "res5c"}


def test_all_that_is_a_path_is_completed():
    def names(wanted: str | None) -> set[str]:
        return {action.dest for action in actions_of(top_parser(whole=True)) if what_completes(action) == wanted}

    folders = {"out", "data_root", "logdir", "vocab", "images", "root", "jpg", "load", "samples", "source", "downloads"}
    assert names("DIRECTORY") == folders
    assert {"load", "reports", "labels", "entry", "corpus", "keep", "studies", "backbone_weights"} <= names("FILE")
    assert {"mode", "seed", "gpu", "set", "token", "shell"} <= names(None)
    assert not {"load", "data_root", "vocab"} & names(None)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_is_one_that_the_shell_reads(shell, capsys):
    assert tienet("completion", shell) == 0
    script = capsys.readouterr().out
    assert "_shtab_tienet" in script
    found = shutil.which(shell)
    if found:
        done = subprocess.run([found, "-n"], input=script, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0 and done.stderr == ""


def test_another_shell_is_refused(capsys):
    assert tienet("completion", "fish") == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err
