"""A trained network as a function: what evaluation, and other programs, import."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.tfutils.tower import PredictTowerContext
from tqdm import tqdm

from tienet import checkpoint
from tienet.config import Config
from tienet.data.dataflow import Studies, evaluation_batches
from tienet.data.features import FeatureKey, Features, open_features
from tienet.data.manifest import Manifest
from tienet.labels import K
from tienet.modeling import backbone
from tienet.modeling.model import TieNet

tf1 = tf.compat.v1

CPU_BATCH = 32


@dataclass(frozen=True)
class Explanation:
    """Where the network looked for one study.

    Attributes:
        g: float32 [n + 1], text attention of <START> and each word read. g_t = max over r of G[:, t].
        a_ws: float32 [D, D], eq. 4; None in modes without an image.
    """

    g: np.ndarray
    a_ws: np.ndarray | None


class Predictor:
    """The network of one checkpoint in its own graph and session.

    Args:
        load: a run's folder or a checkpoint (see `checkpoint.locate`).
        features: as `Config.features`; "cache" takes cached features, "off" images.
    Raises:
        InputError: the checkpoint does not fit, all that is wrong with it named.
    """

    def __init__(self, load: str | Path, features: str = "cache"):
        folder, self.prefix = checkpoint.locate(load)
        self.run = checkpoint.load_run(folder)
        self.config: Config = self.run.config.replace(features=features)
        weights = None
        if self.config.mode_parts.image and features == "off":
            weights = backbone.load_weights(self.run.backbone_path, self.config.backbone_end)
        model = TieNet(self.config, len(self.run.vocab), self.run.word_dim, backbone_weights=weights)
        with tf.Graph().as_default() as graph:
            with PredictTowerContext(""):
                self._inputs = [tf1.placeholder(s.dtype, s.shape, s.name) for s in model.inputs()]
                model.build_graph(*self._inputs)
            self._session = tf1.Session(graph=graph, config=tf1.ConfigProto(allow_soft_placement=True))
            # Frozen weights are local; nothing else may start from its initializer.
            self._session.run(tf1.local_variables_initializer())
            checkpoint.restore(self._session, self.prefix, tf1.trainable_variables())

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def thresholds(self) -> np.ndarray:
        """float32 [K], from the validation split; NaN where the checkpoint was never judged."""
        found = checkpoint.thresholds_of(self.run.folder, self.prefix)
        return np.full(K, np.nan, np.float32) if found is None else found

    def studies(self, manifest: Manifest) -> Studies:
        """A manifest's studies as this network reads them; computes missing features first."""
        features = None
        if self.config.mode_parts.image and self.config.features == "cache":
            features = cached_features(manifest, self.config, self.run.backbone_path)
        return Studies.of(self.config, manifest, self.run.vocab, features)

    def probabilities(self, studies: Studies, progress: bool = False) -> np.ndarray:
        """float32 [N, K], in the order of the studies."""
        return predict_all(studies, self.config.batch, lambda batch: self._run(["probabilities"], batch)[0], progress)

    def explain(self, studies: Studies, indices: np.ndarray) -> list[Explanation]:
        """Attention of the studies at `indices`."""
        image = self.config.mode_parts.image
        explanations = []
        for n in indices:
            G, *a_ws = self._run(["G", "a_ws"] if image else ["G"], studies.batch(np.array([n])))
            explanations.append(Explanation(G[0].max(axis=0), a_ws[0][0] if image else None))
        return explanations

    def _run(self, names: list[str], batch: list[np.ndarray]) -> list[np.ndarray]:
        feed = dict(zip(self._inputs, batch, strict=True))
        return self._session.run([f"{name}:0" for name in names], feed)


def predict_all(studies: Studies, batch: int, predict, progress: bool = False) -> np.ndarray:
    """float32 [N, K]: `predict(arrays of a batch) -> [batch, K]` over all studies, back in their order."""
    probabilities = np.full((len(studies), K), np.nan, np.float32)
    with tqdm(total=len(studies), desc="studies", unit="study", disable=not progress) as bar:
        for indices, count in evaluation_batches(studies.lengths, batch):
            probabilities[indices[:count]] = predict(studies.batch(indices))[:count]
            bar.update(count)
    return probabilities


def cached_features(manifest: Manifest, config: Config, weights_path: str | Path) -> Features:
    """The backbone's outputs for a manifest's images, computed where the cache lacks them."""
    weights = backbone.weights_for(weights_path, config.backbone_end, config.seed)
    key = FeatureKey(backbone.fingerprint(weights), config.backbone_end, config.image_px)
    return open_features(
        manifest, lambda: backbone.FeatureExtractor(weights, config.backbone_end, config.image_px), key
    )
