"""Which studies get a page, and what the page shows of the network's predictions for them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tienet.data.dataflow import Studies
from tienet.data.image import read_image
from tienet.data.text import tokenize
from tienet.inference.evidence import evidence_of
from tienet.inference.predictor import Predictions, Predictor
from tienet.pages.study import Origin, StudyPage


def study_pages(predictor: Predictor, studies: Studies, predictions: Predictions, count: int) -> Iterator[StudyPage]:
    """Yield the pages of at most `count` studies, one at a time, so that not all images are in memory.

    Args:
        predictor: The opened checkpoint.
        studies: The studies that were evaluated.
        predictions: The network's predictions for all of them, in the same order.
        count: The largest number of pages.
    """
    mode, thresholds = predictor.config.mode_parts, predictor.run.thresholds()
    calibration = predictor.calibration
    chosen = choose_varied(studies.labels, count)
    origins = _origins(predictor, studies, predictions, chosen)
    for place, n in enumerate(chosen):
        (explanation,) = predictor.explain(studies, [n])
        report = studies.manifest.reports[n]
        words = explanation.words
        most = len(words) - 1  # without <START>
        whole = most < predictor.decoding.max_words if mode.writes else len(tokenize(report)) <= most
        if not mode.writes:  # show the words as they stand in the report, also those outside of the vocabulary
            words = words[:1] + tokenize(report)[: max(len(words) - 1, 0)]
        yield StudyPage(
            study_id=studies.manifest.study_ids[n],
            image=read_image(studies.manifest.images[n], predictor.config.image_px) if mode.image else None,
            a_ws=explanation.a_ws,
            uniform_share=predictor.config.uniform_share,
            words=words,
            g=explanation.g,
            G=explanation.G,
            a=explanation.a,
            true_words=tokenize(report) if mode.writes else None,
            probabilities=predictions.probabilities[n] if mode.classifies else None,
            labels=studies.labels[n] if mode.classifies else None,
            thresholds=thresholds if mode.classifies else None,
            precision=calibration.precision if mode.classifies and calibration else None,
            cut_at=None if whole or not mode.reads else most,
            recall=calibration.recall if mode.classifies and calibration else None,
            origins=None if origins is None else origins[place],
        )


def _origins(
    predictor: Predictor, studies: Studies, predictions: Predictions, chosen: np.ndarray
) -> list[list[Origin]] | None:
    """The sentences that the named findings of the chosen studies come from; None where no given report is read."""
    if predictor.config.mode_parts.writes or not predictor.config.mode_parts.reads:
        return None
    manifest = studies.manifest.take(chosen)

    def read(positions: Sequence[int], texts: Sequence[str]) -> np.ndarray:
        given = replace(manifest.take(positions), reports=list(texts))
        return predictor.probabilities(predictor.studies(given))

    found = evidence_of(read, manifest.reports, predictions.probabilities[chosen], predictor.run.thresholds())
    return [
        [Origin(one.label, one.sentence.text, one.probability - one.drop, one.alone) for one in of_study]
        for of_study in found
    ]


def choose_varied(labels: np.ndarray, count: int) -> np.ndarray:
    """Choose at most `count` studies such that every label is shown, also the rare ones.

    The labels take turns, and each chooses the first of its positive studies that is not chosen yet; after the last
    label the first study of all that is left is chosen.

    Args:
        labels: [N, K], 1, 0 or NaN (unknown).
    Returns:
        int [at most count], the rows of the chosen studies in rising order.
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
