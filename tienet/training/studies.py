"""The studies of a training: those that the network learns from, and those that it is validated on."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tienet.config import Config
from tienet.data.dataflow import Studies, check_studies
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.inference.predictor import cached_features
from tienet.interruption import Interruption
from tienet.labels import FINDINGS
from tienet.pages.plain_text import counted
from tienet.training.sources import Sources

if TYPE_CHECKING:
    from tienet.distributed.workers import Workers


@dataclass(frozen=True)
class SplitStudies:
    """The studies of a training.

    Attributes:
        learnt: Those that the network learns from: `train`, or those of both splits.
        train, val: The training and the validation split.
    """

    learnt: Studies
    train: Studies
    val: Studies


def check_data(manifest: Manifest, config: Config) -> None:
    """Raise InputError unless the training and the validation split have what the mode needs."""
    for name in ("train", "val"):
        check_studies(config, manifest.split(name))
    if config.mode_parts.classifies and not (manifest.split("train").labels[:, : len(FINDINGS)] == 1).any():
        what = f"which mode {config.mode} learns; use mode caption"
        raise InputError(f"{manifest.path}: no training study has a finding, {what}")


def learnt_from(manifest: Manifest, both: bool) -> Manifest:
    """The studies of the training split, or of `both` it and the validation split, in the order of the file."""
    if not both:
        return manifest.split("train")
    return manifest.take(np.flatnonzero(np.isin(manifest.splits, ("train", "val"))))


def load_splits(
    manifest: Manifest,
    both: bool,
    sources: Sources,
    config: Config,
    workers: "Workers | None",
    interruption: Interruption,
) -> SplitStudies:
    """The studies of a training; the chief computes the features that are missing.

    Args:
        both: Whether the network learns from the validation split too.
    """
    from tienet.distributed.chief_first import chief_first

    def load(split: Manifest) -> Studies:
        features = None
        if config.mode_parts.image and config.features == "cache":
            features = cached_features(split, config, sources.backbone)
        return Studies.from_manifest(config, split, sources.vocab, features)

    with chief_first(workers, interruption):
        train, val = (load(manifest.split(name)) for name in ("train", "val"))
        learnt = load(learnt_from(manifest, both)) if both else train
    if workers is None or workers.cluster.is_chief:
        _log(manifest, {"train+val": learnt} if both else {"train": train, "val": val})
    return SplitStudies(learnt, train, val)


def _log(manifest: Manifest, splits: dict[str, Studies]) -> None:
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    for name, studies in splits.items():
        print(f"{name}: {counted(len(studies), 'study')}", file=sys.stderr)
        for note in studies.notes:
            print(f"note: {name}: {note}", file=sys.stderr)
