"""What a training on both splits takes from the run that `--epochs-of` names, and what it refuses."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.both_splits import learn_both, some_calibration, some_earlier
from tests.light_run import light_run, say_writing
from tienet import files
from tienet.checkpoint import calibration
from tienet.checkpoint.run_folder import OpenedRun, locate, open_run
from tienet.checkpoint.writing import Writing
from tienet.config import Config, preset_settings
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.training import train_on

MODE = "annotate-text"


@pytest.fixture
def data_set(data_root):
    return manifests.load("phantom", data_root)


@pytest.fixture
def first(data_set, tmp_path) -> OpenedRun:
    """A run on the training split, whose best epoch is its fourth of ten."""
    return run_of(tmp_path, data_set)


def run_of(tmp_path, data_set, mode=MODE, best=4, latest=10, **settings) -> OpenedRun:
    settings = {"epochs": 10, "batch": 16, "lr_drop_at": 0.3, **settings}
    folder = light_run(tmp_path / "first", data_set, mode, record=mode != "caption", data="phantom", **settings)
    name = locate(folder)[1].name
    for path, epoch in (("best.json", best), ("latest.json", latest), (f"checkpoints/{name}.json", best)):
        entry = json.loads((folder / path).read_text())
        entry |= {"epoch": epoch, "best_epoch": best, "epochs_since_best": epoch - best}
        if path == "latest.json":  # an older checkpoint than the run's, which is not there any more
            entry |= {"checkpoint": "latest-100", "step": 100}
        files.write_json(folder / path, entry)
    return open_run(folder)


def config_after(run: OpenedRun, flags=None, texts=None, preset="paper"):
    return train_on.config_after(run, train_on.open_earlier(run.load)[1], flags or {}, texts or {}, preset)


def test_what_is_taken_from_the_earlier_run(first, data_set):
    calibration.save(first.prefix, some_calibration())
    run, earlier = train_on.open_earlier(first.load)
    assert (earlier.name, earlier.checkpoint, earlier.epoch) == ("first", first.prefix.name, 4)
    assert earlier.thresholds == [0.5] * 15 and earlier.calibration.objective == "sensitivity=0.9"
    labels = data_set.split("val").labels
    logits = np.random.default_rng(run.config.seed).normal(0, 2, labels.shape)  # as tests.light_run draws them
    expected = evaluate_auc(logits, labels, list(map(str, range(len(labels)))), resamples=0)["avg"]
    assert earlier.validation == {"AUC": pytest.approx(expected)}
    assert earlier.identity["data_fingerprint"] == data_set.fingerprint()


def test_a_writer_has_its_metrics_and_its_flaw(data_set, tmp_path):
    run = run_of(tmp_path, data_set, "caption")
    say_writing(run.folder, Writing(278, 90, 100, 50, 60.0, 0.1, 0.25))
    earlier = train_on.open_earlier(run.load)[1]
    assert earlier.validation == {"BLEU-4": 0.1, "CIDEr": 0.25} and earlier.calibration is None
    assert earlier.flaw == open_run(run.folder).writing_flaw != ""


def test_settings_are_those_of_the_earlier_run(first):
    config, earlier, notes = config_after(first)
    assert config == first.config.replace(epochs=4, patience=0, lr_drop_at=0.75)
    assert earlier.differs == {} and [note for note in notes if "vocabulary stays that of the training split" in note]


@pytest.mark.parametrize("epochs", [1, 2, 7, 10, 18])
@pytest.mark.parametrize("best", [1, 2, 3, 7, 10, 17, 18])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.3, 0.5, 0.6, 0.99, 1.0])
def test_the_learning_rate_falls_in_the_same_epochs(share, best, epochs):
    """Against the rule of LearningRateDrop, epoch by epoch."""
    if best > epochs:
        return
    theirs = Config(epochs=epochs, lr_drop_at=share)
    ours, notes = train_on._drop_at(theirs, best)
    low = [epoch >= round(share * epochs) + 1 for epoch in range(1, best + 1)]
    assert [epoch >= round(ours * best) + 1 for epoch in range(1, best + 1)] == low
    assert 0 <= ours <= 1 and bool(notes) == (ours != share)


def test_what_differs_is_said_and_kept(first):
    config, earlier, notes = config_after(first, {"seed": 5}, {"dropout": "0.25"})
    assert (config.seed, config.dropout, config.batch) == (5, 0.25, 16)
    assert earlier.differs == {"seed": 0, "dropout": 0.5}
    assert [note for note in notes if note.startswith("dropout=0.25, in ") and "0.5: its 4 epochs" in note]


@pytest.mark.parametrize(
    ("flags", "texts", "preset", "message"),
    [
        (
            {"epochs": 4},
            {},
            "paper",
            "4 epochs, the number at the best checkpoint of that run; leave the setting epochs",
        ),
        ({}, {"patience": "3"}, "paper", "leave the setting patience out"),
        ({"mode": "classify"}, {}, "paper", "a run of mode annotate-text, not classify"),
        ({}, {"mode": "report"}, "paper", "a run of mode annotate-text, not report"),
        ({"batch": 8}, {}, "paper", "was trained with batch=16, not 8; its number of epochs says nothing"),
        ({"learning_rate": 0.1}, {}, "paper", "was trained with learning_rate=0.001, not 0.1"),
        ({}, {"lr_drop_at": "0.9"}, "paper", "was trained with lr_drop_at=0.3, not 0.9"),
        ({}, {}, "openi", "--preset openi: has word_vector_std=1.0, .* None; leave --preset out"),
        ({}, {"penalti": "1"}, "paper", "'penalti' is not known"),
    ],
)
def test_what_makes_the_epochs_meaningless_is_refused(first, flags, texts, preset, message):
    with pytest.raises(InputError, match=message):
        config_after(first, flags, texts, preset)


def test_the_preset_of_the_earlier_run_may_be_said_again(data_set, tmp_path):
    settings = {k: v for k, v in preset_settings("openi", MODE).items() if k not in ("image_px", "backbone_end")}
    config, earlier, _ = config_after(run_of(tmp_path, data_set, **settings), preset="openi")
    assert (config.epochs, config.dropout, earlier.differs) == (4, 0.2, {})


def test_an_earlier_run_that_may_not_be_done_has_a_note(data_set, tmp_path):
    def notes(**options):
        return train_on._unsure(run_of(tmp_path / str(len(list(tmp_path.iterdir()))), data_set, **options))

    (tmp_path / "0").mkdir()
    (calibrate,) = notes()
    assert "is not calibrated" in calibrate
    assert "has trained 6 of its 10 epochs; a better one may follow" in notes(latest=6)[0]
    assert len(notes(latest=6, patience=2)) == 1  # it has stopped early
    assert "went on to epoch 12, after it was started for 10" in notes(latest=12)[0]


def test_only_a_validated_run_on_the_training_split_is_an_earlier_run(first, data_set, tmp_path):
    with pytest.raises(InputError, match=r"--epochs-of .*none: not the folder of a run"):
        train_on.open_earlier(str(tmp_path / "none"))
    unvalidated = light_run(tmp_path / "new", data_set, MODE, name="latest-10")
    (unvalidated / "best.json").unlink()
    with pytest.raises(InputError, match="new: no best checkpoint of a run"):
        train_on.open_earlier(str(unvalidated))
    learn_both(first.folder, data_set)
    with pytest.raises(
        InputError, match="was itself trained on the training and the validation split, as long as first"
    ):
        train_on.open_earlier(first.load)


def test_a_resumed_run_keeps_what_it_was_started_with(first, data_set, tmp_path):
    earlier = some_earlier()
    assert train_on.recorded(tmp_path / "none") is None
    assert train_on.as_recorded(tmp_path / "none", earlier) is earlier
    with pytest.raises(InputError, match="was trained on the training split alone; a resumed run keeps its studies"):
        train_on.as_recorded(first.folder, earlier)
    learn_both(first.folder, data_set, earlier)
    found = train_on.as_recorded(first.folder, replace(earlier, calibration=None))  # calibrated anew since
    assert found.calibration is not None
    with pytest.raises(InputError, match=r"was started with --epochs-of first at best-30, not first at best-40"):
        train_on.as_recorded(first.folder, replace(earlier, checkpoint="best-40"))
    train_on.check_resumed(first.folder, None, set())
    train_on.check_resumed(first.folder, "train+val", {"seed"})
    with pytest.raises(InputError, match=r"was started with --train-on train\+val"):
        train_on.check_resumed(first.folder, "train", set())
    with pytest.raises(InputError, match="leave the setting epochs out"):
        train_on.check_resumed(first.folder, None, {"epochs"})


def test_it_starts_from_what_the_earlier_run_started_from(first, data_set, tmp_path):
    earlier = train_on.open_earlier(first.load)[1]
    facts = {"vocab_fingerprint": earlier.identity["vocab_fingerprint"], "backbone_fingerprint": None}
    facts["word_vectors_fingerprint"] = "1" * 64

    def check(load=None, learnt_in=None, earlier=earlier, **others):
        sources = SimpleNamespace(identity=SimpleNamespace(facts=lambda: facts | others), learnt_in=learnt_in)
        return train_on.check_same_start(earlier, data_set, sources, load)

    assert check() == []  # the light run does not say its word vectors
    with pytest.raises(InputError, match=r"with another vocabulary .*; give the --vocab that it was started with"):
        check(vocab_fingerprint="0" * 64)
    known = replace(earlier, identity=earlier.identity | {"word_vectors_fingerprint": "2" * 64})
    with pytest.raises(InputError, match="with other first word vectors"):
        check(earlier=known)
    assert check(earlier=known, learnt_in=tmp_path) == []
    other_data = replace(earlier, identity=earlier.identity | {"data_fingerprint": "0"})
    with pytest.raises(InputError, match="was trained on other data than"):
        check(earlier=other_data)
    (note,) = check(load=first.load)
    assert note.startswith("starts from first, best-10, first from random weights")
    loaded = replace(earlier, identity=earlier.identity | train_on.loaded_facts(first.load))
    assert check(load=first.load, earlier=loaded) == []
    with pytest.raises(InputError, match=r"was started from the weights of first, best-10, .* give --load"):
        check(earlier=loaded)
