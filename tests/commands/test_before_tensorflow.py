"""Mistakes of every command are said before TensorFlow is imported, which takes seconds, in one line with status 2.

One process, in which TensorFlow and other slow packages cannot be imported, makes all of them, one after the other.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.evaluation.pooled.evaluations import MadeUp
from tests.light_run import NAME, light_run
from tienet.commands import subcommand
from tienet.commands.main import COMMANDS
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.data.text import Vocab
from tienet.labels import LABELS

IMPORTED = "it would be imported now: "

CODE = f"""
import contextlib, io, json, os, runpy, sys, traceback
from tienet.commands import main

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "tensorpack", "gensim", "sklearn", "keras"):
            raise RuntimeError("{IMPORTED}" + name)

sys.meta_path.insert(0, Blocker())
environment, answers = dict(os.environ), []
for words in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(environment)
    if words[0] == "without java":
        os.environ["PATH"] = ""
        words = words[1:]
    sys.argv = words
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            if words[0] == "tienet":
                main.main()
            else:
                runpy.run_path(os.path.join({str(ROOT)!r}, words[0]), run_name="__main__")
            status = None
        except SystemExit as end:
            status = end.code
        except BaseException as error:
            status = str(error) if "{IMPORTED}" in str(error) else traceback.format_exc()
    answers.append([status, said.getvalue()])
json.dump(answers, sys.stdout)
"""

TRAIN = "tienet train --data ours --backbone-end res4f --image-px 256 --backbone-weights random --gpu cpu"
EVALUATE = "tienet evaluate --load runs/report --data ours --gpu cpu --no-java"
CONSISTENT = f"{EVALUATE} --decode consistent --reader runs/annotate-text --judge runs/classify"
ANNOTATE = "tienet annotate --load runs/annotate-text reports.csv --out out.csv --gpu cpu"
REPORT = "tienet report --load runs/report one.png --gpu cpu"
SHOW = "tienet show --load runs/report one.png --out shown.png --gpu cpu"
EXPORT = "tienet export --load runs/report --out model"
CALIBRATE = "tienet calibrate --load runs/annotate --gpu cpu"
LABEL = "tienet label ours --reader anna --out labels --port 0"
SERVE = "tienet serve --load runs/report --port 0 --gpu cpu"
FEATURES = "tienet features --data ours --backbone-end res4f --image-px 256 --backbone-weights random --gpu cpu"
VOCABULARY = "tienet vocabulary --data ours"
LOCATE = "tienet locate --load runs/report --data ours --boxes boxes.csv --out located --gpu cpu"
POOL = "tienet pool folds/openi-fold-1 folds/openi-fold-2 folds/openi-fold-3"

MISTAKES = {
    # flags: a later one of the same name wins
    f"{TRAIN} --mode anotate": "argument --mode: invalid choice: 'anotate' (choose from",
    f"{TRAIN} --set penalty=heavy": "setting penalty='heavy': expected float",
    f"{TRAIN} --set penalti=1": "setting 'penalti' is not known",
    f"{TRAIN} --batch 0": "setting batch=0: expected 1 or more",
    f"{TRAIN} --features maybe": "argument --features: invalid choice: 'maybe'",
    f"{TRAIN} --feature-dtype int4": "argument --feature-dtype: invalid choice: 'int4'",
    f"{TRAIN} --backbone-dtype float16": "argument --backbone-dtype: invalid choice: 'float16'",
    f"{TRAIN} --features off --feature-dtype int8": "feature_dtype=int8 has no effect: --features off keeps none",
    f"{TRAIN} --gpu x": "--gpu x: expected cpu, or GPU numbers",
    f"{TRAIN} --tower-batch 5": "batch=32 does not divide by 5 studies",
    f"{TRAIN} --workers a:1,b:1 --task 2": "--task 2: no such worker",
    f"{TRAIN} --data none": "none/manifest.csv does not exist",
    f"{TRAIN} --data silent --mode annotate-text": "no study has a report, and mode annotate-text reads them",
    f"{TRAIN} --data texts": "studies have no image (the first is s0), and mode annotate needs one",
    f"{TRAIN} --data unlabelled --mode classify": "no training study has a finding, which mode classify learns",
    f"{TRAIN} --data elsewhere.csv": "elsewhere.csv, row 1: column patient_id is missing; column image is missing",
    f"{TRAIN} --vocab nowhere": "nowhere/vocab.txt: no vocabulary there",
    f"{TRAIN} --backbone-weights nowhere.npz": "nowhere.npz: no backbone weights there",
    f"{TRAIN} --backbone-weights reports.csv": "reports.csv: not a weights file",
    f"{TRAIN} --load nowhere": "nowhere: no checkpoint there",
    f"{TRAIN} --load runs/cut": "its .data file is missing",
    f"{TRAIN} --logdir runs/report": "runs/report: holds a run already; go on with --resume",
    f"{TRAIN} --logdir reports.csv/run": "reports.csv",
    f"{TRAIN} --logdir runs/damaged --resume --mode annotate": "all its checkpoints are damaged",
    f"{TRAIN} --leak-check nowhere.csv": "nowhere.csv",
    f"{EVALUATE} --decode beem": "argument --decode: invalid choice: 'beem' (choose from",
    f"{EVALUATE} --decode beam --beam 0": "--beam 0: expected 1 to 100",
    f"{EVALUATE} --decode beam --beam 99999": "--beam 99999: expected 1 to 100",
    f"{EVALUATE} --decode sample --decode-seed 9223372036854775808": "expected a number of 64 bits",
    f"{EVALUATE} --decode sample --temperature 0": "--temperature 0.0: expected a number above 0",
    f"{EVALUATE} --decode consistent": "--decode consistent: --reader is missing; give a run of mode annotate-text",
    f"{EVALUATE} --decode consistent --reader runs/annotate-text": "--judge is missing; give a run of mode classify",
    f"{CONSISTENT} --candidates 0": "--candidates 0: expected 1 to 1,000",
    f"{CONSISTENT} --weights 0 -1 0": "--weights, consistency -1.0: expected 0 or more",
    f"{CONSISTENT} --no-repeat 1": "--no-repeat 1: expected 2 or more words, or 0",
    f"{CONSISTENT} --reader runs/classify": "mode classify, but --reader needs annotate-text",
    f"{CONSISTENT} --judge runs/report": "mode report, but --judge needs classify",
    f"{CONSISTENT} --judge nowhere": "nowhere: no checkpoint there",
    f"{EVALUATE} --metrics rouge": "argument --metrics: invalid choice: 'rouge'",
    f"{EVALUATE} --pages -1": "--pages -1: expected 0 or more",
    f"{EVALUATE} --features maybe": "argument --features: invalid choice: 'maybe'",
    f"{EVALUATE} --gpu 0,0": "--gpu 0,0: expected cpu, or GPU numbers",
    f"{EVALUATE} --data none": "none/manifest.csv does not exist",
    f"{EVALUATE} --split holdout": "argument --split: invalid choice: 'holdout'",
    f"{EVALUATE} --split train": "was trained on 2 of the 2 studies",
    f"{EVALUATE} --load nowhere": "nowhere: no checkpoint there",
    f"{EVALUATE} --load data": "data: not the folder of a run: it has no run.json",
    f"{EVALUATE} --load runs/no-words": "it has no vocab.txt",
    f"{EVALUATE} --load runs/cut": "its .data file is missing",
    f"{EVALUATE} --load runs/bare": "backbone.npz: no backbone weights there",
    f"{EVALUATE} --load runs/annotate --decode beam": "mode annotate writes no reports; leave --decode out",
    f"{EVALUATE} --load runs/report runs/cut --out out": "its .data file is missing",
    f"{EVALUATE} --load runs/report runs/caption": "--out is missing",
    f"{EVALUATE} --data ours none --out out": "none/manifest.csv does not exist",
    f"{EVALUATE} --labeller runs/report": "but --labeller needs annotate-text",
    f"{EVALUATE} --labeller runs/seed-0 runs/annotate-text": "annotate-text: has no record of its validation split",
    f"{EVALUATE} --out reports.csv": "reports.csv: is there already and is no folder",
    "without java tienet evaluate --load runs/report --data ours --gpu cpu": "there is no java in PATH",
    f"{POOL} --out pooled --resamples 0": "--resamples 0: expected 1 or more",
    f"{POOL} --out data/ours": "--out data/ours: holds the data set ours",
    f"{POOL} --out folds/openi-fold-2": "--out folds/openi-fold-2: is an evaluation that is to be put together",
    f"{POOL} --out reports.csv/pooled": "reports.csv",
    f"{POOL} folds/openi-fold-2 --out pooled": "folds/openi-fold-2 and folds/openi-fold-2 both judge study",
    f"without java {POOL} --out pooled": "there is no java in PATH",
    "tienet pool nowhere --out pooled": "nowhere: there is no such folder; expected what tienet evaluate --out",
    "tienet pool data/ours --out pooled": "data/ours: has no judged.csv",
    "tienet pool folds/openi-fold-1 --out pooled": "openi-fold-1: 30 of the data set's 90 studies are judged",
    f"{LOCATE} --resamples 0": "--resamples 0: expected 1 or more",
    f"{LOCATE} --pictures -1": "--pictures -1: expected 0 or more",
    f"{LOCATE} --load nowhere": "nowhere: no checkpoint there",
    f"{LOCATE} --load runs/report runs/caption": "runs/caption: a checkpoint of mode caption, but tienet locate needs",
    f"{LOCATE} --load runs/bare": "backbone.npz: no backbone weights there",
    f"{LOCATE} --data none": "none/manifest.csv does not exist",
    f"{LOCATE} --split train --boxes train-boxes.csv": "was trained on 1 of the 1 studies",
    f"{LOCATE} --split val": "boxes.csv: none of its 1 boxes is of a study with an image in data/ours/manifest.csv",
    f"{LOCATE} --boxes nowhere.csv": "nowhere.csv does not exist",
    f"{LOCATE} --boxes reports.csv": "reports.csv, row 1: column finding is missing",
    "tienet locate --load runs/report --data ours --out located": "boxes.csv does not exist, so there is nothing to",
    f"{LOCATE} --out data/ours": "--out data/ours: holds the data set ours",
    f"{LOCATE} --out reports.csv": "--out reports.csv: cannot be written to",
    f"{LOCATE} --gpu x": "--gpu x: expected cpu, or GPU numbers",
    f"{CALIBRATE} --sensitivity 1.5": "--objective sensitivity=1.5: expected a share above 0",
    f"{CALIBRATE} --objective f2": "--objective f2: expected f1, youden, sensitivity=X or precision=X",
    f"{CALIBRATE} --data-root nowhere": "does not exist (nowhere has no data set)",
    f"{CALIBRATE} --load nowhere": "nowhere: no checkpoint there",
    f"{CALIBRATE} --load runs/caption": "mode caption has no classifier",
    f"{CALIBRATE} --load runs/unnormed": "feature_norm.npy",
    f"{ANNOTATE} --load nowhere": "nowhere: no checkpoint there",
    f"{ANNOTATE} --load runs/report": "but Annotator needs annotate or annotate-text",
    f"{ANNOTATE} --load runs/annotate": "reports.csv, row 1: no column image",
    f"{ANNOTATE} --load runs/short": "its .data file is shorter than what was written",
    f"{ANNOTATE} --load runs/miscalibrated": "calibration.json: not what was written there",
    f"{ANNOTATE} --out data": "--out data is a folder",
    f"{ANNOTATE} --out mine.csv": "--out mine.csv: is there, and tienet annotate did not begin it",
    f"{ANNOTATE} --out reports.csv/out.csv": "reports.csv",
    f"{ANNOTATE} --gpu 1.5": "--gpu 1.5: expected cpu, or GPU numbers",
    f"{ANNOTATE} --load runs/seed-0 runs/annotate": "runs/seed-0 and runs/annotate: are of mode annotate-text and of",
    f"{ANNOTATE} --load runs/seed-0 runs/seed-1 runs/seed-0/checkpoints": "are the same checkpoint; give each once",
    f"{ANNOTATE} --load runs/seed-0 runs/annotate-text": "runs/annotate-text: has no record of its validation split; "
    "tienet calibrate --load runs/annotate-text makes it",
    f"{ANNOTATE} --load runs/seed-0 runs/other-val": "runs/seed-0 and runs/other-val: were validated on other studies",
    f"{ANNOTATE} --load runs/seed-0 runs/seed-1 runs/broken": "its .validation.npz file is not what was written",
    f"{ANNOTATE} --load runs/seed-0 runs/relabelled": "runs/relabelled/run.json: the labels are ['Cat']",
    "tienet annotate --load runs/seed-0 runs/seed-1 --out out.csv": "arguments are required: FILE|FOLDER|-",
    "tienet annotate --load runs/seed-0 a.csv b.csv --out out.csv": "unrecognized arguments: b.csv",
    ANNOTATE.replace("reports.csv", "no-report.csv"): "no-report.csv, row 1: no column report",
    ANNOTATE.replace("reports.csv", "nowhere.csv"): "nowhere.csv does not exist",
    ANNOTATE.replace("reports.csv", "empty.csv"): "empty.csv is empty; expected a CSV file with a header",
    f"{REPORT} --decode consistent --reader runs/annotate-text --judge runs/annotate": "but --judge needs classify",
    f"{REPORT} --load runs/classify --decode beam": "mode classify writes no reports; leave --decode out",
    f"{SERVE} --decode consistent": "unrecognized arguments: --decode consistent",
    f"{EXPORT} --decode consistent": "unrecognized arguments: --decode consistent",
    f"{REPORT} --load runs/annotate": "but Reporter needs report or classify or caption",
    f"{REPORT} --load runs/report runs/caption": "are of mode report and of mode caption",
    f"{REPORT} --load runs/report runs/report-1": "the reports of several runs have no mean; load one of them",
    "tienet report --load runs/report --json": "arguments are required: IMAGE",
    f"{REPORT} --load nowhere": "nowhere: no checkpoint there",
    f"{REPORT} --out reports.csv": "--out reports.csv is a file; expected a folder",
    f"{REPORT} --out reports.csv/pages": "reports.csv",
    f"{REPORT} --gpu -1": "--gpu -1: expected cpu, or GPU numbers",
    f"{SHOW} --load nowhere": "nowhere: no checkpoint there",
    f"{SHOW} --load runs/annotate": "mode annotate reads the image's report, too",
    f"{SHOW} --load runs/annotate --report foreign.txt": "foreign.txt: the network knows none of the words",
    f"{SHOW} --load runs/annotate-text": "mode annotate-text, but tienet show needs one that reads an image",
    f"{SHOW} --report foreign.txt": "is of mode report, which reads no report",
    f"{SHOW} --report nowhere.txt": "--report nowhere.txt does not exist",
    f"{SHOW} --out shown.jpg": "--out shown.jpg: expected a name that ends in .png",
    f"{SHOW} --out reports.csv/shown.png": "reports.csv",
    SHOW.replace("one.png", "reports.csv"): "reports.csv",
    f"{EXPORT} --out data": "--out data is there already",
    f"{EXPORT} --out reports.csv/model": "reports.csv",
    f"{EXPORT} --out [1]": "TensorFlow loads no model from a path with",
    f"{EXPORT} --load runs/cut": "its .data file is missing",
    f"{EXPORT} --gpu all": "--gpu all: expected cpu, or GPU numbers",
    # labels by hand
    f"{LABEL} --split train --out runs/report": "holds a run",
    "tienet label nowhere --reader anna --out labels": "nowhere/manifest.csv does not exist",
    "tienet label ours --reader anna/b --out labels": "--reader 'anna/b': expected 1 to 40 letters",
    f"{LABEL} --balance Lump=0.1": "--balance Lump=0.1: expected a label once and its share",
    f"{LABEL} --assist runs/caption": "mode caption gives no labels",
    f"{LABEL} --port 70000": "--port 70000: expected 0 to 65535",
    "tienet label --agree reports.csv reports.csv": "column patient_id is missing",
    "tienet label --agree nowhere.csv reports.csv": "nowhere.csv does not exist; expected a CSV file",
    "tienet label --adjudicate nowhere.csv reports.csv --reader carla --out labels": "nowhere.csv does not exist",
    "tienet label --judge runs/caption --readers reports.csv": "mode caption has no classifier",
    f"{SERVE} --load nowhere": "nowhere: no checkpoint there",
    f"{SERVE} --load runs/report runs/caption": "both have the place of `report`",
    f"{SERVE} --load runs/report runs/report-1": "both have the place of `report`",
    f"{SERVE} --load runs/seed-0 runs/annotate": "both have the place of `annotate`",
    f"{SERVE} --load runs/seed-0 runs/annotate-text": "runs/annotate-text: has no record of its validation split",
    f"{SERVE} --load runs/report runs/bare": "backbone.npz: no backbone weights there",
    f"{SERVE} --port 70000": "--port 70000: expected 0 to 65535",
    f"{SERVE} --samples nowhere": "--samples nowhere: no such folder",
    f"{SERVE} --gpu none": "--gpu none: expected cpu, or GPU numbers",
    f"{FEATURES} --data none": "none/manifest.csv does not exist",
    f"{FEATURES} --backbone-weights nowhere.npz": "nowhere.npz: no backbone weights there",
    f"{FEATURES} --image-px 300": "image_px=300",
    f"{FEATURES} --gpu one": "--gpu one: expected cpu, or GPU numbers",
    f"{VOCABULARY} --dim 0": "--dim 0: it must be 1 or more",
    f"{VOCABULARY} --data silent": "no training study has a report, so there are no words",
    f"{VOCABULARY} --vectors nowhere.txt": "nowhere.txt: there is no such file",
    f"{VOCABULARY} --corpus nowhere.txt": "nowhere.txt: there is no such file",
    "tienet describe none": "none/manifest.csv does not exist",
    "tienet describe ours --out reports.csv": "--out reports.csv",
    "tienet prepare phantom --out reports.csv": "--out reports.csv",
    "tienet prepare openi --reports none --images none --projections none.csv --labels mesh --out o": "none.csv",
    "tienet prepare chestxray14 --entry none.csv --train-val-list a --test-list b --no-images": "a does not exist",
    "tienet prepare mimic-cxr --root none --labels chexpert --out o": "none",
    "tienet prepare padchest --table none.csv --out o": "none.csv does not exist",
    "tienet prepare folder --images none --out o": "--images none",
    "tienet weights fetch --md5 1": "argument --md5: '1' is not an md5",
    "tienet weights fetch --out data": "data is a folder; expected the name of a file",
    "tienet weights fetch --out reports.csv/w.npz": "reports.csv",
    "tienet weights convert none.h5": "none.h5: no such file",
    "tienet completion fish": "invalid choice: 'fish'",
    "train.py --data none": "none/manifest.csv does not exist",
    "eval.py --load nowhere --data ours --gpu cpu": "nowhere: no checkpoint there",
    "data_prep/cache_features.py --data none": "none/manifest.csv does not exist",
    "data_prep/build_vocab.py --data none": "none/manifest.csv does not exist",
    "data_prep/from_folder.py --images none --out o": "--images none",
    "pretrained/fetch.py --out data": "data is a folder; expected the name of a file",
    "pretrained/convert_resnet50.py none.h5": "none.h5: no such file",
}
"""A command line, and what is said of it."""

POOLED = f"{POOL} --out pooled --no-java --resamples 2"
"""It needs no slow package."""

RIGHT = {
    TRAIN: "tensorflow",
    f"{TRAIN} --mode annotate-text --load runs/annotate-text --vocab runs/annotate-text": "tensorflow",
    EVALUATE: "tensorflow",
    CONSISTENT: "tensorflow",
    f"{REPORT} --decode consistent --reader runs/annotate-text --judge runs/classify": "tensorflow",
    f"{EVALUATE} --load runs/report runs/annotate --labeller runs/annotate-text --out out": "tensorflow",
    LOCATE: "tensorflow",
    CALIBRATE: "tensorflow",
    ANNOTATE: "tensorflow",
    "tienet annotate --load runs/seed-0 runs/seed-1 reports.csv --out out-2.csv --gpu cpu": "tensorflow",
    f"{EVALUATE} --load runs/seed-0 runs/seed-1 --labeller runs/seed-0 runs/seed-1 --out out": "tensorflow",
    REPORT: "tensorflow",
    "tienet report --load runs/classify runs/classify-1 one.png --gpu cpu": "tensorflow",
    SHOW: "tensorflow",
    EXPORT: "tensorflow",
    f"{SERVE} --load runs/report runs/annotate-text": "tensorflow",
    f"{SERVE} --load runs/classify runs/classify-1 runs/seed-0 runs/seed-1": "tensorflow",
    FEATURES: "tensorflow",
    VOCABULARY: "gensim",
}
"""A command line without a mistake, and the package that is imported then."""


UNREADABLE = "tienet report --load runs/report --gpu cpu nowhere.png reports.csv"


def write_manifest(folder: Path, **columns: object) -> None:
    """Six studies, two of each split, with images, reports and labels, except for what `columns` says."""
    (folder / "images").mkdir(parents=True)
    labels = {label: [n % 2 for n in range(6)] for label in LABELS} | {"No_Finding": [1 - n % 2 for n in range(6)]}
    table = pd.DataFrame({
        "study_id": [f"s{n}" for n in range(6)],
        "patient_id": [f"p{n}" for n in range(6)],
        "image": [f"images/{n}.png" for n in range(6)],
        "report": [f"the lungs are clear . report {'abcdef'[n]} ." for n in range(6)],
        "split": ["train", "train", "val", "val", "test", "test"],
        **labels,
    })  # fmt: skip
    for n in range(6):
        cv2.imwrite(str(folder / "images" / f"{n}.png"), np.full((8, 8), 40 * n, np.uint8))
    manifests.write(folder / "manifest.csv", table.assign(**columns))


def write_inputs() -> None:
    """Data sets, runs and other files that the command lines name, in this folder."""
    MadeUp(Path("folds")).write(["annotate-text-0", "caption"])
    write_manifest(Path("data/ours"))
    write_manifest(Path("data/silent"), report="")
    write_manifest(Path("data/texts"), image="")
    write_manifest(Path("data/unlabelled"), **dict.fromkeys(LABELS, np.nan))
    ours = manifests.load("ours", "data")
    train = ours.split("train").reports
    vocab = Vocab.from_reports(train, 1)
    vocab.save(Path("data/ours/vocab/vocab.txt"))
    np.save("data/ours/vocab/embeddings.npy", np.ones((len(vocab), 4), np.float32))
    stats = {"training_reports": leaks.reports_fingerprint(train)}
    Path("data/ours/vocab/stats.json").write_text(json.dumps(stats))

    runs = Path("runs")
    for mode in ("annotate", "annotate-text", "classify", "caption", "report"):
        light_run(runs / mode, ours, mode, data="ours", record=mode == "classify")
    for seed, name in enumerate(("seed-0", "seed-1", "broken", "relabelled")):
        light_run(runs / name, ours, "annotate-text", data="ours", seed=seed, record=True)
    light_run(runs / "classify-1", ours, "classify", data="ours", seed=1, record=True)
    light_run(runs / "report-1", ours, "report", data="ours", seed=1)
    turned = replace(
        ours, splits=np.where(ours.splits == "val", "test", np.where(ours.splits == "test", "val", "train"))
    )
    light_run(runs / "other-val", turned, "annotate-text", data="ours", record=True)
    record = runs / "broken" / "checkpoints" / f"{NAME}.validation.npz"
    record.write_bytes(record.read_bytes()[:-1] + b"x")
    facts = json.loads((runs / "relabelled" / "run.json").read_text())
    (runs / "relabelled" / "run.json").write_text(json.dumps(facts | {"labels": ["Cat"]}))
    for name in ("no-words", "cut", "bare", "unnormed", "short", "miscalibrated"):
        mode = "annotate-text" if name in ("short", "miscalibrated") else "annotate"
        light_run(runs / name, ours, mode, data="ours", feature_norm=name == "unnormed")
    data_file = f"checkpoints/{NAME}.data-00000-of-00001"
    (runs / "no-words" / "vocab.txt").unlink()
    (runs / "cut" / data_file).unlink()
    (runs / "bare" / "backbone.npz").unlink()
    (runs / "unnormed" / "feature_norm.npy").unlink()
    (runs / "short" / data_file).write_bytes(b"short")
    (runs / "miscalibrated" / "calibration.json").write_text("[")
    damaged = light_run(runs / "damaged", ours, "annotate", "latest-10", data="ours")
    (damaged / "checkpoints" / "latest-10.index").write_bytes(b"")

    Path("reports.csv").write_text("study_id,report\n1,the lungs are clear\n")
    Path("no-report.csv").write_text("study_id,image\n1,one.png\n")
    Path("empty.csv").write_text("")
    for name, study in (("boxes.csv", "s4"), ("train-boxes.csv", "s0")):
        Path(name).write_text(f"study_id,finding,x,y,w,h\n{study},Mass,1,1,4,4\n")
    Path("mine.csv").write_text("a\n1\n")
    Path("foreign.txt").write_text("blah blah xyz qwerty")
    Path("elsewhere.csv").write_text("study_id,report\n1,the lungs are clear\n")
    cv2.imwrite("one.png", np.full((20, 20), 90, np.uint8))


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, tuple[object, list[str]]]:
    """The status, or what would be imported, and the lines of standard error that are no notes, by command line."""
    folder = tmp_path_factory.mktemp("mistakes")
    lines = [*MISTAKES, *RIGHT, UNREADABLE, POOLED]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_inputs()
        words = [line.replace("without java ", "without_java ").split() for line in lines]
        words = [[word.replace("_java", " java") for word in of_line] for of_line in words]
        patch.setenv("PYTHONPATH", str(ROOT))
        done = subprocess.run(
            [sys.executable, "-c", CODE], input=json.dumps(words), capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    found = zip(lines, json.loads(done.stdout), strict=True)
    return {
        line: (status, [said for said in errors.splitlines() if not said.startswith("note: ")])
        for line, (status, errors) in found
    }


@pytest.mark.parametrize(("line", "message"), MISTAKES.items())
def test_a_mistake_is_one_line_with_status_2_and_no_tensorflow(answers, line, message):
    status, (*before, said) = answers[line]
    assert (status, before) == (2, []) and message in said
    words = line.removeprefix("without java ").split()
    prog = " ".join(words[:2]) if words[0] == "tienet" else words[0].rpartition("/")[2].partition(".")[0]
    assert said.startswith(prog)


@pytest.mark.parametrize(("line", "package"), RIGHT.items())
def test_where_nothing_is_wrong_it_is_imported(answers, line, package):
    """The mistakes above could not be told from another reason to end otherwise."""
    assert answers[line][0] == IMPORTED + package


def test_folds_are_put_together_without_it(answers):
    assert answers[POOLED] == (0, [])


def test_every_command_has_a_mistake():
    names = {
        f"{name} {below}" if command.is_group else name
        for name, command in COMMANDS.items()
        for below in (subcommand.commands_of(command) if command.is_group else [name])
    }
    made = [line.removeprefix("without java ").removeprefix("tienet ") for line in MISTAKES]
    assert [name for name in sorted(names) if not any(line.startswith(f"{name} ") for line in made)] == []


def test_images_of_which_none_can_be_read_are_named(answers):
    status, said = answers[UNREADABLE]
    assert status == 2 and len(said) == 3
    assert said[0].startswith("passed over: nowhere.png") and said[2] == "2 of 2 could not be read"
    assert said[1].startswith("passed over: reports.csv, row 1: no column image")
