"""`--protocol` from the runs to the files, with networks whose reports are made up."""

import contextlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.command_line import tienet
from tests.evaluation.protocols import annotations
from tests.evaluation.protocols.annotations import TRAIN
from tests.light_run import light_run
from tienet import cli
from tienet.data import manifest as manifests
from tienet.data.readable_text import split_sections
from tienet.data.text import tokenize
from tienet.evaluation.protocols import judge as judge_module

SAID = {"a": "findings : the heart is normal . impression : normal .", "b": "impression : no acute disease ."}
"""What the run in the folder of this name writes of every study but the last, of which it writes nothing."""


@pytest.fixture(scope="module")
def phantom(data_root):
    return manifests.load("phantom", data_root)


@pytest.fixture
def made(phantom, data_root, tmp_path, monkeypatch):
    """Two runs, of modes report and caption, and R2Gen's file about the phantom data, without its first test study."""
    runs = [str(light_run(tmp_path / "a", phantom, "report")), str(light_run(tmp_path / "b", phantom, "caption"))]
    test = phantom.split("test")
    entries = [
        {"id": study, "report": split_sections(report).findings or "Clear."}
        for study, report in zip(test.study_ids, test.reports, strict=True)
    ]
    train = [{"id": f"t{n}", "report": text} for n, text in enumerate(TRAIN)]
    path = annotations.write(tmp_path / "r2gen.json", {"train": train, "val": [], "test": entries[:0:-1]})

    class Network(contextlib.nullcontext):
        feature_key = "one"

        def __init__(self, run, features, *_):
            super().__init__(self)
            self.said = SAID[run.folder.name]

        def studies(self, split):
            features = SimpleNamespace(
                pooled=lambda: np.eye(len(phantom))[[phantom.study_ids.index(n) for n in split.study_ids]]
            )
            return SimpleNamespace(manifest=split, notes=[], features=features)

        def predict(self, studies, progress):
            assert progress and studies.manifest.study_ids == test.study_ids  # all of the split, in its order
            return SimpleNamespace(reports=[self.said] * (len(test) - 1) + [""])

    monkeypatch.setattr(judge_module, "Predictor", Network)
    monkeypatch.setattr(cli, "start_tensorflow", lambda *_: None)
    flags = ["--data", "phantom", "--data-root", str(data_root), "--no-java", "--gpu", "cpu"]
    flags += ["--protocol-file", str(path), "--out", str(tmp_path / "out")]
    return SimpleNamespace(runs=runs, entries=entries, flags=flags, out=tmp_path / "out", path=path)


def test_r2gen_judges_several_runs_and_the_controls(made, capsys):
    assert tienet("evaluate", "--protocol", "r2gen", "--controls", "--load", *made.runs, *made.flags) == 0
    printed, n = capsys.readouterr().out, len(made.entries) - 1
    assert (made.out / "protocol-r2gen.txt").read_text() in printed
    table = pd.read_csv(made.out / "protocol-r2gen.csv", index_col="name")
    assert table.index.tolist() == [
        *made.runs, "most frequent written findings", "most frequent training findings", "nearest image's findings",
        "the true findings, in our words", "R2Gen, published", "R2Gen, rerun, mean of 5",
    ]  # fmt: skip
    assert table.loc[made.runs[0], ["mode", "studies", "without_findings"]].tolist() == ["report", n, 1]
    assert table.loc[made.runs[1], ["mode", "studies", "without_findings"]].tolist() == ["caption", n, n]
    assert table.loc[made.runs[0], "BLEU-1"] > 0 and table.loc[made.runs[1], "BLEU-1"] == pytest.approx(0, abs=1e-9)
    true = table.loc["the true findings, in our words"]  # some phantom reports have an impression alone
    assert 0 < true.without_findings < n / 2 and true["ROUGE-L"] == pytest.approx(1 - true.without_findings / n)
    assert f"{made.runs[1]}: {n} of {n} reports have no findings part and count as empty." in " ".join(printed.split())
    studies = pd.read_csv(made.out / "protocol-r2gen-studies.csv", keep_default_na=False)
    assert studies.id.tolist() == [entry["id"] for entry in made.entries[:0:-1]]  # the file's order
    assert studies[made.runs[0]].tolist() == ["", *["the heart is normal ."] * (n - 1)]
    assert (
        tienet("evaluate", "--protocol", "r2gen", "--load", made.runs[0], *made.flags) == 0
    )  # once more in its folder


def test_the_nearest_image_gives_its_findings(made, phantom, monkeypatch):
    """The features of every judged image are those of the second training image."""
    train = phantom.split("train")
    monkeypatch.setattr(judge_module, "nearest_reports", lambda a, texts, b: [texts[1]] * len(b))
    assert tienet("evaluate", "--protocol", "r2gen", "--controls", "--load", made.runs[0], *made.flags) == 0
    studies = pd.read_csv(made.out / "protocol-r2gen-studies.csv", keep_default_na=False)
    assert studies.nearest.nunique() == 1
    findings = tokenize(split_sections(train.reports[1]).findings)
    assert len(studies.nearest[0].split()) == len([word for word in findings if word != ","])


def test_rexrank_writes_a_file_for_each_run(made, capsys):
    assert tienet("evaluate", "--protocol", "rexrank", "--load", *made.runs, *made.flags) == 0
    assert "without findings" in capsys.readouterr().out
    one = json.loads((made.out / "protocol-rexrank-a.json").read_text())
    other = json.loads((made.out / "protocol-rexrank-b.json").read_text())
    ids = [entry["id"] for entry in made.entries[:0:-1]]
    assert list(one) == list(other) == ids
    assert one[ids[0]]["model_prediction"] == "Findings: Impression:"  # the last study of the split
    assert one[ids[1]]["model_prediction"] == "Findings: The heart is normal. Impression: Normal."
    assert other[ids[1]]["model_prediction"] == "Findings: Impression: No acute disease."
    assert one[ids[1]]["section_findings"] == made.entries[-2]["report"]
    assert tienet("evaluate", "--protocol", "rexrank", "--load", made.runs[0], *made.flags) == 0
    assert (made.out / "protocol-rexrank.json").is_file()


@pytest.mark.parametrize("protocol", ["r2gen", "rexrank"])
def test_bad_input_is_one_line_before_tensorflow(made, phantom, protocol, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    classify = str(light_run(tmp_path / "c", phantom, "classify"))
    annotations.write(
        made.path, json.loads(made.path.read_text()) | {"test": [{"id": "CXR7_IM-1", "report": "Clear."}]}
    )
    for load, more, message in (
        (classify, [], f"{classify}: mode classify writes no reports; leave --protocol {protocol} out"),
        (made.runs[0], [], "1 of the 1 test studies"),
        (made.runs[0], ["--protocol-file", "none.json"], "--protocol-file none.json: there is no such file"),
        (made.runs[0], ["--data", "phantom", "openi"], f"--protocol {protocol}: judges one data set"),
    ):
        assert tienet("evaluate", "--protocol", protocol, "--load", load, *made.flags, *more) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
        assert message in line
    assert not made.out.exists()
