"""The parts of the logits of mode `report` add up to what the network says."""

import numpy as np

from benchmarks.label_parts import activations, parts_of, probe, rows_of, weights_of
from tienet.data import manifest as manifests
from tienet.modeling import outputs
from tienet.predict import Predictor


def test_the_parts_of_the_logits_add_up(runs, data_root):
    manifest = manifests.load("phantom", data_root)
    val = manifest.split("val")
    with Predictor(runs["report"]) as network:
        found, (W, b) = activations(network, val), weights_of(network)
        names = [outputs.LOGITS, outputs.of_true_report(outputs.LOGITS)]
        own, true = (np.stack(rows) for rows in network.fetch(network.studies(val), names).values())
        rows = rows_of(network, manifest.split("test"), val)  # fewer than in training, to learn from
    for report, logits in (("own", own), ("true", true)):
        parts = parts_of(found[report], W, b, network.config.lstm_units)
        np.testing.assert_allclose(parts["whole"], logits, atol=1e-5)
        np.testing.assert_allclose(parts["words"] + parts["image"] + b, logits, atol=1e-5)
    assert found["mean"].shape == (len(val), network.config.transition_channels)
    assert [row[:2] for row in rows[:3]] == [(part, "own report") for part in ("whole", "words", "image")]
    assert len(rows) == 10 and all(0 <= auc <= 1 for *_, auc in rows)


def test_a_regression_finds_what_is_there_and_skips_what_cannot_be_learnt():
    random = np.random.default_rng(0)
    x = random.standard_normal((200, 5))
    labels = np.stack([x[:, 2] > 0, np.zeros(200), x[:, 1] > 1], 1).astype(np.float32)
    labels[:50, 0] = np.nan
    scores = probe(x, labels, x)
    assert np.corrcoef(scores[:, 0], x[:, 2])[0, 1] > 0.9 and not scores[:, 1].any()
