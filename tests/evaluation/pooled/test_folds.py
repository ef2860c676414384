"""Which evaluations are put together, and which are refused."""

import json
import re
import shutil

import pytest

from tests.evaluation.pooled.evaluations import RUNS, MadeUp
from tienet.errors import InputError
from tienet.evaluation.pooled.folds import RunKey, match_controls, match_runs, open_folds, read_fold
from tienet.evaluation.results_folder import UNFINISHED


@pytest.fixture
def made_up(tmp_path) -> MadeUp:
    return MadeUp(tmp_path)


def refused(*args: object, **kwargs: object) -> str:
    with pytest.raises(InputError) as error:
        open_folds(*args, **kwargs)
    assert "\n" not in str(error.value)
    return str(error.value)


def change(path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_runs_of_the_folds_are_matched_by_what_they_are(made_up):
    folds = open_folds(made_up.write())
    keys, notes = match_runs(folds)
    assert notes == []
    assert [(key.column, key.name) for key in keys] == [
        ("R", "annotate-text-0"),
        ("I+R", "annotate-0"),
        ("I", "classify-lse"),
        ("I, mean pooling", "classify"),
        ("I+GR", "report"),
        ("Captioning", "caption"),
    ]
    controls, notes = match_controls(folds, keys)
    assert notes == [] and list(controls) == ["tfidf_logistic", "pooled_logistic", "nearest_report"]
    assert [len(judged) for judged in controls["nearest_report"]] == [30, 30, 30]
    assert [judged.study_ids for judged in controls["tfidf_logistic"]] == [fold.judged.study_ids for fold in folds]


def test_a_fold_with_one_run_has_it_in_its_own_folder(made_up):
    for folder in made_up.write(["classify"]):
        shutil.copytree(folder / folder.name / "classify", folder, dirs_exist_ok=True)
        shutil.rmtree(folder / folder.name)
        assert list(read_fold(folder).runs) == [RunKey("classify", "I, mean pooling", "")]


def test_what_a_fold_lacks_is_said_and_left_out(made_up):
    folders = made_up.write(["annotate-text-0", "classify"])
    made_up.write(["caption"], folds=[1])
    shutil.rmtree(folders[2] / folders[2].name / "classify")
    keys, notes = match_runs(folds := open_folds(folders))
    assert [key.name for key in keys] == ["annotate-text-0"]
    assert notes == [
        "openi-fold-3 lacks I, mean pooling (classify): it is left out",
        "openi-fold-1, openi-fold-3 lack Captioning (caption): it is left out",
    ]
    (folders[0] / folders[0].name / "annotate-text-0" / "judged-tfidf_logistic.csv").unlink()
    controls, notes = match_controls(open_folds(folders), keys)
    assert (controls, notes) == ({}, ["openi-fold-1 lacks tfidf_logistic: it is left out"])
    shutil.rmtree(folders[1] / folders[1].name / "annotate-text-0")
    with pytest.raises(InputError, match="no run is in all folds: openi-fold-2 lacks R"):
        match_runs(open_folds(folders))
    assert len(folds) == 3


def test_a_run_with_another_pooling_is_another_run(made_up):
    folders = made_up.write(["annotate-text-0", "classify"])
    change(folders[0] / folders[0].name / "classify" / "metrics.json", column="I")
    keys, notes = match_runs(open_folds(folders))
    assert [key.name for key in keys] == ["annotate-text-0"] and len(notes) == 2


def test_folds_that_overlap_are_refused(made_up, tmp_path):
    folders = made_up.write(["classify"])
    assert "both judge study s0; expected folds that have none in common" in refused([*folders, folders[0]])
    made_up.fold_of[1] = 1  # s0 and s1 are of one patient
    folders = made_up.write(["classify"])
    said = refused(folders)
    assert said.startswith(f"{folders[0]} and {folders[1]} both judge patient p0")


def test_folds_that_do_not_cover_are_refused(made_up):
    folders = made_up.write(["classify"])
    said = refused(folders[:2])
    assert said == (
        "openi-fold-1, openi-fold-2: 60 of the data set's 90 studies are judged; give the evaluations of all folds, "
        "or say --partial"
    )
    assert len(open_folds(folders[:2], partial=True)) == 2 and len(open_folds(folders)) == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"split": "val"}, r"openi-fold-2 is of another split \(val\) than .*openi-fold-1 \(test\)"),
        ({"all_studies": {"studies": 90, "sha256": "beef"}}, "openi-fold-2 is of another data set"),
        ({"seen": {"train": 4, "val": 0}}, "the run was trained on 4 of the studies that it judged"),
        ({"column": None}, "not what tienet evaluate writes there; evaluate again"),
        ({"all_studies": {}}, "not what tienet evaluate writes there; evaluate again"),
        ({"seen": [1]}, "not what tienet evaluate writes there; evaluate again"),
    ],
)
def test_an_evaluation_of_something_else_is_refused(made_up, changed, said):
    folders = made_up.write(["classify"])
    change(folders[1] / folders[1].name / "classify" / "metrics.json", **changed)
    assert re.search(said, refused(folders))


def test_a_folder_without_an_evaluation_is_refused(made_up, tmp_path):
    folders = made_up.write(["classify"])
    assert "nowhere: there is no such folder; expected what tienet evaluate --out" in refused([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    assert "empty: has no judged.csv; expected" in refused([tmp_path / "empty"])
    run = folders[0] / folders[0].name / "classify"
    (run / "metrics.json").write_text("[]")
    assert "metrics.json: not what tienet evaluate writes there; evaluate again" in refused(folders)
    (run / "metrics.json").write_text(json.dumps({UNFINISHED: "evaluate again"}))
    assert f"{run}: this evaluation did not come to its end; evaluate again" in refused(folders)
    (run / "metrics.json").unlink()
    with pytest.raises(FileNotFoundError):
        open_folds(folders)


def test_the_folder_above_two_folds_is_refused(made_up, tmp_path):
    for fold in (0, 1):
        made_up.write_run(fold, "classify")
        shutil.move(made_up.folder(fold) / made_up.folder(fold).name, tmp_path / "tables" / made_up.folder(fold).name)
    said = refused([tmp_path / "tables"])
    assert "are of different data; give the folder of one fold, such as" in said


def test_runs_of_a_fold_that_judge_different_studies_are_refused(made_up):
    (folder,) = made_up.write(folds=[0])
    made_up.fold_of[4:6] = 0
    made_up.write_run(0, "report")
    assert "judge different studies; evaluate again" in refused([folder], partial=True)


def test_every_run_has_a_column(made_up):
    (folder,) = made_up.write(folds=[0])
    assert {key.name for key in read_fold(folder).runs} == set(RUNS)
