"""A run's identity: what it is made of, that it is kept and read, and what is refused where it is compared."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tienet.checkpoint import identity as identities
from tienet.checkpoint.identity import Identity, library_versions, vocab_difference
from tienet.checkpoint.run_folder import OpenedRun, Run, create_run, load_run
from tienet.config import Config
from tienet.data.features import statistics as feature_statistics
from tienet.data.features.cache import PREPROCESSING
from tienet.data.text import SPECIALS, Vocab
from tienet.errors import InputError
from tienet.modeling import backbone_weights
from tienet.modeling.backbone_weights import Layout, Stage

CONFIG = Config().replace(mode="annotate", image_px=256, backbone_end="res4f", feature_norm=True)
TEXT, IMAGE = (CONFIG.replace(mode=mode) for mode in ("annotate-text", "classify"))
WORDS = [*SPECIALS, "heart", "lungs", "normal"]
REVERSED = [*SPECIALS, "normal", "lungs", "heart"]
VECTORS = np.arange(21, dtype=np.float32).reshape(7, 3)
STATISTICS = np.stack([np.zeros(1024), np.ones(1024)]).astype(np.float32)


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch) -> None:
    """The end res4f is that of a network of two channels."""
    monkeypatch.setitem(backbone_weights.LAYOUTS, "res4f", Layout(2, (Stage("res2", "a", 1, 2, 4),)))


def weights_of(seed: int) -> dict[str, np.ndarray]:
    return backbone_weights.random_weights("res4f", seed)


def identity_of(config: Config = CONFIG) -> Identity:
    image = config.mode_parts.image
    parts = (weights_of(0), STATISTICS) if image else (None, None)
    return Identity.of_new_run(config, Vocab(WORDS), VECTORS, *parts)


def make_run(folder: Path, config: Config = CONFIG) -> Run:
    """The folder of a run before its training, as a training makes it."""
    if config.mode_parts.image:
        backbone_weights.save_weights(folder / "backbone.npz", weights_of(0), "res4f")
        feature_statistics.save(folder / "feature_norm.npy", STATISTICS)
    facts = {"word_dim": 3, "data": "phantom", **identity_of(config).facts()}
    create_run(folder, config, Vocab(WORDS), facts, {"train": [], "val": []})
    return load_run(folder)


def edit_facts(folder: Path, drop: tuple[str, ...] = (), **changes: object) -> Run:
    """Change or drop entries of run.json."""
    facts = json.loads((folder / "run.json").read_text()) | changes
    (folder / "run.json").write_text(json.dumps({name: fact for name, fact in facts.items() if name not in drop}))
    return load_run(folder)


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(tmp_path / "run")


def opened(run: Run) -> OpenedRun:
    return OpenedRun(**vars(run), load="runs/old", prefix=run.folder / "checkpoints" / "best-1")


# ---- what it is, and that it is kept ----


@pytest.mark.parametrize("config", [CONFIG, TEXT, IMAGE], ids=lambda config: config.mode)
def test_what_a_new_run_writes_is_what_is_read(tmp_path, config):
    identity = Identity.of_run(make_run(tmp_path / "run", config))
    assert identity == identity_of(config)
    assert (identity.backbone is None) == (identity.preprocessing is None) == (config is TEXT)
    assert (identity.word_vectors is None) == (config is IMAGE)


def test_it_says_preprocessing_and_library_versions(run):
    facts = json.loads((run.folder / "run.json").read_text())
    expected = {"image_px": 256, "backbone_end": "res4f", "backbone_dtype": "float32", "feature_norm": True}
    assert facts["preprocessing"] == {**expected, "version": PREPROCESSING}
    assert facts["libraries"] == library_versions()
    assert library_versions().keys() == {"tienet", "tensorflow", "tensorpack", "numpy", "opencv"}
    assert library_versions()["numpy"] == np.__version__ and "unknown" not in library_versions().values()


def test_it_is_of_contents_and_not_of_files(run):
    weights = weights_of(0)
    np.savez_compressed(run.backbone_path, **dict(reversed(weights.items())), meta=np.array("{}"))
    assert Identity.of_run(edit_facts(run.folder, drop=("backbone_fingerprint",))) == identity_of()


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("vocabulary", Identity.of_new_run(TEXT, Vocab(REVERSED), VECTORS, None)),
        ("word_vectors", Identity.of_new_run(TEXT, Vocab(WORDS), np.nextafter(VECTORS, np.float32(99)), None)),
    ],
)
def test_each_part_of_the_text_is_seen(part, other):
    ours = identity_of(TEXT)
    assert [field.name for field in fields(Identity) if getattr(ours, field.name) != getattr(other, field.name)] == [
        part
    ]


# ---- the folder's files are those that the run was trained with ----


def test_files_that_were_exchanged_are_refused(run):
    backbone_weights.save_weights(run.backbone_path, weights_of(1), "res4f")
    with pytest.raises(InputError, match=r"backbone\.npz: not the backbone that this run was trained with; put it"):
        run.backbone_weights()
    feature_statistics.save(run.folder / "feature_norm.npy", STATISTICS + 1)
    with pytest.raises(InputError, match=r"feature_norm\.npy: not the statistics that this run was trained with; put"):
        run.feature_statistics()
    CONFIG.replace(image_px=512).save(run.folder / "config.json")
    with pytest.raises(InputError, match=r"config\.json: image_px is 512, but this run was trained with 256; put it"):
        load_run(run.folder)


def test_a_run_that_does_not_name_what_its_backbone_computed_in_computed_in_float32(run):
    older = {name: value for name, value in identity_of().preprocessing.items() if name != "backbone_dtype"}
    assert edit_facts(run.folder, preprocessing=older).config.backbone_dtype == "float32"
    CONFIG.replace(backbone_dtype="bfloat16").save(run.folder / "config.json")
    with pytest.raises(InputError, match=r"backbone_dtype is 'bfloat16', but this run was trained with 'float32'; put"):
        load_run(run.folder)


@pytest.mark.parametrize(
    ("name", "value"), [("backbone_fingerprint", 5), ("preprocessing", "1"), ("libraries", ["numpy"])]
)
def test_a_broken_entry_is_one_line(run, name, value):
    with pytest.raises(InputError, match=rf"run\.json: {name} is .*; put back the file of this run$"):
        edit_facts(run.folder, **{name: value})


def test_an_older_runs_identity_is_derived_from_its_folder(run):
    old = edit_facts(run.folder, drop=tuple(set(identity_of().facts()) - {"vocab_fingerprint"}))
    preprocessing = identity_of().preprocessing | {"version": 1}
    assert Identity.of_run(old) == replace(identity_of(), word_vectors=None, preprocessing=preprocessing, libraries={})
    identities.check_resumed_vocab(old, Identity.of_run(old), Path("v"), Vocab(WORDS), VECTORS + 1)  # not known
    with pytest.raises(InputError, match="not the backbone of"):
        identities.check_resumed_backbone(old, Identity.of_run(old), "other.npz", weights_of(1))
    with pytest.raises(InputError, match="give --backbone-weights runs/old"):
        identities.check_loaded(opened(old), CONFIG, Vocab(WORDS), weights_of(1))


# ---- a run that is resumed ----


def test_the_same_content_in_another_place_is_resumed(run, capsys):
    identity = Identity.of_run(run)
    identities.check_resumed_config(run, CONFIG.replace(epochs=9))
    identities.check_resumed_vocab(run, identity, Path("elsewhere"), Vocab(WORDS), VECTORS.copy())
    identities.check_resumed_vocab(run, identity, Path("a/run"), Vocab(WORDS), None)  # its vectors were trained
    identities.check_resumed_backbone(run, identity, "elsewhere.npz", weights_of(0))
    identities.note_other_versions(run)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "vectors", "message"),
    [
        (REVERSED, VECTORS, "the same words in another order; line 5 is 'normal', the run's 'heart'"),
        ([*WORDS, "rib"], VECTORS, "8 words, the run has 7"),
        ([*SPECIALS, "heart", "rib"], VECTORS, "6 words, the run has 7; line 6 is 'rib', the run's 'lungs'"),
        (WORDS, VECTORS + 1, "but not the word vectors that it was started with"),
    ],
)
def test_another_vocabulary_is_not_resumed(run, words, vectors, message):
    with pytest.raises(InputError) as caught:
        identities.check_resumed_vocab(run, Identity.of_run(run), Path("data/v"), Vocab(words), vectors)
    text = str(caught.value)
    assert text.startswith("--vocab data/v: ") and message in text and str(run.folder) in text and "\n" not in text
    assert text.endswith("a resumed run keeps its own; leave --vocab out or start a new run in another --logdir")


def test_another_backbone_is_not_resumed(run):
    ours, theirs = (backbone_weights.fingerprint(weights_of(seed))[:12] for seed in (1, 0))
    with pytest.raises(InputError) as caught:
        identities.check_resumed_backbone(run, Identity.of_run(run), "other.npz", weights_of(1))
    assert str(caught.value) == (
        f"--backbone-weights other.npz: not the backbone of {run.folder}: its weights have the fingerprint {ours}, the "
        f"run's {theirs}; a resumed run keeps its own; leave --backbone-weights out or start a new run in another "
        "--logdir"
    )


@pytest.mark.parametrize("change", [{"image_px": 512}, {"feature_norm": False}])
def test_other_preprocessing_is_not_resumed(run, change):
    ((name, value),) = change.items()
    with pytest.raises(InputError, match=f"was trained with {name}={getattr(CONFIG, name)!r}, not {value!r}; .*leave"):
        identities.check_resumed_config(run, CONFIG.replace(**change))


def test_other_library_versions_are_a_note(run, capsys):
    versions = library_versions() | {"numpy": "1.0", "gone": "2"}
    preprocessing = identity_of().preprocessing | {"version": PREPROCESSING - 1}
    identities.note_other_versions(edit_facts(run.folder, libraries=versions, preprocessing=preprocessing))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: {run.folder}: was started with ")
    assert f"numpy 1.0 (now {np.__version__})" in line and "opencv" not in line
    assert f"preprocessing {PREPROCESSING - 1} (now {PREPROCESSING})" in line


# ---- a run whose weights another run starts from ----


def test_a_run_of_the_same_identity_is_loaded_also_into_another_mode(run, tmp_path):
    for config in (CONFIG.replace(seed=5, learning_rate=1e-4), CONFIG.replace(mode="report"), TEXT, IMAGE):
        vocab = Vocab(WORDS) if config.mode_parts.reads else Vocab.empty()
        identities.check_loaded(opened(run), config, vocab, weights_of(0) if config.mode_parts.image else None)
    text = make_run(tmp_path / "text", TEXT)  # it has no image: nothing of an image is compared
    identities.check_loaded(opened(text), CONFIG.replace(feature_norm=False), Vocab(WORDS), weights_of(1))


@pytest.mark.parametrize(
    ("config", "words", "seed", "message"),
    [
        (CONFIG, REVERSED, 0, "another vocabulary (the same words in another order; line 5 is 'normal', the run's "
                              "'heart'): give --vocab runs/old"),
        (CONFIG, WORDS[:-1], 0, "another vocabulary (6 words, the run has 7): give --vocab runs/old"),
        (CONFIG.replace(image_px=512), WORDS, 0, "image_px=256, not 512: give --image-px 256"),
        (CONFIG.replace(feature_norm=False), WORDS, 0,
         "feature_norm=True, not False: give --set feature_norm=true"),
        (CONFIG.replace(backbone_dtype="bfloat16"), WORDS, 0,
         "backbone_dtype='float32', not 'bfloat16': give --backbone-dtype float32"),
        (CONFIG.replace(backbone_end="res5c", image_px=512), WORDS, 0,
         "image_px=256, not 512: give --image-px 256; with backbone_end='res4f', not 'res5c': give "
         "--backbone-end res4f"),
    ],
)  # fmt: skip
def test_a_run_of_another_identity_is_not_loaded(run, config, words, seed, message):
    with pytest.raises(InputError) as caught:
        identities.check_loaded(opened(run), config, Vocab(words), weights_of(seed))
    assert str(caught.value) == f"--load runs/old: these weights were trained with {message}"


def test_all_that_differs_from_the_loaded_run_is_in_one_line(run):
    with pytest.raises(InputError) as caught:
        identities.check_loaded(opened(run), CONFIG, Vocab(REVERSED), weights_of(1))
    text = str(caught.value)
    assert "--vocab runs/old; with another backbone (" in text and text.endswith("give --backbone-weights runs/old")


def test_a_vocabulary_differs_by_its_words_or_their_order():
    assert vocab_difference(Vocab(WORDS), Vocab(list(WORDS))) is None
    assert "another order" in vocab_difference(Vocab(REVERSED), Vocab(WORDS))


# ---- workers ----


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"vocabulary": "x"}, "vocabulary"),
        ({"word_vectors": "x"}, "word vectors"),
        ({"backbone": "x"}, "backbone weights"),
        ({"feature_statistics": "x"}, "feature statistics"),
        ({"preprocessing": {"version": 9}}, "preprocessing"),
        ({"libraries": {"numpy": "1"}}, "library versions"),
    ],
)
def test_workers_compare_every_part_by_its_name(change, named):
    ours, theirs = (identity.compared_by_workers() for identity in (identity_of(), replace(identity_of(), **change)))
    assert [name for name in ours if ours[name] != theirs[name]] == [named]
    assert len(ours) == len(fields(Identity))


def test_a_resumed_run_is_compared_with_the_versions_of_this_process(run):
    old = edit_facts(run.folder, libraries={"numpy": "1.0"})
    assert Identity.of_run(old).of_this_process() == identity_of()
