"""What a training is made of: data, vocabulary, features, the network with its first weights, and the run's folder.

`set_up` computes the features that are missing and starts the run's folder; `build_model` and `session_init` give the
network and its first weights. What is read and checked before is in `tienet.training.inputs`, what the network starts
from in `tienet.training.sources`, the loop over the epochs in `tienet.training.train`.
"""

import hashlib
import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tienet import devices
from tienet.checkpoint import run_folder
from tienet.checkpoint.earlier_run import BOTH, LAST_EPOCH, EarlierRun
from tienet.checkpoint.entries import TrainingState
from tienet.checkpoint.identity import Identity, note_other_versions
from tienet.checkpoint.resume import ResumePoint, truncate_log
from tienet.config import Config
from tienet.data import leaks
from tienet.data.batch_split import BatchSplit
from tienet.data.dataflow import Studies, TrainingBatches
from tienet.data.features import statistics as feature_statistics
from tienet.data.text import IMPRESSION, Vocab
from tienet.errors import InputError
from tienet.inference.image_statistics import keep_distribution, measure_statistics
from tienet.interruption import Interruption
from tienet.modeling import backbone_weights
from tienet.training.choice import choose_by
from tienet.training.inputs import Inputs, check_parts
from tienet.training.places import Places
from tienet.training.ranking import rule_for
from tienet.training.seen import with_seen
from tienet.training.sources import Sources, with_learnt_vectors, with_statistics
from tienet.training.studies import SplitStudies, load_splits
from tienet.training.train_on import loaded_facts

if TYPE_CHECKING:
    from tensorpack.tfutils.sessinit import SessionInit

    from tienet.distributed.workers import Workers
    from tienet.modeling.losses import ReportWeights
    from tienet.modeling.model import TieNet


@dataclass(frozen=True)
class Setup:
    """What a training is made of, before its network is built.

    Attributes:
        config: The settings.
        places: Where the files are.
        batch_split: How a batch is divided among workers, towers and accumulation steps.
        resumed_from: The checkpoint that the run is resumed from; None: it starts anew.
        initial_weights: The run or checkpoint whose weights a new run starts from; None: from random ones.
        state: How far the run has come; the training updates it.
        vocab: The run's vocabulary.
        word_vectors: float32 [V, E], the first values of the word vectors.
        train_studies: The studies that the network learns from: the training split, or it and the validation split.
        val_studies: The validation split; None if the network learns from it.
        earlier: As in `Inputs`.
        batches: The batches of the training split, from the step that `state` names on.
        workers: The processes that train together; None: one process trains alone.
        interruption: What stops the training on a signal.
    """

    config: Config
    places: Places
    batch_split: BatchSplit
    resumed_from: ResumePoint | None
    initial_weights: str | None
    state: TrainingState
    vocab: Vocab
    word_vectors: np.ndarray
    train_studies: Studies
    val_studies: Studies | None
    earlier: EarlierRun | None
    batches: TrainingBatches
    workers: "Workers | None"
    interruption: Interruption

    @property
    def is_chief(self) -> bool:
        """Whether this process validates, logs and saves."""
        return self.workers is None or self.workers.cluster.is_chief


def set_up(
    config: Config,
    places: Places,
    batch_split: BatchSplit,
    inputs: Inputs,
    workers: "Workers | None",
    interruption: Interruption,
) -> Setup:
    """Compute the features that are missing, and start the run's folder.

    Raises:
        InputError: There are too few studies, an image cannot be read, or the workers were not started alike.
    """
    from tienet.distributed.chief_first import chief_first

    check_parts(inputs, config, batch_split)  # before the features are computed
    start, manifest, sources = inputs.start, inputs.manifest, with_learnt_vectors(inputs.sources, config)
    state, earlier = start.state if start else TrainingState(), inputs.earlier
    if earlier is None:
        state = choose_by(rule_for(config.mode_parts, manifest.split("val")), config.mode_parts, state)
    else:
        state = replace(state, chosen_by=LAST_EPOCH)
    if workers:
        _check_workers_agree(workers, config, inputs, sources.identity, batch_split, state)
    splits = load_splits(manifest, earlier is not None, sources, config, workers, interruption)
    batches = TrainingBatches(splits.learnt, config.batch, config.seed, batch_split, state.step)
    setup = Setup(
        config=config,
        places=places,
        batch_split=batch_split,
        resumed_from=start,
        initial_weights=inputs.load,
        state=state,
        vocab=sources.vocab,
        word_vectors=sources.word_vectors,
        train_studies=splits.learnt,
        val_studies=splits.val if earlier is None else None,
        earlier=earlier,
        batches=batches,
        workers=workers,
        interruption=interruption,
    )
    with chief_first(workers, interruption):  # the others read the backbone and the statistics from the folder
        if setup.is_chief:
            _start_folder(setup, inputs, sources, splits)
    return setup


def build_model(setup: Setup) -> "TieNet":
    """The network, with the label weights of its studies, and the backbone and statistics of the run's folder."""
    from tienet.modeling.losses import LabelWeights
    from tienet.modeling.model import TieNet

    config, run = setup.config, run_folder.load_run(setup.places.logdir)
    weights = run.backbone_weights() if config.mode_parts.image and config.features == "off" else None
    labels = setup.train_studies.labels
    weighted = config.mode_parts.classifies and config.weighted_loss
    label_weights = LabelWeights.from_labels(labels) if weighted else LabelWeights.equal()
    statistics = run.feature_statistics()
    report_weights = report_weights_of(config, labels, setup.train_studies.lengths)
    if setup.is_chief:
        for note in [label_weights.note, *writing_without_effect(config, report_weights, setup.vocab)]:
            if note:
                print(f"note: {note}", file=sys.stderr)
    model = TieNet(
        config,
        len(setup.vocab),
        setup.word_vectors.shape[1],
        label_weights,
        report_weights,
        weights,
        statistics,
        impression=setup.vocab.ids.get(IMPRESSION),
    )
    model.summary_decay **= 1 / setup.batch_split.accumulate
    return model


def report_weights_of(config: Config, labels: np.ndarray, lengths: np.ndarray) -> "ReportWeights | None":
    """What L_R of each report counts; None in modes that do not write.

    Args:
        labels: The training labels, [Q, K].
        lengths: int [Q], the words of each report, <END> counted.
    """
    from tienet.modeling.losses import ReportWeights

    if not config.mode_parts.writes:
        return None
    mean_words = float(lengths.mean()) if config.report_loss == "words" else None
    return ReportWeights.from_labels(labels, config.finding_share, mean_words)


def writing_without_effect(config: Config, weights: "ReportWeights | None", vocab: Vocab) -> list[str]:
    """The settings of writing that change nothing with these data, each with the reason.

    Args:
        weights: What L_R of each report counts, from `report_weights_of`.
    """
    notes = []
    if config.mode_parts.writes and config.finding_share is not None and weights.diseased == 1:
        notes.append("finding_share changes nothing: no training study has a finding, or all have one")
    if config.mode_parts.writes and config.findings_penalty and IMPRESSION not in vocab.ids:
        notes.append(f"findings_penalty changes nothing: no training report has the heading {IMPRESSION!r}")
    return notes


def session_init(setup: Setup) -> "SessionInit":
    """Where the variables get their first values from, beside their initializers."""
    from tensorpack.tfutils.sessinit import ChainInit, JustCurrentSession

    from tienet.checkpoint.restore import WORD_VECTORS, StrictRestore, WordVectors, new_scopes

    if not setup.is_chief:
        return JustCurrentSession()  # the chief's values are broadcast before the first step
    if setup.resumed_from:
        return StrictRestore(setup.resumed_from.prefix)
    if setup.initial_weights:
        folder, prefix = run_folder.locate(setup.initial_weights)
        new = new_scopes(setup.config, Config.load(folder / "config.json")) if (folder / "run.json").is_file() else ()
        if new:
            names = ", ".join(scope.rstrip("/") for scope in new)
            print(f"note: {setup.initial_weights} has no {names}: these start anew", file=sys.stderr)
        restored = StrictRestore(prefix, trainable_only=True, new=new)
        return ChainInit([restored, WordVectors(setup.word_vectors)]) if WORD_VECTORS in new else restored
    return WordVectors(setup.word_vectors) if setup.config.mode_parts.reads else JustCurrentSession()


def _check_workers_agree(
    workers: "Workers",
    config: Config,
    inputs: Inputs,
    identity: Identity,
    batch_split: BatchSplit,
    state: TrainingState,
) -> None:
    """Raise InputError if the workers were not started alike; before features are computed by another backbone."""
    facts = {
        "settings": json.dumps(config.to_json()),
        "data": inputs.manifest.fingerprint(),
        "--train-on and --epochs-of": "" if inputs.earlier is None else json.dumps(inputs.earlier.to_json()),
        **identity.compared_by_workers(),
        "--tower-batch": str(batch_split.accumulate),
        "number of GPUs": str(batch_split.towers),
        "checkpoint to go on from (--logdir must be one folder for all)": str(state),
    }
    digests = [int.from_bytes(hashlib.sha256(fact.encode()).digest()[:7], "big") for fact in facts.values()]
    if differing := [list(facts)[n] for n in workers.find_differing(digests)]:
        raise InputError(f"the workers differ in their {'; '.join(differing)}: start all of them alike")


# ---- the run's folder, and what is kept there ----


def _start_folder(setup: Setup, inputs: Inputs, sources: Sources, splits: SplitStudies) -> None:
    """Start a new run's folder, or cut a resumed run's log back to the step that it is resumed from.

    How the images are distributed is measured on the training split, with the validation split as its unit, in a run
    that learns from both too: the distances of images that it was measured on would be too small a unit.
    """
    from tensorpack.utils import logger

    from tienet.training.logs import ignore_failed_lines

    config, logdir = setup.config, setup.places.logdir
    logdir.mkdir(parents=True, exist_ok=True)
    if setup.resumed_from:
        run = run_folder.load_run(logdir)
        note_other_versions(run)
        if config.mode_parts.image and run.image_distribution() is None:  # a run of an older version
            keep_distribution(logdir, config, splits.train, splits.val, run.backbone_weights())
        truncate_log(logdir, setup.resumed_from.state.epoch)
    else:
        if sources.backbone is not None:
            backbone_weights.save_weights(logdir / "backbone.npz", sources.backbone, config.backbone_end)
            if config.feature_norm:
                if sources.statistics is None:
                    measured = measure_statistics(config, setup.train_studies, sources.backbone)
                    sources = with_statistics(sources, measured)
                feature_statistics.save(logdir / "feature_norm.npy", sources.statistics)
            keep_distribution(logdir, config, splits.train, splits.val, sources.backbone)
        facts = _facts(setup, inputs) | sources.identity.facts()
        run_folder.create_run(logdir, config, setup.vocab, facts, _fingerprints(inputs))
    logger.set_logger_dir(str(logdir), action="k")
    ignore_failed_lines(logger._logger)


def _facts(setup: Setup, inputs: Inputs) -> dict[str, object]:
    """What run.json has of a new run, beside its identity."""
    facts = {
        "word_dim": setup.word_vectors.shape[1],
        "data_fingerprint": inputs.manifest.fingerprint(),
        "data": inputs.manifest.name,
        "arithmetic": devices.arithmetic(),
        **loaded_facts(inputs.load),
    }
    if inputs.preset is not None:
        facts["preset"] = inputs.preset
    if inputs.earlier is not None:
        facts |= {"train_on": BOTH, "earlier_run": inputs.earlier.to_json()}
    return facts


def _fingerprints(inputs: Inputs) -> dict[str, list[leaks.Fingerprint]]:
    """The studies of a new run: those that its weights have learnt from or will, and those that it is validated on."""
    learnt = with_seen(leaks.fingerprints(inputs.learnt), inputs.before)
    val = leaks.fingerprints(inputs.manifest.split("val")) if inputs.earlier is None else []
    return {"train": learnt, "val": val}
