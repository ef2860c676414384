"""Where a training takes its vocabulary, word vectors and backbone from: files, another run's folder, or its own.

A run that is resumed takes them from its own folder; flags that name others are refused. A run that starts from the
weights of another one (`--load`) must have that run's vocabulary, backbone and preprocessing: `--vocab RUN` and
`--backbone-weights RUN` give them.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tienet.checkpoint import identity as identities
from tienet.checkpoint import run_folder
from tienet.checkpoint.entries import damaged, find_missing
from tienet.checkpoint.identity import Identity
from tienet.checkpoint.run_folder import OpenedRun
from tienet.config import Config
from tienet.data import vocabulary
from tienet.data.manifest import Manifest
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.modeling.backbone_weights import weights_for
from tienet.training.places import PRETRAINED, Places


@dataclass(frozen=True)
class Sources:
    """What a training's network starts from, beside its data.

    Attributes:
        vocab: The run's vocabulary.
        word_vectors: float32 [V, E], the first values of the word vectors; zeros in a run that is resumed, whose
            checkpoint has them, and where they are those of `learnt_in`.
        backbone: The arrays of the frozen backbone, by name; None in a mode without an image.
        statistics: float32 [2, channels], the feature statistics of the run that `--load` names; None where a new run
            measures its own, and where the features are not standardised.
        identity: The identity of all these.
        learnt_in: The checkpoint whose word vectors are taken, which only TensorFlow reads (`with_learnt_vectors`).
    """

    vocab: Vocab
    word_vectors: np.ndarray
    backbone: dict[str, np.ndarray] | None
    statistics: np.ndarray | None
    identity: Identity
    learnt_in: Path | None = None


def sources_of_resumed(config: Config, manifest: Manifest, places: Places) -> Sources:
    """What the run in `places.logdir` goes on with, all of it from its folder.

    Raises:
        InputError: The data set is not the one that the run was started with, or `places` names another vocabulary or
            backbone than the run's. The same content in another place is accepted.
    """
    run = run_folder.load_run(places.logdir)
    if run.facts.get("data_fingerprint") != manifest.fingerprint():
        raise InputError(f"{manifest.path}: has changed since {places.logdir} was started; start a new run")
    identities.check_resumed_config(run, config)
    identity, mode = Identity.of_run(run), config.mode_parts
    if mode.reads and places.vocab is not None:
        vocab, vectors = _named_vocab(places.vocab, manifest)
        identities.check_resumed_vocab(run, identity, places.vocab, vocab, vectors)
    if mode.image and places.backbone_weights is not None:
        weights = _backbone(config, places.backbone_weights)
        identities.check_resumed_backbone(run, identity, places.backbone_weights, weights)
    return Sources(
        vocab=run.vocab,
        word_vectors=np.zeros((len(run.vocab), run.word_dim), np.float32),
        backbone=run.backbone_weights() if mode.image else None,
        statistics=None,
        identity=identity.of_this_process(),
    )


def sources_of_new(config: Config, manifest: Manifest, places: Places, load: str | None) -> Sources:
    """What a new run starts from.

    A run that starts from the weights of another one keeps that run's feature statistics (`feature_norm`). The weights
    of its transition were trained on features that were standardised by them; other statistics would shift and scale
    its inputs, just as other preprocessing would, only that on a similar data set nobody would notice.

    Args:
        load: The run or checkpoint whose weights it starts from; None: from random ones.
    Raises:
        InputError: A file is missing or broken, or the run that `load` names had another vocabulary, backbone or
            preprocessing.
    """
    learnt_in = None
    if config.mode_parts.reads and places.vocab is not None and run_folder.folder_of_run(places.vocab):
        run = _run_with_words(places.vocab, manifest)
        vocab, vectors, learnt_in = run.vocab, np.zeros((len(run.vocab), run.word_dim), np.float32), run.prefix
    else:
        vocab, vectors = vocabulary.read_vocab(manifest, config, places.vocab)
    backbone = _backbone(config, places.backbone_weights or PRETRAINED) if config.mode_parts.image else None
    statistics = _check_loaded(load, config, vocab, backbone) if load else None
    return Sources(
        vocab=vocab,
        word_vectors=vocabulary.scaled(vectors, config.word_vector_std),
        backbone=backbone,
        statistics=statistics,
        identity=Identity.of_new_run(config, vocab, vectors, backbone, statistics),
        learnt_in=learnt_in,
    )


def with_learnt_vectors(sources: Sources, config: Config) -> Sources:
    """The sources with the word vectors of the checkpoint that `learnt_in` names; as they are if it names none.

    Raises:
        InputError: The checkpoint is damaged.
    """
    if sources.learnt_in is None:
        return sources
    from tienet.checkpoint.restore import read_variable

    vectors = read_variable(sources.learnt_in, "word_vectors")
    return replace(
        sources,
        word_vectors=vocabulary.scaled(vectors, config.word_vector_std),
        identity=replace(sources.identity, word_vectors=identities.word_vectors_fingerprint(vectors)),
        learnt_in=None,
    )


def with_statistics(sources: Sources, statistics: np.ndarray) -> Sources:
    """The sources of a new run, with the feature statistics, float32 [2, channels], that it has measured."""
    fingerprint = run_folder.statistics_fingerprint(statistics)
    return replace(sources, statistics=statistics, identity=replace(sources.identity, feature_statistics=fingerprint))


def _backbone(config: Config, named: str) -> dict[str, np.ndarray]:
    return weights_for(run_folder.backbone_source(named), config.backbone_end, config.seed)


def _named_vocab(named: Path, manifest: Manifest) -> tuple[Vocab, np.ndarray | None]:
    """The words that --vocab names, and the first word vectors; None for a run, whose vectors were trained."""
    folder = run_folder.folder_of_run(named)
    return (run_folder.load_run(folder).vocab, None) if folder else vocabulary.read_folder(named, manifest.name)


def _run_with_words(named: Path, manifest: Manifest) -> OpenedRun:
    """The run that --vocab names.

    Raises:
        InputError: There is no such run or checkpoint, or the run reads no report.
    """
    run = run_folder.open_run(named)
    if not run.config.mode_parts.reads:
        raise InputError(
            f"--vocab {named}: a run of mode {run.config.mode}, which reads no report and has no vocabulary; "
            "give a run of another mode, or a vocabulary's folder"
        )
    if run.facts.get("data_fingerprint") != manifest.fingerprint():
        what = f"was trained on other data than {manifest.path}"
        print(f"note: {run.folder}: {what}; its vocabulary must not have seen the test reports", file=sys.stderr)
    return run


def _check_loaded(load: str, config: Config, vocab: Vocab, backbone: dict[str, np.ndarray] | None) -> np.ndarray | None:
    """Compare a new run with the one that `load` names; returns the feature statistics that it takes from it."""
    folder, prefix = run_folder.locate(load)
    if flaw := find_missing(prefix):
        raise damaged(prefix, flaw)
    if not (folder / "run.json").is_file():
        what = "lies in no run's folder, so nothing says with which vocabulary and backbone it was trained"
        print(f"note: {prefix}: {what}; see yourself that they are these", file=sys.stderr)
        return None
    run = run_folder.open_run(load)
    identities.check_loaded(run, config, vocab, backbone)
    return run.feature_statistics() if config.mode_parts.image and config.feature_norm else None
