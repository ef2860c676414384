"""A program: a short training of `report` as a GPU has it, on the processor, and what is compiled before and in it.

Usage: compiled_training.py ahead|as-it-comes FILE. The log on the standard error has a line for each compiled
function, and UPDATES before the first update; FILE gets the weights after the last one.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

UPDATES = 6
LENGTHS = (16, 32)


def main(how: str, out: str) -> None:
    """Train."""
    from tienet import cpu, devices

    devices.gpu_computes, cpu.usable_cores = (lambda: True), (lambda: 4)
    devices.arithmetic = lambda: "CPU"
    import tensorflow as tf
    from tensorpack.tfutils.sesscreate import NewSessionCreator
    from tensorpack.tfutils.sessinit import JustCurrentSession

    from benchmarks import training
    from tests.modeling.small_network import config_of
    from tienet.data.dataflow import TrainingBatches
    from tienet.interruption import Interruption
    from tienet.modeling.lstm import way
    from tienet.training.compiling import compile_ahead
    from tienet.training.trainer import QueueInput, Trainer

    config = config_of("report", batch=4, classify_on="half", written_words=20, no_repeat=3, sentence_power=0.5)
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default():
        tf.compat.v1.set_random_seed(0)
        studies = training.studies_with_features(Path(folder), config, 24)
        for n in range(24):  # batches of 4, whose reports have similar lengths
            studies.word_ids[n] = studies.word_ids[n][: 12 if n % 2 else 30]
        batches, model = TrainingBatches(studies, 4, 0), training.model_of(config)
        trainer = Trainer(training.WHOLE_BATCH, batches, Interruption())
        queue = tf.compat.v1.FIFOQueue(4, [spec.dtype for spec in model.inputs()])
        with way.lengths(LENGTHS):
            inputs = QueueInput(batches, queue)
            trainer.setup_graph(model.get_input_signature(), inputs, model.build_graph, model.optimizer)
        trainer.setup_callbacks(compile_ahead(model, LENGTHS, 4) if how == "ahead" else [], [])
        trainer.initialize(NewSessionCreator(config=devices.session_config()), JustCurrentSession())
        with trainer.sess.as_default():
            trainer.loop.config(UPDATES, 1, 1)
            trainer._callbacks.before_train()
            print("UPDATES", file=sys.stderr, flush=True)
            for _ in range(UPDATES):
                trainer.run_step()
            weights = {variable.op.name: variable for variable in tf.compat.v1.trainable_variables()}
            np.savez(out, **trainer.sess.run(weights))
        sys.stderr.flush()
        os._exit(0)  # the thread that fills the queue has no end


if __name__ == "__main__":
    main(*sys.argv[1:])
