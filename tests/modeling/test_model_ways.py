"""A training step as a GPU has it, against that of a CPU: the loss, and the gradient of every weight."""

import numpy as np
import pytest
import tensorflow as tf
from small_network import batch_of, build, config_of

from tienet import devices

tf1 = tf.compat.v1
CASES = {
    "annotate": {"attention_norm": True, "uniform_share": 0.3},
    "report": {
        "deep_output": True, "classify_on": "half", "doubly_stochastic": 0.1, "sentence_power": 0.5,
        "attention_gate": True,
    },
}  # fmt: skip


def loss_and_gradients(config, arrays, values=None):
    """The loss, the gradients by variable, and the variables' values, which `values` replaces."""
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        placeholders, loss = build(config, training=True)
        variables = tf1.trainable_variables()
        gradients = [tf.convert_to_tensor(gradient) for gradient in tf1.gradients(loss, variables)]
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            for variable in variables if values else ():
                variable.load(values[variable.op.name], session)
            values = session.run({variable.op.name: variable for variable in variables})
            found = session.run([loss, *gradients], dict(zip(placeholders, arrays, strict=True)))
    return found[0], dict(zip(values, found[1:], strict=True)), values


@pytest.mark.parametrize("mode", CASES)
def test_training_is_the_same_on_a_gpu_but_for_rounding(random, monkeypatch, mode):
    config = config_of(mode, dropout=0.0, **CASES[mode])
    arrays = batch_of(random, lengths=(6, 1, 4, 5), mode=mode, padding=2)
    if config.weighs_sentences:
        arrays.append(random.random(arrays[-3].shape).astype(np.float32))
    loss, gradients, values = loss_and_gradients(config, arrays)
    monkeypatch.setattr(devices, "gpu_computes", lambda: True)
    on_gpu, gradients_on_gpu, _ = loss_and_gradients(config, arrays, values)
    np.testing.assert_allclose(on_gpu, loss, rtol=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(
            gradients_on_gpu[name], gradient, rtol=1e-3, atol=1e-4 * np.abs(gradient).max() + 1e-7, err_msg=name
        )
