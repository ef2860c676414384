"""What a training reads and checks before TensorFlow is imported, so that a mistake is said at once."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from tienet.checkpoint.earlier_run import EarlierRun
from tienet.checkpoint.resume import ResumePoint, find_resume_point
from tienet.checkpoint.run_folder import Run
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.batch_split import BatchSplit, check_halves
from tienet.data.dataflow import fitted_batch
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.training.places import Parallelism, Places
from tienet.training.ranking import has_auc, note_on_ranking
from tienet.training.seen import check_unseen, runs_before
from tienet.training.sources import Sources, sources_of_new, sources_of_resumed
from tienet.training.started import check_load
from tienet.training.studies import check_data, learnt_from
from tienet.training.train_on import check_same_start, recorded


@dataclass(frozen=True)
class Inputs:
    """What a training reads before TensorFlow is imported.

    Attributes:
        start: The checkpoint that the run is resumed from; None: it starts anew.
        load: The run or checkpoint whose weights a new run starts from; None: from random ones.
        manifest: The data set.
        sources: The vocabulary, the backbone and all else that the network starts from.
        before: The runs that a new run takes what is learnt from (`tienet.training.seen`); none where it is resumed.
        earlier: The run that says how long a run is trained that learns from the validation split too
            (`tienet.training.train_on`); None for a run that learns from the training split alone.
        preset: The preset that a new run is started with; None where no command line names one.
    """

    start: ResumePoint | None
    load: str | None
    manifest: Manifest
    sources: Sources
    before: dict[str, Run] = field(default_factory=dict)
    earlier: EarlierRun | None = None
    preset: str | None = None

    @property
    def learnt(self) -> Manifest:
        """The studies that the network learns from."""
        return learnt_from(self.manifest, self.earlier is not None)

    @property
    def has_thresholds(self) -> bool:
        """Whether thresholds can be chosen on the validation split, or are those of an earlier run."""
        return self.earlier is not None or has_auc(self.manifest.split("val").labels)


def find_start(logdir: Path, resume: bool, is_chief: bool) -> ResumePoint | None:
    """The checkpoint that the run in `logdir` is resumed from; None: it starts anew.

    Raises:
        InputError: All checkpoints are damaged, or the folder holds a run that should not be resumed.
    """
    if resume:
        point = find_resume_point(logdir, repair=is_chief)
        if point is None and any(path for kind in ("latest", "best") for path in logdir.glob(f"checkpoints/{kind}-*")):
            raise InputError(f"{logdir}: all its checkpoints are damaged; start a run in another --logdir")
        if point is None and is_chief:
            print(f"{logdir}: no checkpoint yet; starting from the beginning", file=sys.stderr)
        return point
    names = ("latest.json", "best.json", "checkpoints/latest-*.json", "checkpoints/best-*")
    if is_chief and any(path for name in names for path in logdir.glob(name)):
        raise InputError(f"{logdir}: holds a run already; go on with --resume, or give another --logdir")
    return None


def open_inputs(
    config: Config,
    places: Places,
    resume: bool,
    load: str | None,
    is_chief: bool,
    earlier: EarlierRun | None = None,
) -> Inputs:
    """Read the data and the vocabulary, and check all files that the training needs.

    Args:
        resume: Whether to resume the run in `places.logdir`, or to start it if it has no checkpoint yet.
        load: The run or checkpoint whose weights a new run starts from, or one that is resumed has started from; None:
            from random ones, or nothing is said.
        is_chief: Whether this process saves.
        earlier: As in `Inputs`; where None is given, a run that is resumed has its own.
    Raises:
        InputError: The data do not fit the settings, the resumed run or the earlier one, a file is missing or broken,
            or a run that the new one starts from has learnt from the studies that it would be validated on.
    """
    start = find_start(places.logdir, resume, is_chief)
    if earlier is None and resume:
        earlier = recorded(places.logdir)
    manifest = manifests.load(config.data, places.data_root)
    check_data(manifest, config)
    note = note_on_ranking(config.mode_parts, manifest.split("val")) if earlier is None and is_chief else None
    if note:
        print(f"note: {note}", file=sys.stderr)
    if start:
        check_load(places.logdir, load)
        sources = sources_of_resumed(config, manifest, places)
        return Inputs(start, load, manifest, sources, earlier=earlier)
    sources = sources_of_new(config, manifest, places, load)
    before = runs_before(load, places.vocab if config.mode_parts.reads else None)
    if earlier is None:
        check_unseen(before, manifest.split("val"))
    else:
        for note in check_same_start(earlier, manifest, sources, load) if is_chief else ():
            print(f"note: {note}", file=sys.stderr)
    return Inputs(start, load, manifest, sources, before, earlier)


def split_batch(config: Config, parallelism: Parallelism, gpus: list[int]) -> BatchSplit:
    """How a batch is divided; raises InputError if it does not divide, or leaves too small parts."""
    cluster = parallelism.cluster
    batch_split = BatchSplit.from_batch(
        config.batch, parallelism.tower_batch, cluster.size, cluster.rank, max(len(gpus), 1)
    )
    check_halves(config, config.batch // batch_split.parts)
    return batch_split


def check_parts(inputs: Inputs, config: Config, batch_split: BatchSplit) -> None:
    """Raise InputError if there are too few training studies for the parts of a batch."""
    batch = fitted_batch(config.batch, inputs.learnt, batch_split)
    check_halves(config, batch // batch_split.parts)
