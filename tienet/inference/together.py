"""Several networks that label as one model: each reads a study in its own way, and the mean of what they give is taken.

Which runs fit together, their mean and its thresholds are in `tienet.checkpoint.together`.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.together import OpenedRuns, mean_log_odds, mean_of_runs, temperatures_of
from tienet.data.dataflow import Studies
from tienet.data.manifest import Manifest
from tienet.inference.predictor import Predictions, Predictor
from tienet.labels import name_labels
from tienet.modeling import outputs

_Prediction = TypeVar("_Prediction")


class PredictorTogether:
    """The labels of one run or of several for the studies of a data set; the interface of `Predictor` for labels.

    The sessions live together: it serves networks that read reports alone, which are small, for call after call.
    Evaluation has the predictions of each run already and opens none again (`tienet.evaluation.together`).

    Attributes:
        run: The opened runs.
        calibration: The thresholds of the mean; None for one run that is not calibrated.

    Args:
        opened: What `tienet.checkpoint.together.open_model` opens.
        features: As in `Predictor`.
    """

    def __init__(self, opened: OpenedRun | OpenedRuns, features: str = "cache"):
        self.run, self.calibration = opened, opened.calibration
        with contextlib.ExitStack() as stack:
            self._predictors = [stack.enter_context(Predictor(run, features)) for run in opened.runs]
            self._opened = stack.pop_all()

    def __enter__(self) -> "PredictorTogether":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the sessions and their memory."""
        self._opened.close()

    def studies(self, manifest: Manifest) -> list[Studies]:
        """A manifest's studies as each network takes them."""
        return [predictor.studies(manifest) for predictor in self._predictors]

    def predict(self, studies: Sequence[Studies], progress: bool = False) -> Predictions:
        """The predictions for the studies that `studies` gave, in their order; of several runs `mean_predictions`."""
        pairs = zip(self._predictors, studies, strict=True)
        return mean_predictions(self.run.runs, [predictor.predict(of_one, progress) for predictor, of_one in pairs])

    def label_batch(self, batch: list[np.ndarray]) -> np.ndarray:
        """The probabilities of one batch, float32 [B, K], given as `Predictor.run_batch` takes it.

        Only for networks that take the same arrays, such as those of mode `classify`: word ids differ by vocabulary.
        """
        name = outputs.PROBABILITIES
        return mean_of_runs([predictor.run_batch([name], batch)[name] for predictor in self._predictors])

    def probabilities(self, studies: Sequence[Studies], progress: bool = False) -> np.ndarray:
        """The probabilities, float32 [N, K], in the order of the studies."""
        return self.predict(studies, progress).probabilities


def mean_predictions(runs: Sequence[OpenedRun], of_runs: Sequence[Predictions]) -> Predictions:
    """The labels that several runs give together for N studies; those of one run as they are.

    Args:
        runs: M runs of a mode that classifies.
        of_runs: Their predictions for the same studies, in the order of the runs.
    Returns:
        The mean of the probabilities, float32, and as logits the log-odds of the mean, float64, which have an order
        where probabilities are equal. Reports and attention have no mean and are None.
    """
    if len(of_runs) == 1:
        return of_runs[0]
    calibrated = [p.logits.astype(np.float64) / temperatures_of(run) for run, p in zip(runs, of_runs, strict=True)]
    probabilities = mean_of_runs([p.probabilities for p in of_runs])
    return Predictions(probabilities, None, None, logits=mean_log_odds(calibrated))


def mean_prediction(of_study: Sequence[_Prediction], calibration: Calibration) -> _Prediction:
    """What several networks say together of one study.

    A report that some networks cut is shown as the one that cut it first has read it. The attention is the mean of
    theirs where they have read the same words on grids of the same size, else None; the rows G of different networks
    have nothing in common, and so no mean. The image's distance is the largest.

    Args:
        of_study: What each says, a `tienet.inference.prediction.Prediction`.
        calibration: The thresholds of the mean.
    """
    probabilities = mean_of_runs([prediction.probabilities for prediction in of_study])
    return replace(
        min(of_study, key=lambda prediction: len(prediction.words)),
        probabilities=probabilities,
        thresholds=calibration.thresholds.copy(),
        labels=name_labels(probabilities, calibration.thresholds),
        precision=calibration.precision,
        recall=calibration.recall,
        cut_at=min((p.cut_at for p in of_study if p.cut_at is not None), default=None),
        **{name: _mean_map([getattr(p, name) for p in of_study]) for name in ("g", "a", "a_ws", "finding_maps")},
        G=None,
        image_distance=max((p.image_distance for p in of_study if p.image_distance is not None), default=None),
    )


def _mean_map(maps: Sequence[np.ndarray | None]) -> np.ndarray | None:
    shapes = {None if of_network is None else of_network.shape for of_network in maps}
    return None if None in shapes or len(shapes) > 1 else mean_of_runs(maps)
