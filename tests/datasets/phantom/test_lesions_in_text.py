"""Reading a phantom report backwards gives the facts that it was written from."""

import numpy as np
import pytest

from tienet.data.text import report_text, tokenize
from tienet.datasets.phantom.facts import BILATERAL, LEFT, MIDLINE, RIGHT, Fact
from tienet.datasets.phantom.lesions_in_text import lesions_named, score_lesions
from tienet.datasets.phantom.reports import NAMES, write

SIDES = {"Cardiomegaly": MIDLINE, "Hernia": MIDLINE, "Edema": BILATERAL, "Emphysema": BILATERAL}


@pytest.mark.parametrize("seed", range(40))
def test_what_was_written_is_read_again(seed):
    rng = np.random.default_rng(seed)
    findings = rng.permutation(list(NAMES))[: seed % 4]
    facts = [Fact(str(f), SIDES.get(str(f), (RIGHT, LEFT)[seed % 2]), "lower", "mild") for f in findings]
    report = report_text(*write(facts, rng))
    for text in (report, " ".join(tokenize(report))):
        assert lesions_named(text) == {(fact.finding, fact.side) for fact in facts}


def test_a_denied_finding_is_not_named():
    assert lesions_named("No mass, nodule or hiatal hernia. The effusion seen previously has resolved.") == set()


def test_kind_side_and_invention_are_counted():
    reports = ["small left pleural effusion .", "a large mass in the right upper lobe . mild cardiomegaly .", ""]
    true = [{("Effusion", RIGHT)}, {("Mass", RIGHT)}, {("Nodule", LEFT)}]
    assert score_lesions(reports, true) == {
        "lesions": 3,
        "kind": pytest.approx(2 / 3),
        "kind_and_side": pytest.approx(1 / 3),
        "invented": pytest.approx(2 / 3),
    }
    assert score_lesions([], [])["kind"] is None
