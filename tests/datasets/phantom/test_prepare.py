"""`tienet prepare phantom`: images, boxes, reports and labels say the same."""

import hashlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tests.command_line import tienet
from tests.conftest import ROOT
from tienet.data import manifest as manifests
from tienet.data.text import tokenize
from tienet.datasets.phantom import drawing, prepare, reports
from tienet.datasets.phantom.facts import BILATERAL, LEFT, PLACES, RIGHT, SEVERITIES, Fact, plan
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


def facts_of(studies) -> Counter:
    return Counter(fact.finding for study in studies for fact in study.facts)


# ---- the plan ----


def test_plan_has_the_shares_and_all_findings_in_all_splits():
    studies = plan(400, 0)
    by_split = {split: [study for study in studies if study.split == split] for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in by_split.items()} == {"train": 280, "val": 40, "test": 80}
    for split, least in (("train", 20), ("val", 2), ("test", 5)):
        counts = facts_of(by_split[split])
        assert min(counts[finding] for finding in FINDINGS) >= least, split
        assert max(counts.values()) - min(counts.values()) <= 3, split
    sizes = Counter(len(study.facts) for study in studies)
    assert set(sizes) == {0, 1, 2, 3} and 0.35 <= sizes[0] / 400 <= 0.45
    assert [study.number for study in studies] == list(range(1, 401))


def test_a_patient_lies_in_one_split_and_some_have_several_studies():
    studies = plan(400, 0)
    splits = {
        study.patient_id: {other.split for other in studies if other.patient == study.patient} for study in studies
    }
    assert all(len(of_patient) == 1 for of_patient in splits.values())
    assert set(Counter(Counter(study.patient for study in studies).values())) == {1, 2, 3}


def test_facts_are_where_they_may_be_and_do_not_overlap():
    for study in plan(300, 5):
        places = [(lung, fact.zone) for fact in study.facts for lung in fact.lungs]
        assert len(set(places)) == len(places), study
        assert len({fact.finding for fact in study.facts}) == len(study.facts)
        for fact in study.facts:
            sides, zones = PLACES[fact.finding]
            assert fact.side in sides and fact.zone in zones and fact.severity in SEVERITIES


@pytest.mark.parametrize("studies", [10, 11, 29, 1000])
def test_other_sizes(studies):
    planned = plan(studies, 1)
    assert len(planned) == studies and {study.split for study in planned} == {"train", "val", "test"}
    assert any(study.facts for study in planned if study.split == "train")


def test_seeds_differ():
    assert plan(50, 0) == plan(50, 0) != plan(50, 1)


# ---- the data set ----


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


# ---- pictures ----


def test_a_lesion_changes_the_picture_inside_its_box_only():
    """Every finding that is drawn onto the same chest; noise is drawn from the same stream afterwards."""
    anatomy = drawing.Anatomy.from_rng(np.random.default_rng(0))
    for finding in FINDINGS:
        if finding in ("Cardiomegaly", "Emphysema"):  # these are another anatomy
            continue
        sides, zones = PLACES[finding]
        fact = Fact(finding, sides[-1], zones[-1], "severe")
        chest = drawing.Chest(anatomy.with_facts([fact]), 128)
        before = drawing._soft_tissue(chest)
        for side in fact.lungs or (None,):
            after, mask = drawing.lesions.DRAW[finding](chest, before, fact, side, np.random.default_rng(1))
            x, y, w, h = drawing._bounds(mask)
            changed = np.abs(after - before)
            inside = changed[y : y + h, x : x + w].sum()
            assert changed.max() > 0.1, finding
            # an effusion also covers the dome below; a blob has a soft rim
            assert inside > 0.55 * changed.sum(), (finding, inside / changed.sum())


def test_an_enlarged_heart_is_wider_and_emphysema_lowers_the_domes():
    anatomy = drawing.Anatomy.from_rng(np.random.default_rng(0))
    _, (normal,) = drawing.draw(
        anatomy, [Fact("Hernia", "midline", "retrocardiac", "mild")], 128, np.random.default_rng(0)
    )
    assert normal.fact.finding == "Hernia"
    widths = []
    for severity in SEVERITIES:
        _, (box,) = drawing.draw(
            anatomy, [Fact("Cardiomegaly", "midline", "cardiac", severity)], 128, np.random.default_rng(0)
        )
        widths.append(box.w)
    assert widths == sorted(set(widths))
    flat = anatomy.with_facts([Fact("Emphysema", BILATERAL, "diffuse", "mild")])
    assert flat.base > anatomy.base and flat.dome < anatomy.dome


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


def test_the_picture_tells_the_side():
    """The letter R stands on the image's left, and nowhere else."""
    image, _ = prepare.draw_study(plan(10, 0)[0], 256, 0)
    assert image[10:26, 8:22].max() > 200 > 60 > image[10:26, -22:-8].max()


# ---- reports ----


def read_facts(report: str) -> tuple[set[tuple[str, str, str]], set[str]]:
    """(finding, side, severity) of what a report says is there, and the findings that it denies: grammar backwards."""
    there, denied = set(), set()
    for sentence in re.split(r"(?<=[a-z])\.", report.lower()):
        named = {
            finding for finding, names in reports.NAMES.items() for name in names if re.search(rf"\b{name}\b", sentence)
        }
        if any(mark in f" {sentence}" for mark in (f" {mark}" for mark in reports.NEGATIONS)):
            denied |= named
        elif named:
            (finding,) = named
            both = "bilateral" in sentence
            side = BILATERAL if both else next((s for s in (RIGHT, LEFT) if f" {s} " in f" {sentence} "), "midline")
            levels = [level for level in SEVERITIES for words in (reports.DEGREE, reports.SIZE)
                      if any(re.search(rf"\b{word}\b", sentence) for word in words[level])]  # fmt: skip
            there.add((finding, side, levels[0]))
    return there, denied


def test_reports_say_exactly_the_facts():
    denied_of = Counter()
    for study in plan(400, 7):
        report = str(prepare.manifest_row(study, "x.png", 7)["report"])
        there, denied = read_facts(report)
        assert there == {(fact.finding, fact.side, fact.severity) for fact in study.facts}, report
        assert not denied & {fact.finding for fact in study.facts}, report
        denied_of.update(denied)
    assert min(denied_of[finding] for finding in FINDINGS) >= 20, "each finding is also denied"


def test_reports_vary_and_sometimes_lack_a_section():
    texts = [str(prepare.manifest_row(study, "", 0)["report"]) for study in plan(400, 0)]
    assert len(set(texts)) > 320
    assert all(text.startswith(("findings : ", "impression : ")) for text in texts)
    assert sum("findings :" not in text for text in texts) >= 15
    assert sum("impression :" not in text for text in texts) >= 8
    assert 5 < np.median([len(tokenize(text)) for text in texts]) < 80


def test_a_linear_model_reads_the_labels_but_the_finding_words_alone_do_not_tell():
    studies = plan(400, 0)
    rows = [prepare.manifest_row(study, "", 0) for study in studies]
    texts, labels = [str(row["report"]) for row in rows], np.array([[row[name] for name in LABELS] for row in rows])
    train = np.array([study.split == "train" for study in studies])
    x = TfidfVectorizer(ngram_range=(1, 3), min_df=2).fit_transform(texts)
    aucs = []
    for k in range(len(LABELS)):
        model = LogisticRegression(C=30, max_iter=500).fit(x[train], labels[train, k])
        aucs.append(roc_auc_score(labels[~train, k], model.decision_function(x[~train])))
    assert min(aucs) > 0.97
    effusion = np.array([any(name in text for name in reports.NAMES["Effusion"]) for text in texts])
    assert labels[effusion, FINDINGS.index("Effusion")].mean() < 0.35


# ---- refused ----


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
