"""RUN/README.md: its figures are those of the record, its sentences are true, and nobody is named."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tienet.checkpoint import validation_record
from tienet.checkpoint.calibration import save as save_calibration
from tienet.checkpoint.run_folder import locate, open_run
from tienet.data import manifest as manifests
from tienet.evaluation.calibrate import fit
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.folders import contents
from tienet.labels import LABELS
from tienet.predict import Predictor
from tienet.training.card import figures as card_figures
from tienet.training.card import write
from tienet.training.choice import Choice


@pytest.fixture(scope="module")
def data_set(data_root):
    return manifests.load("phantom", data_root)


@pytest.fixture
def reader(runs, tmp_path):
    """A calibrated copy of a run of annotate-text."""
    run = tmp_path / "reader"
    shutil.copytree(runs["annotate-text"], run)
    prefix = locate(run)[1]
    record = validation_record.read(prefix)
    save_calibration(prefix, fit(record.logits, record.labels))
    return run


def card(run, data_set) -> str:
    path = write.write_card(run, data_set, ["tienet", "train", "--data", "/Smith/phantom"])
    assert path == run / "README.md"
    return path.read_text()


def rows_of(text, title) -> list[list[str]]:
    """The rows of the first table after a title, the header first."""
    lines = text.split(title, 1)[1].splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("|"))
    table = lines[start : start + next((n for n, line in enumerate(lines[start:]) if not line.startswith("|")), None)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table if not line.startswith("| ---")]


def test_the_figures_of_a_reader(reader, data_set):
    text = card(reader, data_set)
    run, val = open_run(reader), data_set.split("val")
    record = validation_record.read(run.prefix)
    table = {row[0]: row for row in rows_of(text, "## Validation")}
    expected = evaluate_auc(record.logits, val.labels, val.patient_ids)
    for k, label in enumerate(LABELS):
        row, of_label = table[label.replace("_", " ")], expected["auc"][label]
        assert row[1] == str(of_label["positives"])
        assert row[2] == ("undefined" if of_label["auc"] is None else f"{of_label['auc']:.3f}")
        assert row[5] == f"{run.thresholds()[k]:.3f}"
        if of_label["positives"]:
            assert float(row[8]) == pytest.approx(run.calibration.recall[k], abs=6e-4)
            assert table["label"][4] == "TF-IDF" and 0 <= float(row[4]) <= 1
    without = [label for label in LABELS if not expected["auc"][label]["positives"]]
    assert without and f"Nothing is known of {', '.join(without).replace('_', ' ')}: no study" in text
    assert text.startswith("---\nlibrary_name: tienet\npipeline_tag: text-classification\n") and "license" not in text
    assert f"value: {expected['avg']:.4f}}}" in text
    assert "    tienet train --data .../phantom\n" in text and "Smith" not in text
    assert "not a medical device" in text and "drawn by a program" in text and "no patient" in text
    with contents.writing(reader, contents.RUN, "--logdir"):
        pass  # the card and the curves are part of a run
    assert rows_of(text, "## Data")[1] == ["studies", *(str((data_set.splits == s).sum()) for s in manifests.SPLITS)]


def test_the_best_studies_have_the_smallest_loss(reader, data_set):
    text, run, val = card(reader, data_set), open_run(reader), data_set.split("val")
    record = validation_record.read(run.prefix)
    p = 1 / (1 + np.exp(-record.logits / run.calibration.temperatures))
    order = np.argsort(-np.where(val.labels == 1, np.log(p), np.log(1 - p)).mean(axis=1))
    best, worst = rows_of(text, "The best, from"), rows_of(text, "The worst, from")
    assert [row[0] for row in best[1:]] == [val.study_ids[n] for n in order[:4]]  # half of eight
    assert [row[0] for row in worst[1:]] == [val.study_ids[n] for n in order[::-1][:4]]
    true = {label.replace("_", " ") for label, value in zip(LABELS, val.labels[order[-1]], strict=True) if value == 1}
    assert set(worst[1][2].split(", ")) == true


def test_ids_that_may_name_people_are_not_shown(reader, data_set):
    text = card(reader, replace(data_set, name="a|b\n# clinic"))
    assert not [study for study in data_set.study_ids if study in text]
    first = rows_of(text, "The best, from")[1][0]
    assert re.fullmatch(r"no\. \d+", first) and data_set.splits[int(first[4:]) - 1] == "val"
    assert "not known here: ask who gave you the data" in text and "**a\\|b \\# clinic**" in text


def test_the_figures_of_a_writer(runs, data_set, tmp_path, monkeypatch):
    shutil.copytree(runs["report"], run := tmp_path / "writer")
    text, val = card(run, data_set), data_set.split("val")
    with Predictor(run) as network:
        written = network.predict(network.studies(val)).reports
    table = {row[0]: row for row in rows_of(text, "## Validation\n") + rows_of(text, "(chosen for")}
    bleu4, cider = Choice(data_set.split("train"), val).constant
    assert [table["BLEU-4"][3], table["CIDEr"][3]] == [f"{bleu4:.3f}", f"{cider:.3f}"]
    assert table["different reports"][1] == str(len(set(written)))
    entry = json.loads((run / "best.json").read_text())["writing"]
    assert table["BLEU-4"][1] == f"{entry['bleu4']:.3f}" and table["CIDEr"][1] == f"{entry['cider']:.3f}"
    assert ("Its reports are of no use" in text) == (open_run(run).writing_flaw is not None)
    assert not [report for report in (*val.reports, *written) if len(report) > 20 and report in text]
    assert "There is no control by words" in text and "![Loss" in text and (run / "curves.png").is_file()


def test_a_large_training_split_has_no_control_and_says_so(reader, data_set, monkeypatch):
    monkeypatch.setattr(card_figures, "MAX_CONTROL_STUDIES", 55)
    text = card(reader, data_set)
    assert "left out with more than 55 training studies" in text
    assert rows_of(text, "## Validation")[0][3:5] == ["interval", "threshold"]


def test_another_data_set_is_not_taken_and_the_training_is_not_lost(reader, data_set, capsys):
    other = replace(data_set, reports=[f"{report} x" for report in data_set.reports])
    assert write.write_after_training(reader, other, ["tienet"]) is None
    assert "README.md not written: " in (said := capsys.readouterr().err) and "split val is not the one" in said
    assert not (reader / "README.md").exists()
    (reader / "README.md").write_text("# notes\n")
    assert write.write_after_training(reader, data_set, ["tienet"]) is None
    assert "README.md: not written by TieNet; give it another name" in capsys.readouterr().err
    assert (reader / "README.md").read_text() == "# notes\n"
    (reader / "README.md").unlink()
    assert write.write_after_training(reader, data_set, ["tienet"]) == reader / "README.md"
    assert write.write_after_training(reader, data_set, ["tienet"]) == reader / "README.md"
