"""Which studies get a page, and what the network has to show for them."""

from collections.abc import Iterator

import numpy as np

from tienet.data.dataflow import Studies
from tienet.data.image import read_image
from tienet.data.text import tokenize
from tienet.inference.predictor import Predictions, Predictor
from tienet.pages.study import StudyPage


def study_pages(network: Predictor, studies: Studies, predictions: Predictions, count: int) -> Iterator[StudyPage]:
    """The pages of up to `count` studies, one at a time."""
    indices = varied(studies.labels, count)
    mode, thresholds = network.config.mode_parts, network.run.thresholds()
    for n in indices:
        (explanation,) = network.explain(studies, [n])
        report = studies.manifest.reports[n]
        words = explanation.words
        if not mode.writes:  # as they stand in the report, also those that the network does not know
            words = words[:1] + tokenize(report)[: max(len(words) - 1, 0)]
        yield StudyPage(
            study_id=studies.manifest.study_ids[n],
            image=read_image(studies.manifest.images[n], network.config.image_px) if mode.image else None,
            a_ws=explanation.a_ws,
            words=words,
            g=explanation.g,
            a=explanation.a,
            true_words=tokenize(report) if mode.writes else None,
            probabilities=predictions.probabilities[n] if mode.classifies else None,
            labels=studies.labels[n] if mode.classifies else None,
            thresholds=thresholds if mode.classifies else None,
        )


def varied(labels: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` studies in which each label has its turn, in the data set's order.

    Args:
        labels: [N, K], 1, 0 or NaN.
    Returns:
        int [at most count], rising.
    """
    chosen: dict[int, None] = {}
    queues = [list(np.flatnonzero(column == 1)) for column in labels.T] + [list(range(len(labels)))]
    while len(chosen) < min(count, len(labels)):
        for queue in queues:
            while queue and queue[0] in chosen:
                queue.pop(0)
            if queue and len(chosen) < count:
                chosen[int(queue.pop(0))] = None
    return np.sort(np.array(list(chosen), np.int64))
