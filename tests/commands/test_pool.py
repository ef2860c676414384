"""`tienet pool`: what it prints and writes. Its mistakes are among those of all commands."""

import json
import shlex
import shutil
import subprocess

import pytest

from tests.command_line import tienet
from tests.conftest import ROOT
from tests.evaluation.pooled.evaluations import MadeUp
from tienet.commands.main import top_parser


def test_the_tables_and_the_folder_are_printed(tmp_path, capsys):
    folders = MadeUp(tmp_path / "folds").write(["annotate-text-0", "report"])
    out = tmp_path / "cv"
    assert tienet("pool", *folders, "--out", out, "--no-java", "--resamples", 3) == 0
    said = capsys.readouterr()
    assert said.out == f"{(out / 'table.txt').read_text()}\n{out}\n"
    assert said.err.startswith("note: Without Java: no METEOR")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["columns"]["R"]["bootstrap"]["resamples"] == 3
    assert metrics["columns"]["I+GR"]["captions"]["METEOR"] is None


def test_some_of_the_folds_are_put_together_if_that_is_asked_for(tmp_path, capsys):
    folders = MadeUp(tmp_path / "folds").write(["annotate-text-0"])[:2]
    assert tienet("pool", *folders, "--out", tmp_path / "cv", "--partial", "--resamples", 3) == 0
    said = capsys.readouterr()
    assert said.err == "" and "2 folds, 60 studies of 30 patients: " in said.out
    assert "; 30 studies are missing (--partial)." in " ".join(said.out.split())


def commands_of_make(tmp_path, *words: str) -> list[list[str]]:
    """The words of each command that `make -n openi-cv` prints, with the variables of the shell left as they are."""
    make = shutil.which("make") or pytest.skip("needs make")
    (tmp_path / "NLMCXR_reports.tgz").touch()
    (tmp_path / "text").touch()
    given = [f"OPENI={tmp_path}", f"PUBMED={tmp_path / 'text'}", "EVAL_FLAGS=--no-java", *words]
    words = [make, "--no-print-directory", "-n", "-B", "openi-cv", *given]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


def test_make_does_every_fold_and_puts_them_together(tmp_path):
    lines = commands_of_make(tmp_path, "OPENI_SEEDS=0 7")
    parser = top_parser(whole=True)
    runs = ("annotate-text-0", "annotate-text-7", "annotate-0", "annotate-7", "classify-0", "classify-7",
            "classify-lse", "caption-0", "caption-7", "report-0", "report-7")  # fmt: skip
    trained, starts, evaluated, prepared = {}, {}, [], []
    for words in lines:
        if "train.py" in words:
            args = parser.parse_args(["train", *words[2:]])
            trained[str(args.logdir)] = (args.mode, args.data, args.seed, args.set, args.resume)
            starts[str(args.logdir)] = args.load and str(args.load)
        elif "eval.py" in words:
            args = parser.parse_args(["evaluate", *[word for word in words[2:] if word not in ("|", "-n")]])
            evaluated.append((args.data, args.controls, args.labeller, str(args.out)))
        elif "data_prep/openi.py" in words:
            prepared.append(parser.parse_args(["prepare", "openi", *words[2:]]).split)
        elif words[1:3] == ["-m", "tienet"]:
            pooled = parser.parse_args(words[3:])
    folds = [f"openi-fold-{n}" for n in range(1, 6)]
    assert list(trained) == [f"runs/{fold}/{run}" for fold in folds for run in runs]
    assert trained["runs/openi-fold-4/annotate-text-7"] == ("annotate-text", "openi-fold-4", 7, [], True)
    assert trained["runs/openi-fold-4/annotate-0"] == ("annotate", "openi-fold-4", 0, [], True)
    assert trained["runs/openi-fold-1/classify-7"] == ("classify", "openi-fold-1", 7, [], True)
    assert trained["runs/openi-fold-1/classify-lse"][0] == "classify"
    assert trained["runs/openi-fold-1/classify-lse"][3] == ["pooling=lse"]
    assert "alpha=0.25" in trained["runs/openi-fold-1/report-0"][3]
    assert starts["runs/openi-fold-2/report-7"] == "runs/openi-fold-2/caption-7/checkpoints/checkpoint"
    assert starts["runs/openi-fold-2/caption-7"] == "runs/openi-fold-2/classify-7"
    assert {name.split("/")[-1] for name, load in starts.items() if load} == {
        f"{m}-{s}" for m in ("caption", "report") for s in "07"
    }
    assert evaluated == [([fold], True, [f"runs/{fold}/annotate-text-0"], f"tables/{fold}") for fold in folds]
    assert sorted(prepared) == [*(f"fold={n}/5" for n in range(1, 6)), "hash"]
    assert [str(path) for path in pooled.evaluations] == [f"tables/{fold}" for fold in folds] and pooled.no_java


def test_make_does_one_fold_and_waits_for_the_others(tmp_path):
    lines = commands_of_make(tmp_path, "FOLDS=3", "MODES=caption")
    logdirs = [words[words.index("--logdir") + 1] for words in lines if "train.py" in words]
    assert logdirs == [f"runs/openi-fold-3/{mode}-0" for mode in ("annotate-text", "classify", "caption")]
    assert not any(words[1:3] == ["-m", "tienet"] for words in lines)
    assert lines[-1] == ["echo", "not put together yet: fold 1 is missing"]
