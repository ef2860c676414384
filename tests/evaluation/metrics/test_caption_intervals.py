"""BLEU-4 and CIDEr with intervals: the same values as pycocoevalcap's, and resamples of patients."""

import numpy as np
import pytest

from tienet.evaluation.metrics.caption_intervals import METRICS, evaluate_captions
from tienet.evaluation.metrics.captions import bleu4, cider

WORDS = "the heart lungs are clear normal no effusion is small . pneumothorax left right".split()  # noqa: SIM905


def texts(seed, studies=30, longest=25):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(1, longest))) for _ in range(studies)]


@pytest.mark.parametrize("longest", [2, 8, 25])
def test_the_values_are_those_of_pycocoevalcap(longest):
    true, written = texts(0), texts(1, longest=longest)
    true[3] = written[5] = ""
    written[:4] = true[:4]
    found, each = evaluate_captions(true, written, [str(n) for n in range(30)])
    assert found["BLEU-4"]["value"] == pytest.approx(bleu4(true, written), rel=1e-6)
    assert found["CIDEr"]["value"] == pytest.approx(cider(true, written), rel=1e-6)
    assert np.isnan(each).tolist() == [n == 3 for n in range(30)]
    for name in METRICS:
        assert found[name]["lo"] <= found[name]["value"] <= found[name]["hi"]


def test_a_patients_studies_are_drawn_together():
    true = texts(0)
    written = [f"{report[: len(report) // 2]} {other}" for report, other in zip(true, texts(1), strict=True)]
    one, _ = evaluate_captions(true, written, ["p"] * 30, resamples=20)
    for of_metric in one.values():
        assert of_metric["lo"] == pytest.approx(of_metric["value"]) == of_metric["hi"]
    alone, _ = evaluate_captions(true, written, list(map(str, range(30))), resamples=200)
    twice, _ = evaluate_captions(true * 2, written * 2, [str(n % 30) for n in range(60)], resamples=200)
    assert twice["BLEU-4"] == pytest.approx(alone["BLEU-4"], rel=1e-6)


def test_without_a_true_report_nothing_is_known():
    found, each = evaluate_captions(["", " "], ["clear", "clear"], ["1", "2"])
    assert found == {name: {"value": None, "lo": None, "hi": None} for name in METRICS} and np.isnan(each).all()
    with pytest.raises(ValueError, match="2 true reports and 1 written ones"):
        evaluate_captions(["a", "b"], ["a"], ["1", "2"])
