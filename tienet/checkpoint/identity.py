"""A run's identity: what its weights belong to, and what must therefore be the same where they are used again.

Another vocabulary, backbone or standardisation often has the same shapes, so that the weights load without an error and
the network computes something else than it learnt. Only a comparison of the contents shows this. The identity is a part
of run.json, which is written once, before the first update:

vocab_fingerprint                the words, in their order
word_vectors_fingerprint         the vectors that training started from (in modes that read a report)
backbone_fingerprint             the weights of the frozen backbone (in modes with an image)
feature_statistics_fingerprint   the content of feature_norm.npy (where `feature_norm` is set)
preprocessing                    what else changes the features of an image: some settings, and PREPROCESSING
libraries                        the versions of the libraries that trained

`--resume`, `--load` of a training, and the workers of a cluster compare it. The run.json of an older run lacks some of
it: then the folder's own files give the fingerprints, and what cannot be known is not compared.
"""

import json
import sys
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

import tienet
from tienet.checkpoint.run_folder import PREPROCESSING_SETTINGS, OpenedRun, Run, statistics_fingerprint
from tienet.config import Config
from tienet.data.features.cache import PREPROCESSING
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.modeling import backbone_weights

_FLAGS = {
    "image_px": "--image-px {}",
    "backbone_end": "--backbone-end {}",
    "backbone_dtype": "--backbone-dtype {}",
    "feature_norm": "--set feature_norm={}",
}
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu")


@dataclass(frozen=True)
class Identity:
    """What the weights of a run belong to; the fingerprints are SHA-256 in hexadecimal, of contents and not of files.

    Attributes:
        vocabulary: The fingerprint of the words in their order.
        word_vectors: That of the first word vectors, before `word_vector_std`; None in a mode that reads no report, and
            for an older run.
        backbone: That of the frozen weights; None in a mode without an image.
        feature_statistics: That of the mean and standard deviation of the features; None if they are not standardised,
            and in a new run before they are measured.
        preprocessing: The values of PREPROCESSING_SETTINGS, and PREPROCESSING as `version`; None in a mode without an
            image.
        libraries: The version of each library, as `library_versions` gives them; empty for an older run.
    """

    vocabulary: str
    word_vectors: str | None
    backbone: str | None
    feature_statistics: str | None
    preprocessing: dict[str, object] | None
    libraries: dict[str, str]

    @classmethod
    def of_new_run(
        cls,
        config: Config,
        vocab: Vocab,
        word_vectors: np.ndarray,
        backbone: dict[str, np.ndarray] | None,
        statistics: np.ndarray | None = None,
    ) -> "Identity":
        """The identity of a run that is about to start in this process.

        Args:
            config: The run's settings.
            vocab: The vocabulary.
            word_vectors: float32 [V, E], as they are in the vocabulary's folder.
            backbone: The arrays of the backbone by name; None in a mode without an image.
            statistics: float32 [2, channels]; None if they are not used or not measured yet.
        """
        return cls(
            vocabulary=vocab.fingerprint(),
            word_vectors=word_vectors_fingerprint(word_vectors) if config.mode_parts.reads else None,
            backbone=None if backbone is None else backbone_weights.fingerprint(backbone),
            feature_statistics=None if statistics is None else statistics_fingerprint(statistics),
            preprocessing=_preprocessing(config),
            libraries=library_versions(),
        )

    @classmethod
    def of_run(cls, run: Run) -> "Identity":
        """The identity in a run's folder.

        Raises:
            InputError: A file of the folder is missing or broken, or not the one that the run was trained with.
        """
        facts, image = run.facts, run.config.mode_parts.image
        backbone, statistics = facts.get("backbone_fingerprint"), facts.get("feature_statistics_fingerprint")
        if image and backbone is None:  # an older run
            backbone = backbone_weights.fingerprint(run.backbone_weights())
        if statistics is None and (measured := run.feature_statistics()) is not None:
            statistics = statistics_fingerprint(measured)
        return cls(
            vocabulary=run.vocab.fingerprint(),
            word_vectors=facts.get("word_vectors_fingerprint"),
            backbone=backbone if image else None,
            feature_statistics=statistics,
            preprocessing=facts.get("preprocessing") or _preprocessing(run.config, version=1),
            libraries=facts.get("libraries") or {},
        )

    def facts(self) -> dict[str, object]:
        """The identity as entries of run.json."""
        return {
            "vocab_fingerprint": self.vocabulary,
            "word_vectors_fingerprint": self.word_vectors,
            "backbone_fingerprint": self.backbone,
            "feature_statistics_fingerprint": self.feature_statistics,
            "preprocessing": self.preprocessing,
            "libraries": self.libraries,
        }

    def compared_by_workers(self) -> dict[str, str]:
        """The parts of the identity, which all workers must have in common, as texts by their names for a message."""
        return {
            "vocabulary": self.vocabulary,
            "word vectors": str(self.word_vectors),
            "backbone weights": str(self.backbone),
            "feature statistics": str(self.feature_statistics),
            "preprocessing": json.dumps(self.preprocessing, sort_keys=True),
            "library versions": json.dumps(self.libraries, sort_keys=True),
        }

    def of_this_process(self) -> "Identity":
        """The identity with the library versions and the preprocessing of this process, with which a run goes on."""
        preprocessing = self.preprocessing and {**self.preprocessing, "version": PREPROCESSING}
        return replace(self, preprocessing=preprocessing, libraries=library_versions())


def word_vectors_fingerprint(vectors: np.ndarray) -> str:
    """The fingerprint of word vectors, float32 [V, E]: of their shape and their values."""
    return backbone_weights.fingerprint({"word_vectors": vectors})


def library_versions() -> dict[str, str]:
    """The versions of TieNet and of the libraries on which the numbers of a training depend."""
    return {
        "tienet": tienet.__version__,
        "tensorflow": _version_of(*_TENSORFLOWS),
        "tensorpack": _version_of("tensorpack"),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def _version_of(*names: str) -> str:
    """The version of the first of these distributions that is installed; "unknown" if none is."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def _preprocessing(config: Config, version: int = PREPROCESSING) -> dict[str, object] | None:
    if not config.mode_parts.image:
        return None
    return {**{name: getattr(config, name) for name in PREPROCESSING_SETTINGS}, "version": version}


# ---- a run that is resumed ----


def check_resumed_config(run: Run, config: Config) -> None:
    """Raise InputError unless a resumed run's images are preprocessed as before."""
    for name in PREPROCESSING_SETTINGS if config.mode_parts.image else ():
        ours, theirs = getattr(config, name), getattr(run.config, name)
        if ours != theirs:
            raise InputError(f"{run.folder}: was trained with {name}={theirs!r}, not {ours!r}; {_resumed('it')}")


def check_resumed_vocab(
    run: Run, identity: Identity, named: Path, vocab: Vocab, word_vectors: np.ndarray | None
) -> None:
    """Compare a resumed run's vocabulary with the one that --vocab names.

    Args:
        run: The run.
        identity: Its identity.
        named: What --vocab names.
        vocab: The vocabulary there.
        word_vectors: float32 [V, E], the vectors there; None: those of a trained run, which are not compared.
    Raises:
        InputError: The words, their order or the vectors are not those that the run was started with.
    """
    difference = vocab_difference(vocab, run.vocab)
    if difference:
        raise InputError(f"--vocab {named}: not the vocabulary of {run.folder}: {difference}; {_resumed('--vocab')}")
    if word_vectors is None or identity.word_vectors is None:
        return
    if word_vectors_fingerprint(word_vectors) != identity.word_vectors:
        raise InputError(
            f"--vocab {named}: the words of {run.folder}, but not the word vectors that it was started with; "
            f"{_resumed('--vocab')}"
        )


def check_resumed_backbone(run: Run, identity: Identity, named: str, weights: dict[str, np.ndarray]) -> None:
    """Raise InputError unless the weights that --backbone-weights names are those of a resumed run's backbone."""
    ours = backbone_weights.fingerprint(weights)
    if ours != identity.backbone:
        raise InputError(
            f"--backbone-weights {named}: not the backbone of {run.folder}: its weights have the fingerprint "
            f"{ours[:12]}, the run's {str(identity.backbone)[:12]}; {_resumed('--backbone-weights')}"
        )


def _resumed(flag: str) -> str:
    return f"a resumed run keeps its own; leave {flag} out or start a new run in another --logdir"


def note_other_versions(run: Run) -> None:
    """Print a note if a resumed run was started with other versions of the libraries or of the preprocessing."""
    then, now = Identity.of_run(run), library_versions()
    others = [
        f"{name} {version} (now {now.get(name)})"
        for name, version in then.libraries.items()
        if version != now.get(name)
    ]
    if then.preprocessing and then.preprocessing.get("version") != PREPROCESSING:
        others.append(f"preprocessing {then.preprocessing.get('version')} (now {PREPROCESSING})")
    if others:
        what = "it goes on, but its numbers may not be the same to the last digit"
        print(f"note: {run.folder}: was started with {', '.join(others)}; {what}", file=sys.stderr)


# ---- a run whose weights another run starts from ----


def check_loaded(run: OpenedRun, config: Config, vocab: Vocab, backbone: dict[str, np.ndarray] | None) -> None:
    """Compare what a new run is made of with the run whose weights it starts from.

    Only parts of the network that both have are compared, so that a run may start from one of another mode. The data
    may be others.

    Args:
        run: The run that --load names.
        config: The settings of the new run.
        vocab: The new run's vocabulary.
        backbone: The arrays of its backbone; None in a mode without an image.
    Raises:
        InputError: The vocabulary, the backbone or the preprocessing differ; the message names what to give instead.
    """
    ours, theirs, problems = config.mode_parts, run.config.mode_parts, []
    if ours.reads and theirs.reads and (difference := vocab_difference(vocab, run.vocab)):
        problems.append(f"another vocabulary ({difference}): give --vocab {run.load}")
    if ours.image and theirs.image:
        for name, flag in _FLAGS.items():
            wanted, trained = getattr(config, name), getattr(run.config, name)
            if wanted != trained:
                text = flag.format(json.dumps(trained).strip('"'))
                problems.append(f"{name}={trained!r}, not {wanted!r}: give {text}")
        if config.backbone_end == run.config.backbone_end:  # else these are other layers
            fingerprint, trained = backbone_weights.fingerprint(backbone), Identity.of_run(run).backbone
            if fingerprint != trained:
                what = f"another backbone ({str(trained)[:12]}, not {fingerprint[:12]})"
                problems.append(f"{what}: give --backbone-weights {run.load}")
    if problems:
        raise InputError(f"--load {run.load}: these weights were trained with {'; with '.join(problems)}")


def vocab_difference(ours: Vocab, theirs: Vocab) -> str | None:
    """How a vocabulary differs from a run's, in words for a message; None if the words and their order are the same."""
    if ours.words == theirs.words:
        return None
    pairs = enumerate(zip(ours.words, theirs.words, strict=False), start=1)
    first = next((f"; line {n} is {a!r}, the run's {b!r}" for n, (a, b) in pairs if a != b), "")
    if set(ours.words) == set(theirs.words):
        return f"the same words in another order{first}"
    return f"{len(ours):,} words, the run has {len(theirs):,}{first}"
