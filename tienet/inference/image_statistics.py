"""What is measured of the training images before the first update: from cached features, or from the images."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tienet.config import Config
from tienet.data.dataflow import Studies
from tienet.data.features import image_distribution, statistics


def measure_statistics(config: Config, studies: Studies, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The mean and the standard deviation of the features of the training split, float32 [2, channels].

    Args:
        weights: Those of the backbone.
    """
    with _features_of(config, studies, weights) as features_of:
        return statistics.channel_statistics(len(studies), features_of)


def keep_distribution(
    folder: Path, config: Config, train: Studies, val: Studies, weights: dict[str, np.ndarray]
) -> None:
    """Measure how the features of the training images are distributed, and write it into a run's folder.

    It needs two training images and one validation image; of fewer nothing is written.

    Args:
        weights: Those of the backbone.
    """
    if len(train) < 2 or not len(val):
        return
    with _features_of(config, train, weights) as features_of:
        of_train = image_distribution.measure(len(train), image_distribution.MAX_TRAINING, features_of)
    with _features_of(config, val, weights) as features_of:
        of_val = image_distribution.measure(len(val), image_distribution.MAX_VALIDATION, features_of)
    image_distribution.ImageDistribution.fit(of_train, of_val).save(folder / image_distribution.FILE_NAME)


@contextlib.contextmanager
def _features_of(
    config: Config, studies: Studies, weights: dict[str, np.ndarray]
) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """What gives the features [n, h, w, channels] of the studies at the positions int [n]."""
    from tienet.modeling.backbone import FeatureExtractor  # only here, because it imports TensorFlow

    if studies.features is not None:
        yield studies.image_inputs
        return
    with FeatureExtractor(weights, config.backbone_end, config.image_px, dtype=config.backbone_dtype) as extract:
        yield lambda positions: extract(studies.image_inputs(positions))
