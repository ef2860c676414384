"""What is known of a sentence, and how often methods point at one that tells of a finding."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import evidence
from benchmarks.evidence import METHODS, cases_of, told_by_grammar, told_by_single_sentences
from benchmarks.training import manifest_of
from tests.inference.test_evidence import Words
from tienet.labels import LABELS, K

EFFUSION = LABELS.index("Effusion")
REPORTS = [
    "Small effusion.",
    "Small effusion.",
    "No effusion.",
    "Clear. Small effusion.",
    "Clear.",
    "Heart. No effusion.",
]


@pytest.fixture
def manifest(tmp_path):
    labels = np.zeros((len(REPORTS), K), np.float32)
    labels[[0, 1, 3, 5], EFFUSION] = 1  # the last one is labelled wrongly
    found = manifest_of([tmp_path / f"{n}.png" for n in range(len(REPORTS))], labels)
    return SimpleNamespace(
        reports=REPORTS, labels=labels, split=lambda name: SimpleNamespace(
            reports=REPORTS, labels=labels, study_ids=found.study_ids,
            take=lambda rows: SimpleNamespace(
                reports=[REPORTS[n] for n in rows], labels=labels[rows], study_ids=[found.study_ids[n] for n in rows]
            ),
        ),
    )  # fmt: skip


def test_a_phantoms_sentence_tells_of_what_it_names_without_a_negation():
    assert told_by_grammar("Small left pleural fluid.", "Effusion")
    assert not told_by_grammar("There is no pleural effusion or mass.", "Effusion")
    assert not told_by_grammar("Small left pleural effusion.", "Mass")


def test_a_sentence_has_the_labels_of_the_reports_that_it_alone_makes(manifest):
    tells = told_by_single_sentences(manifest)
    assert tells("small effusion", "Effusion") and not tells("Small effusion.", "Mass")
    assert not tells("No effusion.", "Effusion") and not tells("Heart.", "Effusion")


def test_cases_are_findings_that_are_named_rightly_and_known(manifest, monkeypatch):
    class Attentive(Words):
        def annotate(self, reports, images=None, maps=False):
            found = super().annotate(reports, images)
            for report, prediction in zip(reports, found, strict=True):
                prediction.g = np.arange(1.0 + len(report.split()) + report.count("."))[::-1]  # the first word has most
            return found

    monkeypatch.setattr(evidence, "_tfidf_drops", lambda train: lambda report, sentences, k: np.array([0.0, 1.0]))
    cases = cases_of(Attentive(), manifest, "test", told_by_single_sentences(manifest))
    assert list(cases.study) == ["3"] and list(cases.finding) == ["Effusion"]  # that of study 5 is not known
    assert [cases[method][0] for method in METHODS] == [1.0, 0.0, 1.0, 0.5]
    table = evidence.summary(pd.concat([cases] * 3)).set_index("method")
    assert table.share["evidence"] == 1 and table.low["evidence"] == 1
