"""A trained network for other programs: `Reporter` for images, `Annotator` for reports (and images), `Predictor` below.

with Reporter.load("runs/report") as reporter:
    (reading,) = reporter.report([read_gray("chest.png")])
"""

from tienet.inference.pipelines import Annotator, Prediction, Reporter
from tienet.inference.predictor import (
    Explanation,
    Predictions,
    Predictor,
    Rows,
    cached_features,
    predict_all,
    written_reports,
)
from tienet.modeling.generate import Decoding

__all__ = [
    "Annotator",
    "Decoding",
    "Explanation",
    "Prediction",
    "Predictions",
    "Predictor",
    "Reporter",
    "Rows",
    "cached_features",
    "predict_all",
    "written_reports",
]
