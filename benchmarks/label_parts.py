#!/usr/bin/env python
"""Where the labels of a run of mode `report` come from: the words' part and the image's part of the logits.

    python -m benchmarks.label_parts --load RUN --data NAME [--split test]

The classifier's logits are a sum: W_text x_aete + W_image x_swgap + b. Printed are the mean AUCs of the whole sum and
of both parts, once for the reports that the network writes and once for the true ones; of these the image's part knows
where the attention is at the true words. Below them stand logistic regressions, fitted on the training split, on what
the network computed without a true report: x_swgap and x_aete for its own words, both together, and the mean of x over
the locations, which has no attention.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tienet import cli
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.inference.predictor import Predictor, predict_all

C = 0.003
"""Of the logistic regressions: strong regularization, as most findings have few cases."""


def activations(network: Predictor, split: Manifest) -> dict[str, np.ndarray]:
    """What the classifier takes, [N, H + C] each, as `own` and `true`, and the `mean` of x, [N, C]."""
    graph, H = network._session.graph, network.config.lstm_units
    width = H + network.config.transition_channels
    into = [
        op.outputs[0]
        for op in graph.get_operations()
        if op.type == "ConcatV2" and op.outputs[0].shape.rank == 2 and op.outputs[0].shape[-1] == width
    ]
    true, own = into[::2]  # in the order in which the graph is built; behind each is that of the maps of the findings
    (x,) = (op.outputs[0] for op in graph.get_operations() if op.type == "Relu" and op.name.startswith("transition"))

    def predict(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        feed = dict(zip(network.inputs.values(), arrays, strict=True))
        found = network._session.run({"own": own, "true": true, "x": x}, feed)
        return {"own": found["own"], "true": found["true"], "mean": found["x"].mean((1, 2))}

    rows = predict_all(network.studies(split), network.config.batch, predict)
    return {name: np.stack(column) for name, column in rows.items()}


def weights_of(network: Predictor) -> tuple[np.ndarray, np.ndarray]:
    """W [H + C, K] and b [K] of the classifier's output layer."""
    variables = {v.op.name: v for v in network._session.graph.get_collection("trainable_variables")}
    return tuple(network._session.run([variables["classifier/output/W"], variables["classifier/output/b"]]))


def parts_of(x: np.ndarray, W: np.ndarray, b: np.ndarray, H: int) -> dict[str, np.ndarray]:
    """The logits [N, K], and the two parts of them."""
    text, image = x[:, :H] @ W[:H], x[:, H:] @ W[H:]
    return {"whole": text + image + b, "words": text, "image": image}


def probe(x: np.ndarray, labels: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """The scores [M, K] of logistic regressions on standardised x; 0 for labels that are not learnt."""
    scaler = StandardScaler().fit(x)
    scores = np.zeros((len(x_test), labels.shape[1]), np.float32)
    for k in range(labels.shape[1]):
        known = ~np.isnan(labels[:, k])
        if len(np.unique(labels[known, k])) == 2:
            model = LogisticRegression(C=C, max_iter=1000, class_weight="balanced")
            model.fit(scaler.transform(x[known]), labels[known, k])
            scores[:, k] = model.decision_function(scaler.transform(x_test))
    return scores


def rows_of(network: Predictor, train: Manifest, split: Manifest) -> list[tuple[str, str, float]]:
    """(what, of which report, mean AUC), in the order in which they are printed."""
    H = network.config.lstm_units
    of_train, of_split = activations(network, train), activations(network, split)
    W, b = weights_of(network)

    def auc(scores: np.ndarray) -> float:
        return evaluate_auc(scores, split.labels, split.patient_ids, resamples=0)["avg"]

    rows = [
        (part, f"{report} report", auc(scores))
        for report in ("own", "true")
        for part, scores in parts_of(of_split[report], W, b, H).items()
    ]
    for name, report, columns in (
        ("x_swgap", "own", slice(H, None)),
        ("x_aete", "own", slice(0, H)),
        ("both", "own", slice(None)),
        ("mean of x", "mean", slice(None)),
    ):
        scores = probe(of_train[report][:, columns], train.labels, of_split[report][:, columns])
        rows.append((f"logistic regression on {name}", "own report" if report == "own" else "", auc(scores)))
    return rows


def main() -> None:
    """Print the rows."""
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", required=True, metavar="DIR|FILE")
    parser.add_argument("--data", required=True, metavar="NAME|FILE")
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR")
    parser.add_argument("--split", default="test")
    args = parser.parse_args()
    manifest = manifests.load(args.data, args.data_root)
    cli.start_tensorflow()
    with Predictor(args.load) as network:
        if network.config.mode != "report":
            raise InputError(f"{args.load}: a run of mode {network.config.mode}; expected one of mode report")
        for what, report, auc in rows_of(network, manifest.split("train"), manifest.split(args.split)):
            print(f"{what:34s} {report:12s} {auc:.3f}")


if __name__ == "__main__":
    cli.run(main)
