"""A trained network for other programs: `Reporter` for images, `Annotator` for reports, `Predictor` for data sets.

with Reporter.load("runs/report") as reporter:
    (prediction,) = reporter.report([read_gray("chest.png")])

`Annotator.load(["runs/a", "runs/b", "runs/c"])` labels by the mean of three runs (`tienet.checkpoint.together`).
"""

from tienet.inference.annotator import Annotator
from tienet.inference.judges import Judges
from tienet.inference.prediction import Prediction
from tienet.inference.predictor import (
    Explanation,
    Predictions,
    Predictor,
    Rows,
    cached_features,
    predict_all,
    written_reports,
)
from tienet.inference.reporter import Reporter
from tienet.modeling.decoding import Decoding

# The names that the two results had before, for programs that import them.
Reading = Prediction
Judged = Predictions

__all__ = [
    "Annotator",
    "Decoding",
    "Explanation",
    "Judged",
    "Judges",
    "Prediction",
    "Predictions",
    "Predictor",
    "Reading",
    "Reporter",
    "Rows",
    "cached_features",
    "predict_all",
    "written_reports",
]
