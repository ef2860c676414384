"""`tienet prepare phantom`: images, boxes, reports and labels say the same."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.command_line import tienet
from tests.conftest import ROOT
from tienet.data import manifest as manifests
from tienet.datasets.phantom import prepare
from tienet.datasets.phantom.facts import BILATERAL, LEFT, RIGHT, plan
from tienet.labels import FINDINGS, LABELS, NO_FINDING


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    """A data set of 60 studies of 96 px, made by the script in a process of one thread, and what it said."""
    out = tmp_path_factory.mktemp("phantom") / "phantom"
    command = [
        sys.executable,
        "data_prep/phantom.py",
        "--out",
        out,
        "--studies",
        "60",
        "--image-px",
        "96",
        "--seed",
        "3",
    ]
    env = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return out, done.stdout


def test_manifest_boxes_and_summary_agree(made):
    out, said = made
    m = manifests.load(str(out / "manifest.csv"))
    assert len(m) == 60 and m.name == "phantom"
    assert not np.isnan(m.labels).any()
    np.testing.assert_array_equal(m.labels[:, LABELS.index(NO_FINDING)], 1 - m.labels[:, :14].max(axis=1))
    boxes = pd.read_csv(out / "boxes.csv")
    assert list(boxes.columns) == list(prepare.BOX_COLUMNS)
    in_boxes = set(zip(boxes.study_id, boxes.finding, strict=True))
    in_labels = {(study, FINDINGS[k]) for study, row in zip(m.study_ids, m.labels, strict=True)
                 for k in np.flatnonzero(row[:14])}  # fmt: skip
    assert in_boxes == in_labels
    assert manifests.counts_table(m) in said and "nothing is left out" in said
    relative = pd.read_csv(out / "manifest.csv").image
    assert relative.str.fullmatch(r"images/phantom-\d{5}\.png").all() and len(list((out / "images").iterdir())) == 60


def test_boxes_lie_in_the_image_on_the_right_side(made):
    boxes = pd.read_csv(made[0] / "boxes.csv")
    assert (boxes[["x", "y"]] >= 0).all(axis=None) and (boxes[["w", "h"]] >= 2).all(axis=None)
    assert (boxes.x + boxes.w).max() <= 96 and (boxes.y + boxes.h).max() <= 96
    middle = boxes.x + boxes.w / 2
    assert (middle[boxes.side == RIGHT] < 46).all(), "the patient's right is the image's left"
    assert (middle[boxes.side == LEFT] > 50).all()
    pairs = boxes[boxes.side == BILATERAL].groupby(["study_id", "finding"]).x.agg(["size", "min", "max"])
    assert (pairs["size"] == 2).all() and (pairs["min"] < 48).all() and (pairs["max"] > 46).all()
    upper, lower = (boxes[boxes.zone == zone] for zone in ("upper", "lower"))
    assert (upper.y + upper.h / 2).mean() < 0.4 * 96 < 0.5 * 96 < (lower.y + lower.h / 2).mean()


def test_same_seed_same_bytes_and_a_smaller_set_leaves_nothing_behind(made, tmp_path):
    out = tmp_path / "again"
    assert tienet("prepare", "phantom", "--out", out, "--studies", 64, "--image-px", 96, "--seed", 4) == 0
    other = digests(out)
    assert tienet("prepare", "phantom", "--out", out, "--studies", 60, "--image-px", 96, "--seed", 3) == 0
    assert digests(out) == digests(made[0])
    assert other["images/phantom-00001.png"] != digests(out)["images/phantom-00001.png"]


def test_a_patient_keeps_the_anatomy():
    studies = [study for study in plan(200, 0) if not study.facts]
    by_patient: dict[int, list[np.ndarray]] = {}
    for study in studies[:40]:
        by_patient.setdefault(study.patient, []).append(prepare.draw_study(study, 64, 0)[0].astype(float))
    (same,) = [images for images in by_patient.values() if len(images) > 1][:1]
    first_of_all = [images[0] for images in by_patient.values()]
    within = np.corrcoef(same[0].ravel(), same[1].ravel())[0, 1]
    between = max(
        np.corrcoef(same[0].ravel(), other.ravel())[0, 1] for other in first_of_all[:12] if other is not same[0]
    )
    assert within > between


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--studies", "0"], "--studies 0: expected 10 or more"),
        (["--studies", "-5"], "--studies -5: expected"),
        (["--studies", "many"], "invalid int value: 'many'"),
        (["--image-px", "16"], "--image-px 16: expected 64 to 4096"),
        (["--image-px", "100000"], "--image-px 100000"),
        (["--seed", "-1"], "--seed -1: expected 0 or more"),
        (["--label", "x"], "--label"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, capsys, args, said):
    assert tienet("prepare", "phantom", "--out", tmp_path / "out", *args) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    for out in ("file", "file/phantom"):
        assert tienet("prepare", "phantom", "--out", tmp_path / out) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "cannot be written to" in line
