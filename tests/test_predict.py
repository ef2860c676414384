"""The names that other programs import."""

from tienet import predict

OLDER_NAMES = (
    "Annotator", "Decoding", "Explanation", "Judged", "Predictor", "Reading", "Reporter", "Rows", "cached_features",
    "predict_all", "written_reports",
)  # fmt: skip


def test_names_that_programs_import_stay():
    for name in [*OLDER_NAMES, *predict.__all__]:
        assert name in predict.__all__ and hasattr(predict, name)
    assert predict.Reading is predict.Prediction and predict.Judged is predict.Predictions
