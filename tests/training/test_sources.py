"""Where a training takes its vocabulary, word vectors, backbone and statistics from, and what is refused."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.small_run import config_of, weights_of
from tienet.checkpoint.identity import Identity
from tienet.checkpoint.run_folder import load_run, locate
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.batch_split import WHOLE_BATCH
from tienet.data.manifest import Manifest
from tienet.data.text import SPECIALS, Vocab
from tienet.errors import InputError
from tienet.interruption import Interruption
from tienet.modeling import backbone_weights
from tienet.training.inputs import open_inputs
from tienet.training.places import Places
from tienet.training.setup import Setup, build_model, set_up
from tienet.training.sources import sources_of_new, sources_of_resumed, with_learnt_vectors

TEXT = config_of("annotate-text", max_words=30)
CLASSIFY = config_of("classify", max_words=30, feature_norm=True)


@pytest.fixture
def phantom(data_root) -> Manifest:
    return manifests.load("phantom", data_root)


def places_of(data_root: Path, logdir: Path, **others) -> Places:
    return Places(data_root, logdir, **{"backbone_weights": "random", **others})


def setup_of(config: Config, places: Places, resume: bool = False, load: str | None = None, workers=None) -> Setup:
    inputs = open_inputs(config, places, resume, load, is_chief=True)
    return set_up(config, places, WHOLE_BATCH, inputs, workers, Interruption())


@pytest.fixture
def other_words(data_root, tmp_path) -> Path:
    """The vocabulary of the phantom data with its words in reversed order: as many words, and the same vectors."""
    folder = shutil.copytree(data_root / "phantom" / "vocab", tmp_path / "reversed")
    words = Vocab.load(folder / "vocab.txt").words
    Vocab([*SPECIALS, *reversed(words[len(SPECIALS) :])]).save(folder / "vocab.txt")
    return folder


@pytest.fixture
def other_backbone(tmp_path) -> str:
    path = tmp_path / "other.npz"
    backbone_weights.save_weights(path, backbone_weights.random_weights("res4f", 1), "res4f")
    return str(path)


# ---- a run that is resumed ----


def test_a_resumed_run_takes_all_from_its_folder(runs, data_root, phantom, tmp_path):
    """No flag is given, and pretrained/resnet50.npz, which a new run would take, is not there."""
    run = shutil.copytree(runs["annotate"], tmp_path / "run")
    config = config_of("annotate", max_words=30)
    sources = sources_of_resumed(config, phantom, Places(data_root, run))
    assert sources.vocab.words == load_run(run).vocab.words
    assert sources.identity == Identity.of_run(load_run(run))  # the versions are the same
    assert backbone_weights.fingerprint(sources.backbone) == sources.identity.backbone
    same = shutil.copytree(data_root / "phantom" / "vocab", tmp_path / "same words elsewhere")
    for vocab, weights in ((same, "random"), (run, str(run)), (run / "checkpoints", str(run / "backbone.npz"))):
        again = sources_of_resumed(config, phantom, Places(data_root, run, vocab, weights))
        assert again.identity == sources.identity


def test_a_resumed_run_refuses_another_vocabulary_or_backbone(
    runs, data_root, phantom, tmp_path, other_words, other_backbone
):
    run = shutil.copytree(runs["annotate"], tmp_path / "run")
    config = config_of("annotate", max_words=30)
    for others, message in (
        ({"vocab": other_words}, r"--vocab .*the same words in another order.*leave --vocab out"),
        ({"backbone_weights": other_backbone}, r"--backbone-weights .*other\.npz: not the backbone of .*leave"),
    ):
        with pytest.raises(InputError, match=message):
            sources_of_resumed(config, phantom, places_of(data_root, run, **others))
    with pytest.raises(InputError, match="was trained with feature_norm=False, not True"):
        sources_of_resumed(config.replace(feature_norm=True), phantom, Places(data_root, run))


def test_an_older_run_goes_on(runs, data_root, tmp_path, capsys):
    run = shutil.copytree(runs["classify"], tmp_path / "run")
    facts = json.loads((run / "run.json").read_text())
    older = {"labels", "vocab_fingerprint", "word_dim", "data_fingerprint", "data"}
    (run / "run.json").write_text(json.dumps({name: facts[name] for name in older}))
    setup = setup_of(CLASSIFY, Places(data_root, run), resume=True)
    build_model(setup)
    assert setup.state.epoch == 2 and "was started with" not in capsys.readouterr().err


# ---- a new run ----


def test_a_runs_words_and_learnt_word_vectors(runs, data_root, phantom, tmp_path):
    run = runs["annotate-text"]
    learnt = weights_of(run, "best")["word_vectors"]
    for named in (run, locate(run)[1]):
        sources = with_learnt_vectors(
            sources_of_new(TEXT, phantom, places_of(data_root, tmp_path, vocab=named), None), TEXT
        )
        assert sources.vocab.words == load_run(run).vocab.words
        np.testing.assert_array_equal(sources.word_vectors, learnt)
    config = TEXT.replace(word_vector_std=2.0)
    scaled = with_learnt_vectors(
        sources_of_new(config, phantom, places_of(data_root, tmp_path, vocab=run), None), config
    )
    assert scaled.word_vectors[len(SPECIALS) :].std() == pytest.approx(2.0)
    assert scaled.identity == sources.identity


def test_a_run_without_words_gives_no_vocabulary(runs, data_root, phantom, tmp_path):
    with pytest.raises(InputError, match=r"--vocab .*: a run of mode classify, which reads no report"):
        sources_of_new(TEXT, phantom, places_of(data_root, tmp_path, vocab=runs["classify"]), None)


def test_another_vocabulary_or_backbone_than_the_loaded_runs_is_refused(
    runs, data_root, phantom, tmp_path, other_words, other_backbone
):
    config, load = config_of("annotate", max_words=30), str(runs["annotate"])
    with pytest.raises(InputError) as caught:
        places = places_of(data_root, tmp_path, vocab=other_words, backbone_weights=other_backbone)
        sources_of_new(config, phantom, places, load)
    message = str(caught.value)
    assert message.startswith(f"--load {load}: these weights were trained with another vocabulary (the same words in")
    assert f"give --vocab {load}; with another backbone (" in message
    assert message.endswith(f"give --backbone-weights {load}") and "\n" not in message
    sources = sources_of_new(config, phantom, Places(data_root, tmp_path, runs["annotate"], load), load)
    assert sources.identity.backbone == Identity.of_run(load_run(runs["annotate"])).backbone


def test_fine_tuning_keeps_the_feature_statistics_of_the_loaded_run(runs, data_root, tmp_path):
    """On other data, where the new run would measure others."""
    loaded = runs["classify"]  # it has computed the features of all images
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    few = (table.split != "train") | (table.groupby("split").cumcount() < 12)
    (tmp_path / "few").mkdir()
    table[few].to_csv(tmp_path / "few" / "manifest.csv", index=False)
    shutil.copytree(data_root / "phantom" / "features", tmp_path / "few" / "features")  # the same images
    config = CLASSIFY.replace(data=str(tmp_path / "few"))
    statistics, identities = [], []
    for name, load in (("new", None), ("tuned", str(loaded))):
        run = tmp_path / name
        build_model(setup_of(config, places_of(data_root, run), load=load))
        statistics.append((run / "feature_norm.npy").read_bytes())
        identities.append(Identity.of_run(load_run(run)).feature_statistics)
    assert statistics[1] == (loaded / "feature_norm.npy").read_bytes() != statistics[0]
    assert identities[1] == Identity.of_run(load_run(loaded)).feature_statistics != identities[0]


def test_a_checkpoint_outside_a_run_is_loaded_with_a_note(runs, data_root, phantom, tmp_path, capsys):
    shutil.copytree(runs["annotate-text"] / "checkpoints", tmp_path / "bare" / "checkpoints")
    best = tmp_path / "bare" / "checkpoints" / locate(runs["annotate-text"])[1].name
    sources = sources_of_new(TEXT, phantom, places_of(data_root, tmp_path / "run"), str(best))
    assert sources.statistics is None and f"note: {best}: lies in no run's folder" in capsys.readouterr().err


# ---- workers ----


class RecordedError(Exception):
    """What the first worker would compare is known."""


class FakeWorkers:
    """Two workers of which one comes after the other."""

    def __init__(self, digests: Sequence[int] | None = None) -> None:
        self.cluster, self.digests = SimpleNamespace(is_chief=True, size=2, rank=0), digests

    def find_differing(self, digests: Sequence[int]) -> list[int]:
        if self.digests is None:
            self.digests = digests
            raise RecordedError
        return [n for n, (ours, theirs) in enumerate(zip(digests, self.digests, strict=True)) if ours != theirs]


def test_a_worker_with_another_vocabulary_or_backbone_is_refused(data_root, tmp_path, other_words, other_backbone):
    def start(config: Config, workers: FakeWorkers, **others) -> None:
        setup_of(config, places_of(data_root, tmp_path / "run", **others), workers=workers)

    config, first = config_of("annotate"), FakeWorkers()
    with pytest.raises(RecordedError):
        start(config, first)
    for others, named in (
        ({"vocab": other_words}, "vocabulary"),
        ({"backbone_weights": other_backbone}, "backbone weights"),
    ):
        with pytest.raises(InputError) as caught:
            start(config, FakeWorkers(first.digests), **others)
        assert str(caught.value) == f"the workers differ in their {named}: start all of them alike"
    assert not (tmp_path / "run").exists()
