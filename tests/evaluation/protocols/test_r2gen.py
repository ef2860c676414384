"""R2Gen's protocol: every figure against pycocoevalcap called by hand, empty findings, several runs, the table."""

import csv
import io

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from tests.evaluation.protocols import annotations
from tests.evaluation.protocols.annotations import r2gen_content
from tienet.errors import InputError
from tienet.evaluation.metrics.captions import CAPTION_METRICS, CaptionScorer
from tienet.evaluation.protocols.published_studies import read_published
from tienet.evaluation.protocols.r2gen import R2GenTest, Row, published_rows, spreads
from tienet.evaluation.protocols.r2gen_table import table_csv, table_text

WRITTEN = ["the heart is normal . the lungs are clear .", "no effusion . the heart is normal .", ""]


@pytest.fixture
def published(tmp_path):
    return read_published(annotations.write(tmp_path / "a.json", r2gen_content()), "r2gen")


@pytest.fixture
def test_set(published):
    with CaptionScorer(java=False) as scorer:
        yield R2GenTest(published, scorer)


def keyed(texts):
    return {n: [text] for n, text in enumerate(texts)}


def test_each_metric_is_the_librarys(test_set):
    row = test_set.judge("a", "run", WRITTEN)
    words = ["the heart is normal . the lungs are clear .", "<unk> <unk> . the heart is normal .", ""]
    assert [test_set.words_of(text) for text in WRITTEN] == words
    assert test_set.references == [
        "the heart is normal <unk> <unk> . the lungs are clear .",
        "<unk> <unk> <unk> <unk> <unk> . the heart is <unk> .",
        "the lungs are clear . <unk> is <unk> <unk> <unk> .",
    ]
    true, written = keyed(test_set.references), keyed(words)
    bleu, _ = Bleu(4).compute_score(true, written, verbose=0)
    assert [row.metrics[f"BLEU-{n}"] for n in (1, 2, 3, 4)] == bleu and bleu[3] > 0.1
    assert row.metrics["ROUGE-L"] == Rouge().compute_score(true, written)[0] > 0.3
    assert row.metrics["CIDEr"] == Cider().compute_score(true, written)[0] > 0.3
    assert row.metrics["METEOR"] is None
    assert (row.studies, row.without_findings, row.distinct) == (3, 1, 3)
    assert row.words == pytest.approx(18 / 3) and row.unknown == pytest.approx(2 / 18)


def test_meteor_takes_the_same_words(published):
    """That its figures are the library's is tested in tests/evaluation/metrics/test_captions.py."""

    class Recorded:
        def score(self, references, hypotheses):
            self.asked = references, hypotheses
            return 0.25, []

        def close(self):
            pass

    with CaptionScorer(java=False) as scorer:
        scorer._meteor = meteor = Recorded()
        test_set = R2GenTest(published, scorer)
        assert test_set.judge("a", "run", WRITTEN).metrics["METEOR"] == 0.25
    assert meteor.asked == (test_set.references, [test_set.words_of(text) for text in WRITTEN])


def test_an_empty_report_counts_and_costs(test_set):
    whole = [study.lower().replace(".", " .") for study in annotations.FINDINGS]
    full, lacking = test_set.judge("a", "run", whole), test_set.judge("b", "run", [*whole[:2], ""])
    assert full.metrics["BLEU-4"] == pytest.approx(1) and full.without_findings == 0
    assert lacking.studies == 3 and lacking.without_findings == 1
    assert lacking.metrics["ROUGE-L"] == pytest.approx(2 / 3) and lacking.metrics["BLEU-4"] < 0.8


def test_the_constant_is_the_most_frequent_of_the_training_split(test_set):
    assert test_set.judge_constant().distinct == 1
    assert test_set.judge_constant() == test_set.judge(
        "most frequent training findings", "control", ["the heart is normal . the lungs are clear ."] * 3
    )


def test_one_text_for_all_is_the_one_that_was_written_most(test_set):
    row = test_set.judge_one_for_all(["a .", *WRITTEN, WRITTEN[0]])
    assert row == test_set.judge("most frequent written findings", "control", [WRITTEN[0]] * 3) and row.distinct == 1


def test_a_file_without_the_texts_is_one_line(tmp_path):
    for part, entries, message in (
        ("train", [], "train has no report"),
        ("test", [{"id": "CXR7_IM-1", "report": " "}], "'CXR7_IM-1' of test has an empty report"),
    ):
        path = annotations.write(tmp_path / f"{part}.json", r2gen_content() | {part: entries})
        with CaptionScorer(java=False) as scorer, pytest.raises(InputError, match=message):
            R2GenTest(read_published(path, "r2gen"), scorer)


def rows_of(*values, mode="report"):
    metrics = [dict.fromkeys(CAPTION_METRICS, value) | {"METEOR": None} for value in values]
    return [Row(f"runs/{mode}-{n}", "run", mode, of_run, 3, n, 2, 9.5, 0.0) for n, of_run in enumerate(metrics)]


def test_several_runs_have_a_mean_and_a_spread():
    rows = [*rows_of(0.1, 0.2, 0.6), *rows_of(0.5, mode="caption"), *published_rows()]
    (spread,) = spreads(rows)
    assert (spread.mode, spread.runs) == ("report", 3)
    assert spread.mean["BLEU-4"] == pytest.approx(0.3)
    assert spread.deviation["CIDEr"] == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert spread.mean["METEOR"] is None and spread.deviation["METEOR"] is None


def test_the_table_has_ours_the_spread_and_the_published_figures():
    rows = [*rows_of(0.1, 0.2), Row("constant", "control", "", rows_of(0.3)[0].metrics, 3, 0, 1, 4.0, 0.0)]
    rows += published_rows()
    text = table_text(rows, spreads(rows), ["a note"])
    lines = text.splitlines()
    assert lines[0] == "R2Gen's protocol: findings only, 3 test studies"
    assert all(len(line) <= 120 for line in lines)
    found = [line.split("  ")[0] for line in lines[2:13] if not line.startswith("-")]
    expected = [
        "runs/report-0",
        "runs/report-1",
        "report, mean of 2",
        "standard deviation",
        "constant",
        "R2Gen, published",
    ]
    assert found == [*expected, "R2Gen, rerun, mean of 5"]
    ours, spread = ([line.split() for line in lines if line.startswith(title)] for title in ("report, m", "standard"))
    assert ours[0][4:] == ["0.150"] * 6 and spread[0][2:] == ["0.071"] * 6
    (theirs,) = [line.split() for line in lines if line.startswith("R2Gen, published")]
    assert theirs[2:] == ["0.470", "0.304", "0.219", "0.165", "0.187", "0.371"]
    (rerun,) = [line.split() for line in lines if line.startswith("R2Gen, rerun")]
    assert rerun[5:] == ["0.402", "0.246", "0.166", "0.118", "0.161", "0.334"]
    assert sum(line.startswith(("R2Gen sees two images", "Ours see one frontal")) for line in lines) == 2
    assert "are of 590 studies" in text and "a note" in lines


def test_of_590_studies_the_published_figures_are_comparable():
    rows = [Row("a", "run", "report", rows_of(0.1)[0].metrics, 590, 0, 9, 1.0, 0.0), *published_rows()]
    assert "are of 590 studies" not in table_text(rows, [], [])


def test_the_csv_has_every_figure():
    rows = [*rows_of(1 / 3, 2 / 3), *published_rows()]
    table = list(csv.DictReader(io.StringIO(table_csv(rows, spreads(rows)))))
    assert [line["kind"] for line in table] == ["run", "run", "published", "published", "mean", "deviation"]
    assert (
        float(table[0]["BLEU-4"]) == 1 / 3
        and table[0]["METEOR"] == ""
        and (table[1]["without_findings"], table[1]["distinct"]) == ("1", "2")
    )
    assert float(table[2]["BLEU-4"]) == 0.165 and table[2]["CIDEr"] == "" and table[2]["studies"] == ""
    assert float(table[4]["ROUGE-L"]) == pytest.approx(0.5) and table[4]["mode"] == "report"
