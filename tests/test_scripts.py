"""The scripts of the checkout, the documented ways in: each is the command of `tienet` under its own name."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCRIPTS = {
    "train.py": "python train.py --gpu 0,1,2,3 --mode annotate",
    "eval.py": "python eval.py --load checkpoint --data chestxray14",
    "data_prep/openi.py": "python data_prep/openi.py --reports NLMCXR_reports.tgz",
    "data_prep/chestxray14.py": "python data_prep/chestxray14.py --entry Data_Entry_2017_v2020.csv",
    "data_prep/mimic_cxr.py": "python data_prep/mimic_cxr.py --root DIR",
    "data_prep/phantom.py": "python data_prep/phantom.py --out data/phantom",
    "data_prep/from_folder.py": "python data_prep/from_folder.py --images DIR",
    "data_prep/cache_features.py": "python data_prep/cache_features.py --data openi",
    "data_prep/build_vocab.sh": "bash data_prep/build_vocab.sh --data openi",
    "pretrained/convert_resnet50.py": "python pretrained/convert_resnet50.py SOURCE",
    "pretrained/fetch.py": "python pretrained/fetch.py",
}
"""Each script and the call that its help shows."""


def call(script: str, *flags: str) -> subprocess.CompletedProcess:
    interpreter = "bash" if script.endswith(".sh") else sys.executable
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [interpreter, script, *flags]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_the_script_and_shows_how_it_is_called(script):
    done = call(script, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: {script.rpartition('/')[2]} ")
    assert f"\n    {SCRIPTS[script]}" in done.stdout and "tienet " not in done.stdout.replace("tienet/", "")


@pytest.mark.parametrize(
    ("script", "flags", "line"),
    [
        ("train.py", ["--mode", "anotate"], "train.py: argument --mode: invalid choice: 'anotate'"),
        ("eval.py", ["--load", "a", "--data", "b", "--beam", "3"], "eval.py: --decode greedy: width is a setting of"),
        ("data_prep/cache_features.py", ["--data", "x", "--batch", "0"], "cache_features.py: --batch 0: expected 1 or"),
        ("data_prep/build_vocab.sh", ["--dim", "0"], "build_vocab.sh: --dim 0: it must be 1 or more (see --help)"),
        ("pretrained/fetch.py", ["--md5", "1"], "fetch.py: argument --md5: '1' is not an md5"),
    ],
)
def test_what_is_wrong_is_one_line_that_starts_with_the_scripts_name(script, flags, line):
    done = call(script, *flags)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1
