"""What a training is made of: which run it starts from, what its data must have, and what its folder then holds."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tensorpack.tfutils.sessinit import JustCurrentSession

from tests.command_line import tienet
from tests.light_run import light_run
from tests.small_run import config_of, state_of, train, weights_of
from tienet.checkpoint.restore import StrictRestore, WordVectors
from tienet.checkpoint.run_folder import load_run
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.batch_split import WHOLE_BATCH, BatchSplit
from tienet.data.text import Vocab
from tienet.distributed.cluster import Cluster
from tienet.errors import InputError
from tienet.interruption import Interruption
from tienet.labels import LABELS
from tienet.modeling.losses import ReportWeights
from tienet.predict import Predictor
from tienet.training import train as training
from tienet.training.inputs import find_start, open_inputs
from tienet.training.places import Parallelism, Places
from tienet.training.setup import (
    Setup,
    build_model,
    report_weights_of,
    session_init,
    set_up,
    writing_without_effect,
)  # fmt: skip


def setup_of(config: Config, data_root: Path, logdir: Path, resume: bool = False, load: str | None = None) -> Setup:
    """The set-up of a training in one process."""
    places = Places(data_root, logdir, backbone_weights="random")
    inputs = open_inputs(config, places, resume, load, is_chief=True)
    return set_up(config, places, WHOLE_BATCH, inputs, None, Interruption())


def test_a_new_run_has_its_folder_before_it_trains(data_root, tmp_path):
    setup = setup_of(config_of("annotate"), data_root, tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert (run.config, run.word_dim, run.vocab.words) == (setup.config, 12, setup.vocab.words)
    assert {split: len(studies) for split, studies in run.studies().items()} == {
        "train": len(setup.train_studies),
        "val": len(setup.val_studies),
    }
    assert run.backbone_path.is_file() and (setup.state.step, setup.is_chief) == (0, True)
    assert setup.word_vectors.shape == (len(setup.vocab), 12)


def test_the_first_weights_are_the_vocabularys_the_loaded_runs_or_the_checkpoints(runs, data_root, tmp_path):
    config = config_of("annotate-text")
    assert isinstance(session_init(setup_of(config, data_root, tmp_path / "new")), WordVectors)
    assert isinstance(session_init(setup_of(config_of("classify"), data_root, tmp_path / "c")), JustCurrentSession)
    loaded = session_init(setup_of(config, data_root, tmp_path / "loaded", load=str(runs["annotate-text"])))
    assert isinstance(loaded, StrictRestore) and loaded._trainable_only and loaded._prefix.name.startswith("best-")
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    setup = setup_of(config_of("annotate-text", max_words=30), data_root, tmp_path / "run", resume=True)
    resumed = session_init(setup)
    assert isinstance(resumed, StrictRestore) and not resumed._trainable_only
    assert resumed._prefix.name == f"latest-{setup.state.step}" and setup.state.epoch == 2


def test_feature_statistics_are_the_same_without_a_cache(runs, data_root, tmp_path):
    config = config_of("classify", feature_norm=True, features="off", epochs=1)
    build_model(setup_of(config, data_root, tmp_path / "off"))
    ours, cached = (np.load(folder / "feature_norm.npy") for folder in (tmp_path / "off", runs["classify"]))
    np.testing.assert_allclose(ours, cached, rtol=1e-2)


def test_the_distribution_of_the_images_is_the_same_without_a_cache_and_an_older_run_learns_it(
    runs, data_root, tmp_path
):
    setup_of(config_of("classify", features="off", epochs=1), data_root, tmp_path / "off")
    older = shutil.copytree(runs["classify"], tmp_path / "older")
    (older / "images.npz").unlink()
    setup_of(config_of("classify", max_words=30, feature_norm=True), data_root, older, resume=True)
    pooled = np.random.default_rng(1).uniform(0, 2, (5, 1024)).astype(np.float32)
    expected = load_run(runs["classify"]).image_distribution().distances(pooled)
    assert expected.min() > 1
    np.testing.assert_array_equal(load_run(older).image_distribution().distances(pooled), expected)
    np.testing.assert_allclose(load_run(tmp_path / "off").image_distribution().distances(pooled), expected, rtol=0.05)


def test_a_resumed_run_keeps_its_feature_statistics(runs, data_root, tmp_path):
    run = shutil.copytree(runs["classify"], tmp_path / "run")
    before = (run / "feature_norm.npy").read_bytes()
    config = config_of("classify", max_words=30, feature_norm=True)
    build_model(setup_of(config, data_root, run, resume=True))
    assert (run / "feature_norm.npy").read_bytes() == before


def test_a_data_set_that_has_changed_since_is_refused(runs, data_root, tmp_path):
    run = shutil.copytree(runs["annotate-text"], tmp_path / "run")
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    table["Edema"] = "1"
    table.to_csv(tmp_path / "other.csv", index=False)
    config = config_of("annotate-text", max_words=30, data=str(tmp_path / "other.csv"))
    with pytest.raises(InputError, match=r"has changed since .* was started; start a new run"):
        setup_of(config, data_root, run, resume=True)


def test_all_checkpoints_damaged(runs, tmp_path):
    run = shutil.copytree(runs["annotate-text"], tmp_path / "run")
    for path in (run / "checkpoints").glob("*.index"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="all its checkpoints are damaged; start a run in another --logdir"):
        find_start(run, resume=True, is_chief=True)


def test_a_mode_that_writes_needs_reports(data_root, tmp_path):
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["report"] = ""
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    table.to_csv(tmp_path / "silent.csv", index=False)
    config = config_of("report", data=str(tmp_path / "silent.csv"))
    with pytest.raises(InputError, match="no study has a report"):
        training.train(config, training.Places(data_root, tmp_path / "run", data_root / "phantom/vocab", "random"), [])


def test_classify_needs_no_vocabulary(data_root, tmp_path):
    shutil.copytree(data_root / "phantom", tmp_path / "bare", symlinks=True)
    shutil.rmtree(tmp_path / "bare" / "vocab")
    run = train(tmp_path, tmp_path / "run", config_of("classify", data="bare", epochs=1))
    with Predictor(run) as network:
        assert len(network.run.vocab) == 4


def test_a_second_run_in_the_same_folder_is_refused(runs, data_root):
    with pytest.raises(InputError, match="--resume"):
        train(data_root, runs["annotate"], config_of("annotate"))


@pytest.mark.parametrize("name", ["latest.json", "best.json", "checkpoints/latest-4.json", "checkpoints/best-4.index"])
def test_a_new_run_never_takes_the_folder_of_one_that_has_a_checkpoint(tmp_path, name):
    (tmp_path / "checkpoints").mkdir()
    assert find_start(tmp_path, resume=False, is_chief=True) is None
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="holds a run already; go on with --resume, or give another --logdir"):
        find_start(tmp_path, resume=False, is_chief=True)


def test_resume_starts_a_run_that_has_no_checkpoint_yet(data_root, tmp_path, capsys):
    """A cluster gives the same command whether the run was started before or not."""
    config = config_of("annotate-text", epochs=1)
    run = train(data_root, tmp_path / "run", config, resume=True)
    assert "no checkpoint yet" in capsys.readouterr().err and state_of(run)["epoch"] == 1


def test_load_starts_from_another_runs_weights(runs, data_root, tmp_path):
    config = config_of("annotate-text", learning_rate=1e-12, epochs=1)
    run = train(data_root, tmp_path / "run", config, load=str(runs["annotate-text"]), vocab=runs["annotate-text"])
    tuned, loaded = weights_of(run), weights_of(runs["annotate-text"], "best")
    for name in ("word_vectors", "lstm/W_r"):
        np.testing.assert_allclose(tuned[name], loaded[name], atol=1e-6)
    with pytest.raises(InputError, match="transition/W is missing"):
        train(data_root, tmp_path / "other", config_of("annotate"), load=str(runs["annotate-text"]))


@pytest.mark.parametrize(("tower_batch", "workers", "gpus"), [(1, 1, 1), (None, 1, 16), (1, 2, 2)])
def test_halves_of_one_study_are_refused_before_anything_is_read_or_written(tmp_path, tower_batch, workers, gpus):
    config = config_of("report", classify_on="half", data="none")
    places = Places(tmp_path / "none", tmp_path / "run", backbone_weights="random")
    cluster = Cluster(tuple(f"host:{n}" for n in range(workers)) if workers > 1 else ())
    with pytest.raises(InputError, match=r"classify_on='half' .* it takes 1; give --tower-batch 2 or more"):
        training.train(config, places, list(range(gpus)), parallelism=Parallelism(tower_batch, cluster))
    assert not (tmp_path / "run").exists()


def test_halves_of_one_study_are_refused_where_few_studies_make_the_batch_small(data_root, tmp_path):
    """Three training studies on two GPUs are one for each, whatever the batch is."""
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    of_split = table.sort_values("No_Finding").groupby("split").cumcount().sort_index()
    table[of_split < 3].to_csv(tmp_path / "few.csv", index=False)
    config = config_of("report", classify_on="half", data=str(tmp_path / "few.csv"))
    assert tienet("vocabulary", "--data", tmp_path / "few.csv", "--dim", "4") == 0
    places = Places(data_root, tmp_path / "run", backbone_weights="random")
    inputs = open_inputs(config, places, False, None, is_chief=True)
    with pytest.raises(InputError, match="classify_on='half'"):
        set_up(config, places, BatchSplit(towers=2), inputs, None, Interruption())
    assert not (tmp_path / "run").exists()


def test_a_training_split_where_all_have_a_finding_is_learnt_with_equal_weights(data_root, tmp_path, capsys):
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    healthy = (table.split == "train") & (table.No_Finding == "1")
    table.loc[healthy, list(LABELS)] = ""  # nothing is known of them
    table.to_csv(tmp_path / "diseased.csv", index=False)
    config = config_of("annotate-text", data=str(tmp_path / "diseased.csv"))
    places = Places(data_root, tmp_path / "run", data_root / "phantom" / "vocab")
    inputs = open_inputs(config, places, False, None, is_chief=True)
    setup = set_up(config, places, WHOLE_BATCH, inputs, None, Interruption())
    model = build_model(setup)
    assert model.decoding.impression == setup.vocab.ids["impression"]
    weights = model.label_weights
    assert (weights.beta_P, weights.beta_N) == (1, 1) and (weights.lambda_m == 1).all()
    count = (~healthy & (table.split == "train")).sum()
    assert f"note: all {count} training studies whose state is known have a finding" in capsys.readouterr().err


def test_report_from_caption_starts_its_classifier_anew_and_says_so(data_root, tmp_path, capsys):
    load = light_run(tmp_path / "caption", manifests.load("phantom", data_root), "caption", data="phantom")
    setup = SimpleNamespace(is_chief=True, resumed_from=None, initial_weights=load, config=config_of("report"))
    found = session_init(setup)
    assert found._new == ("classifier/", "text_attention/") and found._trainable_only
    assert "has no classifier, text_attention: these start anew" in capsys.readouterr().err
    setup.config = config_of("caption")
    assert session_init(setup)._new == () and capsys.readouterr().err == ""


def test_caption_from_classify_takes_its_word_vectors_from_the_vocabulary(data_root, tmp_path, capsys):
    load = light_run(tmp_path / "classify", manifests.load("phantom", data_root), "classify", data="phantom")
    vectors = np.full((3, 2), 7, np.float32)
    setup = SimpleNamespace(
        is_chief=True, resumed_from=None, initial_weights=load, config=config_of("caption"), word_vectors=vectors
    )
    restored, words = session_init(setup).inits
    assert restored._new == ("lstm/", "word_softmax/", "word_vectors") and restored._trainable_only
    assert isinstance(words, WordVectors) and words._vectors is vectors
    assert "has no lstm, word_softmax, word_vectors: these start anew" in capsys.readouterr().err


def test_what_reports_count_follows_the_settings():
    labels = np.zeros((4, 15), np.float32)
    labels[0, 2], lengths = 1, np.array([2, 4, 6, 8])
    assert report_weights_of(config_of("annotate"), labels, lengths) is None
    assert report_weights_of(config_of("caption"), labels, lengths) == ReportWeights()
    share, words = config_of("report", finding_share=0.8), config_of("caption", report_loss="words")
    assert report_weights_of(share, labels, lengths).diseased == pytest.approx(0.8 * 4)
    assert report_weights_of(words, labels, lengths) == ReportWeights(mean_words=5.0)
    both = report_weights_of(config_of("caption", finding_share=0.8, report_loss="words"), labels, lengths)
    assert both == ReportWeights(pytest.approx(3.2), pytest.approx(0.2 * 4 / 3), 5.0)


def test_settings_of_writing_that_change_nothing_are_said():
    config = config_of("caption", finding_share=0.8, findings_penalty=4.0)
    labels, lengths = np.zeros((4, 15), np.float32), np.full(4, 5)
    headed, plain = (Vocab.from_reports([text] * 2) for text in ("impression : normal .", "normal ."))
    notes = writing_without_effect(config, report_weights_of(config, labels, lengths), plain)
    assert [note.split(":")[0] for note in notes] == [
        "finding_share changes nothing", "findings_penalty changes nothing"
    ]  # fmt: skip
    labels[0, 2] = 1
    weights = report_weights_of(config, labels, lengths)
    assert writing_without_effect(config, weights, headed) == []
    assert len(writing_without_effect(config, weights, plain)) == 1
    assert writing_without_effect(config_of("annotate", findings_penalty=4.0), None, plain) == []
