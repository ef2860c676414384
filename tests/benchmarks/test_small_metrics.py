"""Small copies of metrics.json: what is kept, how it is rounded and written."""

import json

import pytest

from benchmarks.small_metrics import main, small, to_text
from tienet import files
from tienet.errors import InputError

ENTRY = {"auc": 0.123456789, "lo": None, "positives": 3}
CONTROL = {
    "auc": {"Mass": ENTRY},
    "avg": 0.98765432,
    "avg_lo": 0.9,
    "labels": {"Mass": {"f1": 0.5}, "micro": {"f1": 1 / 3, "named": 2}, "macro": {"f1": 0.5}},
    "bootstrap": {"resamples": 1000},
}
METRICS = {
    "mode": "report",
    "auc": {"Mass": ENTRY},
    "captions": None,
    "calibration": {"labels": {}},
    "controls": {"tfidf_logistic": CONTROL},
    "differs": ["one", "two"],
    "seen": {"train": 0, "val": 0},
}


def test_what_is_kept_is_rounded():
    found = small(METRICS)
    assert found["auc"] == {"Mass": {"auc": 0.1235, "positives": 3}}
    assert found["controls"] == {
        "tfidf_logistic": {
            "avg": 0.9877,
            "avg_lo": 0.9,
            "labels": {"micro": {"f1": 0.3333, "named": 2}, "macro": {"f1": 0.5}},
        }
    }
    assert found.keys() == {"mode", "auc", "controls", "differs", "seen"}


def test_of_folds_put_together_the_controls_keep_their_labels():
    pooled = small({"columns": {}, "controls": {"tfidf_logistic": CONTROL}})
    assert pooled["controls"]["tfidf_logistic"]["auc"]["Mass"]["auc"] == 0.1235
    assert pooled["controls"]["tfidf_logistic"]["labels"]["Mass"] == {"f1": 0.5}


def test_the_text_is_json_with_a_line_for_what_holds_no_other():
    text = to_text(METRICS)
    assert json.loads(text) == METRICS
    assert ' "differs": ["one", "two"],' in text.splitlines() and ' "seen": {"train": 0, "val": 0}' in text.splitlines()


def test_every_run_of_a_folder_is_copied(tmp_path, capsys):
    for run in ("classify", "annotate-text-0"):
        files.write_json(tmp_path / "tables" / "openi-fold-1" / run / "metrics.json", METRICS)
    assert main([str(tmp_path / "tables"), str(tmp_path / "kept")]) == 0
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"classify.json", "annotate-text-0.json"}
    assert json.loads((tmp_path / "kept" / "classify.json").read_text()) == small(METRICS)
    assert capsys.readouterr().out == f"{tmp_path / 'kept'}: 2 files, 1 kB\n"
    one = tmp_path / "tables" / "openi-fold-1" / "classify" / "metrics.json"
    assert main([str(one), str(tmp_path / "pooled.json")]) == 0
    assert json.loads((tmp_path / "pooled.json").read_text()) == small(METRICS)


def test_a_folder_without_evaluations_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected the folder of an evaluation"):
        main([str(tmp_path), str(tmp_path / "kept")])


def test_the_evaluation_of_one_run_alone_is_named_by_its_mode(tmp_path):
    files.write_json(tmp_path / "tables" / "metrics.json", METRICS)
    assert main([str(tmp_path / "tables"), str(tmp_path / "kept")]) == 0
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [f"{METRICS['mode']}.json"]
