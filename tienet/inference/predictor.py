"""A trained network as a function from studies to predictions, for evaluation and training.

TensorFlow is imported when a network is loaded, so that all that is wrong with its files is found before.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tienet import devices
from tienet.checkpoint.calibration import with_temperatures
from tienet.checkpoint.identity import Identity
from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.config import Config
from tienet.data.dataflow import Studies, evaluation_batches
from tienet.data.features.cache import Extractor, FeatureKey, Features, open_features
from tienet.data.features.image_hashes import ahead
from tienet.data.manifest import Manifest
from tienet.data.text import IMPRESSION, Vocab
from tienet.errors import InputError
from tienet.modeling import backbone_weights, outputs
from tienet.modeling.decoding import Decoding
from tienet.progress import Progress

if TYPE_CHECKING:
    import tensorflow as tf

Rows = dict[str, list[np.ndarray]]
"""Outputs of the network by name, with a row for each study."""


@dataclass(frozen=True)
class Explanation:
    """The words and the locations that the network looked at in one study.

    Attributes:
        words: <START> and the n words that the network read or wrote.
        g: float32 [n + 1], the text attention of each word, g_t = max over r of G[:, t]; None in mode caption.
        G: float32 [r, n + 1], every row of it; None in mode caption.
        a: float32 [n + 1, D, D], the spatial attention of each word; None in modes without an image.
        a_ws: float32 [D, D], eq. 4; None where g or a is None.
    """

    words: list[str]
    g: np.ndarray | None
    G: np.ndarray | None
    a: np.ndarray | None
    a_ws: np.ndarray | None


@dataclass(frozen=True)
class Predictions:
    """The network's predictions for N studies.

    Attributes:
        probabilities: float32 [N, K], calibrated if the checkpoint is; None in mode caption.
        reports: The reports that the network wrote, with spaces between the words; None in modes that do not write.
        log_probabilities: float32 [N], those of the written reports; None in modes that do not write.
        a_ws: float32 [N, D, D], eq. 4; None in modes without it, and unless it was asked for.
        logits: float32 [N, K], not calibrated; None in mode caption.
    """

    probabilities: np.ndarray | None
    reports: list[str] | None
    log_probabilities: np.ndarray | None
    a_ws: np.ndarray | None = None
    logits: np.ndarray | None = None


class Chooser(Protocol):
    """What chooses among the candidates of a report (`tienet.inference.judges.Judges`)."""

    def choose(
        self, image: np.ndarray, reports: Sequence[Sequence[str]], scores: Sequence[np.ndarray], decoding: Decoding
    ) -> np.ndarray:
        """Which candidate of each image is the best, int64 [B]."""


class Predictor:
    """The network of one checkpoint in a graph and session of its own. Several threads may call it at once.

    Attributes:
        run: The opened run.
        config: The run's settings, with `features` as given.
        calibration: The checkpoint's temperatures and thresholds; None if it is not calibrated.
        decoding: How reports are written, in the modes that write.
        image_distribution: How the features of the training images are distributed; None where features are given
            instead of images, and where the run does not know it.
        inputs: The placeholders by name, in the order of `TieNet.study_inputs`.

    Args:
        load: An opened run, or what `open_run` opens: a run's folder or a checkpoint.
        features: As `Config.features`: the network takes cached features with "cache", images with "off".
        decoding: How reports are written; None: greedily, at most `config.written_words` words.
        judges: What chooses among the candidates if the method of `decoding` is `consistent`.
        untrained: The seed of weights that are drawn anew in the place of those that were trained, for a control; the
            frozen backbone stays. None: the checkpoint's weights.
    Raises:
        InputError: The checkpoint does not fit; the message names all that is wrong with it. Or there are no judges,
            and candidates to choose among.
    """

    def __init__(
        self,
        load: str | Path | OpenedRun,
        features: str = "cache",
        decoding: Decoding | None = None,
        judges: Chooser | None = None,
        untrained: int | None = None,
    ):
        if decoding is not None and decoding.method == "consistent" and judges is None:
            raise InputError("decoding consistent: a reader and a judge are missing, which choose among the candidates")
        self.run, self._judges = open_run(load), judges
        if decoding is not None and decoding.findings_penalty and IMPRESSION not in self.run.vocab.ids:
            raise InputError(
                f"decoding: findings_penalty is {decoding.findings_penalty}, but no report that {self.run.load} was "
                f"trained on has the heading {IMPRESSION!r}; leave it out"
            )
        self.calibration = self.run.calibration
        self.config: Config = self.run.config.replace(features=features)
        weights = None
        if self.config.mode_parts.image and features == "off":
            weights = self.run.backbone_weights()
        statistics = self.run.feature_statistics()
        self.image_distribution = self.run.image_distribution() if features == "off" else None
        self._session = self._load(weights, statistics, decoding, untrained)

    def _load(
        self,
        weights: dict[str, np.ndarray] | None,
        statistics: np.ndarray | None,
        decoding: Decoding | None,
        untrained: int | None,
    ) -> "tf.compat.v1.Session":
        """Build the graph, and load the checkpoint's weights, or untrained ones, into a session; sets `inputs`."""
        import tensorflow as tf
        from tensorpack.tfutils.tower import PredictTowerContext

        from tienet.checkpoint.restore import restore
        from tienet.modeling.model import TieNet

        tf1 = tf.compat.v1
        model = TieNet(
            self.config,
            len(self.run.vocab),
            self.run.word_dim,
            backbone_weights=weights,
            feature_statistics=statistics,
            decoding=decoding,
            impression=self.run.vocab.ids.get(IMPRESSION),
        )
        self.decoding = model.decoding
        with tf.Graph().as_default() as graph:
            tf1.set_random_seed(untrained)
            with PredictTowerContext(""):
                self.inputs = {s.name: tf1.placeholder(s.dtype, s.shape, s.name) for s in model.study_inputs()}
                model.build_graph(*self.inputs.values())
            session = tf1.Session(graph=graph, config=devices.session_config())
            # The backbone's weights are local variables. Nothing else may start from its initializer.
            session.run(tf1.local_variables_initializer())
            if untrained is None:
                restore(session, self.run.prefix, tf1.trainable_variables())
            else:
                session.run(tf1.variables_initializer(tf1.trainable_variables()))
            graph.finalize()
        return session

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the session and its memory."""
        self._session.close()

    @property
    def feature_key(self) -> FeatureKey:
        """What the features of images depend on in this network, which is of a mode with an image."""
        config, backbone = self.config, Identity.of_run(self.run).backbone
        return _key_of(backbone, config)

    def studies(self, manifest: Manifest) -> Studies:
        """A manifest's studies as this network takes them. Features that the cache lacks are computed first."""
        features = None
        if self.config.mode_parts.image and self.config.features == "cache":
            features = cached_features(manifest, self.config, self.run.backbone_weights())
        return Studies.from_manifest(self.config, manifest, self.run.vocab, features, training=False)

    def predict(self, studies: Studies, progress: bool = False, maps: bool = False) -> Predictions:
        """The predictions for the studies, in their order, as far as the mode has them.

        Args:
            progress: Show a progress bar.
            maps: Give a_ws, too.
        """
        mode = self.config.mode_parts
        maps = maps and outputs.A_WS in outputs.map_outputs(mode)
        names = outputs.prediction_outputs(mode) + [outputs.LOGITS] * mode.classifies + [outputs.A_WS] * maps
        rows = self.fetch(studies, names, progress)
        return Predictions(
            np.stack(rows[outputs.PROBABILITIES]) if mode.classifies else None,
            written_reports(rows, self.run.vocab) if mode.writes else None,
            np.stack(rows[outputs.LOG_PROBABILITY]) if mode.writes else None,
            np.stack(rows[outputs.A_WS]) if maps else None,
            np.stack(rows[outputs.LOGITS]) if mode.classifies else None,
        )

    def probabilities(self, studies: Studies, progress: bool = False) -> np.ndarray:
        """The probabilities, float32 [N, K], in the order of the studies.

        In mode `report` they come from the reports that the network writes.

        Raises:
            InputError: The run is of mode caption, which has no classifier.
        """
        if not self.config.mode_parts.classifies:
            raise InputError(f"{self.run.folder}: mode {self.config.mode} has no classifier, so it gives no labels")
        return self.predict(studies, progress).probabilities

    def probabilities_of_true_reports(self, studies: Studies) -> np.ndarray:
        """The probabilities that mode `report` gives for the true reports, which it does not see at test time."""
        return np.stack(self.fetch(studies, [outputs.READ_PROBABILITIES])[outputs.READ_PROBABILITIES])

    def explain(self, studies: Studies, indices: Sequence[int] | np.ndarray) -> list[Explanation]:
        """The attention in the studies at `indices`; in mode `classify` every part of it is empty or None."""
        mode = self.config.mode_parts
        names = outputs.explanation_outputs(mode)
        if not mode.reads:
            return [Explanation([], None, None, None, None) for _ in indices]
        explanations = []
        for n in indices:
            batch = self.run_batch(names, studies.batch(np.array([n])))
            study = {name: array[0] for name, array in batch.items()}
            ids = study.get(outputs.WORD_IDS, studies.word_ids[n])
            words = ["<START>", *(self.run.vocab.words[i] for i in ids[1:])]
            G = study[outputs.G] if mode.classifies else None
            g = None if G is None else G.max(axis=0)
            explanations.append(Explanation(words, g, G, study.get(outputs.A), study.get(outputs.A_WS)))
        return explanations

    def fetch(self, studies: Studies, names: Sequence[str], progress: bool = False) -> Rows:
        """The outputs with these names (`tienet.modeling.outputs`), a row for each study, in the studies' order."""
        bar = Progress(len(studies), "studies", "studies", show=progress)
        return predict_all(studies, self.config.batch, lambda batch: self.run_batch(names, batch), bar)

    def run_batch(self, names: Sequence[str], batch: list[np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of one batch, by their names in `tienet.modeling.outputs`; the probabilities are calibrated.

        Args:
            batch: Arrays in the order of `TieNet.study_inputs`.
        """
        feed = dict(zip(self.inputs.values(), batch, strict=True))
        if self._chooses and any(map(outputs.is_of_written_report, names)):
            feed |= self._choose(batch, feed)
        calibrated = self.calibration is not None and outputs.PROBABILITIES in names
        fetches = {name: f"{name}:0" for name in names}
        if calibrated:
            fetches[outputs.PROBABILITIES] = f"{outputs.LOGITS}:0"
        results = self._session.run(fetches, feed)
        if calibrated:
            logits = results[outputs.PROBABILITIES]
            results[outputs.PROBABILITIES] = with_temperatures(logits, self.calibration.temperatures)
        return results

    @property
    def _chooses(self) -> bool:
        """Whether the report that is written is chosen among candidates."""
        return self.config.mode_parts.writes and self.decoding.method == "consistent"

    def _choose(self, batch: list[np.ndarray], feed: "dict[tf.Tensor, np.ndarray]") -> dict[str, np.ndarray]:
        """Write the candidates of a batch and choose among them; the chosen reports, as they are fed."""
        word_ids, word_len, log_probability = self._session.run([f"{name}:0" for name in outputs.CANDIDATES], feed)
        reports = [
            [self.run.vocab.decode(ids[1:n]) for ids, n in zip(*image, strict=True)]
            for image in zip(word_ids, word_len, strict=True)
        ]
        chosen = self._judges.choose(batch[0], reports, (log_probability, word_len), self.decoding)
        rows = np.arange(len(chosen))
        return {f"{outputs.CHOSEN_IDS}:0": word_ids[rows, chosen], f"{outputs.CHOSEN_LEN}:0": word_len[rows, chosen]}

    def freeze(self, names: Sequence[str]) -> "tf.compat.v1.GraphDef":
        """The part of the graph that computes these outputs, with constants in the place of the variables."""
        import tensorflow as tf

        graph = self._session.graph.as_graph_def()
        return tf.compat.v1.graph_util.convert_variables_to_constants(self._session, graph, list(names))


LARGEST_PADDED = 256
"""Up to this many studies all batches of an evaluation have the size of a training's, also where there are fewer."""


def padded_batch(batch: int, studies: int) -> int:
    """How many studies each batch has in which so many are read.

    A larger batch than LARGEST_PADDED is not filled up beyond the studies, as this would cost memory for nothing. A
    smaller one is: another number of rows may change the last bits of what a matrix product gives.

    Args:
        batch: The number of studies of an update in training.
        studies: The number of all studies that are read.
    """
    return min(batch, max(studies, LARGEST_PADDED))


def predict_all(
    studies: Studies,
    batch: int,
    predict: Callable[[list[np.ndarray]], dict[str, np.ndarray]],
    progress: Progress | None = None,
) -> Rows:
    """Run `predict` over all studies in batches; the next ones are read meanwhile.

    Args:
        batch: How many studies a batch has (`padded_batch`).
        predict: From the arrays of a batch to the outputs by name, [batch, ...] each.
        progress: Counts the studies, and is closed at the end; None: nothing is shown.
    Returns:
        The outputs by name, a row for each study, in the order of the studies.
    """
    rows: Rows = {}
    batches = evaluation_batches(studies.lengths, padded_batch(batch, len(studies)))

    def read(part: tuple[np.ndarray, int]) -> tuple[np.ndarray, int, list[np.ndarray]]:
        return *part, studies.batch(part[0])

    with (
        ThreadPoolExecutor(1) as thread,
        progress or Progress(len(studies), "studies", "studies", show=False) as bar,
    ):
        for indices, count, arrays in ahead(thread, read, batches, 2):
            for name, array in predict(arrays).items():
                column = rows.setdefault(name, [None] * len(studies))
                for n, row in zip(indices[:count], array, strict=False):
                    column[n] = row
            bar.update(count)
    return rows


def written_reports(rows: Rows, vocab: Vocab) -> list[str]:
    """The written reports as text, from the rows of `outputs.WORD_IDS` and `outputs.WORD_LEN`."""
    columns = zip(rows[outputs.WORD_IDS], rows[outputs.WORD_LEN], strict=True)
    return [vocab.decode(word_ids[1:word_len]) for word_ids, word_len in columns]


def cached_features(manifest: Manifest, config: Config, weights: str | Path | Mapping[str, np.ndarray]) -> Features:
    """The backbone's activations for a manifest's images, computed where the cache lacks them.

    Args:
        weights: The backbone's arrays by name, or their source, as `backbone_weights.weights_for` takes it.
    """
    if not isinstance(weights, Mapping):
        weights = backbone_weights.weights_for(weights, config.backbone_end, config.seed)

    def extractor() -> Extractor:
        from tienet.modeling.backbone import FeatureExtractor

        return FeatureExtractor(weights, config.backbone_end, config.image_px, dtype=config.backbone_dtype)

    return open_features(manifest, extractor, _key_of(backbone_weights.fingerprint(weights), config))


def _key_of(fingerprint: str, config: Config) -> FeatureKey:
    """The key of the features that a config asks for, from a backbone with this fingerprint."""
    kept = config.feature_dtype, config.backbone_dtype
    return FeatureKey(fingerprint, config.backbone_end, config.image_px, *kept)
