"""Training: from a manifest to a run's folder with its best checkpoint."""

import sys
from contextlib import ExitStack

import tensorflow as tf
from tensorpack.callbacks import Callback, MergeAllSummaries
from tensorpack.tfutils.sesscreate import NewSessionCreator

from tienet import devices
from tienet.checkpoint import run_folder
from tienet.config import Config
from tienet.distributed.workers import Workers
from tienet.folders import contents
from tienet.interruption import Interruption
from tienet.modeling.lstm import way
from tienet.modeling.model import TieNet
from tienet.training import memory
from tienet.training.callbacks import EpochLength, LearningRateDrop, StopEarly
from tienet.training.choice import Choice
from tienet.training.compiling import compile_ahead
from tienet.training.epoch_progress import EpochProgress
from tienet.training.inputs import Inputs, open_inputs, split_batch
from tienet.training.logs import EventLog, ScalarLog
from tienet.training.padded_lengths import lengths_for
from tienet.training.placement import CPU
from tienet.training.places import SINGLE_PROCESS, Parallelism, Places
from tienet.training.profiling import Profile
from tienet.training.saving import LastEpoch, Saving
from tienet.training.setup import Setup, build_model, session_init, set_up
from tienet.training.trainer import QueueInput, Trainer
from tienet.training.validation import Validation

__all__ = ["SINGLE_PROCESS", "Parallelism", "Places", "train"]

tf1 = tf.compat.v1

QUEUED_PARTS = 4
"""Parts of batches that wait for the network; few, because they are large."""


def train(
    config: Config,
    places: Places,
    gpus: list[int],
    resume: bool = False,
    load: str | None = None,
    parallelism: Parallelism = SINGLE_PROCESS,
    interruption: Interruption | None = None,
    inputs: Inputs | None = None,
) -> None:
    """Train until the epochs are over or validation stops improving; Ctrl-C and SIGTERM leave a checkpoint.

    Args:
        config: The settings.
        places: Where the files are.
        gpus: The GPUs to use, one tower each; empty: the CPU.
        resume: Whether to resume the run in `places.logdir`, or to start it if it has no checkpoint yet.
        load: The run or checkpoint whose weights a new run starts from; None: from random ones.
        parallelism: How a batch is shared, by accumulation and with other processes.
        interruption: What takes the signals; None: a new one does.
        inputs: What `open_inputs` has read for the same arguments; None: it is read now.
    Raises:
        InputError: The arguments do not fit together or to the data, the run's folder holds something else or another
            process is writing it, or the training failed; the message is one line.
        Interrupted: A signal stopped the training; the checkpoint has been written.
    """
    cluster = parallelism.cluster
    batch_split = split_batch(config, parallelism, gpus)
    with ExitStack() as stack:
        if cluster.is_chief:  # the other workers write nothing there
            stack.enter_context(contents.writing(places.logdir, contents.RUN, "--logdir", again=True))
        inputs = inputs or open_inputs(config, places, resume, load, cluster.is_chief)
        interruption = interruption or stack.enter_context(Interruption())
        workers = None
        if cluster.size > 1:
            workers = Workers(cluster, bool(gpus) and devices.gpu_computes(), parallelism.peer_timeout)
            stack.enter_context(interruption.deferred())  # the workers stop together
        _run_epochs(set_up(config, places, batch_split, inputs, workers, interruption))
        if workers:
            workers.close()
        if interruption.wanted:
            raise interruption.error()
        if cluster.is_chief and (flaw := run_folder.open_run(places.logdir).writing_flaw):
            print(f"note: {places.logdir}: {flaw}", file=sys.stderr)


def _run_epochs(setup: Setup) -> None:
    """Build the network and train it. Raises InputError if the training fails."""
    json_log = ScalarLog() if setup.is_chief else None
    saving = _saving(setup, json_log)
    if saving.should_stop():
        print("this run has stopped early; it is done", file=sys.stderr)
        return
    model = build_model(setup)
    with tf.Graph().as_default():
        tf1.set_random_seed(setup.config.seed)
        lengths = lengths_for(setup.train_studies, setup.batches)
        trainer = _build_trainer(setup, model, lengths)
        trainer.train_with_defaults(
            callbacks=[*_callbacks(setup, saving), *compile_ahead(model, lengths, setup.batches.part_size)],
            extra_callbacks=[_progress(setup), MergeAllSummaries()] if setup.is_chief else [],
            monitors=[EventLog(setup.places.logdir), json_log] if setup.is_chief else [],
            session_creator=_session_creator(setup),
            session_init=session_init(setup),
            steps_per_epoch=setup.batches.steps_per_epoch,
            starting_epoch=setup.state.epoch + 1,
            max_epoch=setup.config.epochs,
        )
    if error := trainer.failure or setup.batches.error:
        with memory.told("reading studies", setup.batches.part_size, memory.FOR_TRAINING):
            raise error


def _saving(setup: Setup, json_log: ScalarLog | None) -> Saving:
    """What validates each epoch and saves it, or only saves where nothing is left to validate by."""
    logdir, state, interruption = setup.places.logdir, setup.state, setup.interruption
    if setup.earlier is not None:
        return LastEpoch(setup.earlier, logdir, state, interruption, json_log)
    choice = Choice(setup.train_studies.manifest, setup.val_studies.manifest)
    return Validation(logdir, setup.config, setup.val_studies, setup.vocab, state, interruption, choice, json_log)


def _progress(setup: Setup) -> EpochProgress:
    return EpochProgress(setup.config.epochs, setup.batches.steps_per_epoch, setup.state.step)


def _session_creator(setup: Setup) -> NewSessionCreator:
    if setup.workers:
        return setup.workers.session_creator()
    return NewSessionCreator(config=devices.session_config())


def _build_trainer(setup: Setup, model: TieNet, lengths: tuple[int, ...]) -> Trainer:
    """The trainer, with the graph of the network and of its optimizer."""
    trainer = Trainer(setup.batch_split, setup.batches, setup.interruption, setup.workers)
    with tf.device(CPU):
        queue = tf1.FIFOQueue(QUEUED_PARTS, [spec.dtype for spec in model.inputs()], name="batches")
    batches = QueueInput(setup.batches, queue)
    with way.lengths(lengths):  # validation has evaluation's, whose code is kept
        trainer.setup_graph(model.get_input_signature(), batches, model.build_graph, model.optimizer)
    return trainer


def _callbacks(setup: Setup, saving: Saving) -> list[Callback]:
    """What happens between the steps, in this order."""
    steps, state, profile = setup.batches.steps_per_epoch, setup.state, setup.places.profile
    callbacks = [EpochLength(steps, (state.epoch + 1) * steps - state.step), LearningRateDrop(setup.config)]
    if profile and setup.is_chief:
        callbacks.append(Profile(profile))
    if setup.is_chief:
        callbacks.append(saving)
    return [*callbacks, StopEarly(saving.should_stop, setup.workers)]
