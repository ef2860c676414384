"""Reports that are written from facts: they say exactly the facts, vary, and are no mere lists of words."""

import re
from collections import Counter

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tienet.data.text import tokenize
from tienet.datasets.phantom import prepare, reports
from tienet.datasets.phantom.facts import BILATERAL, LEFT, RIGHT, SEVERITIES, plan
from tienet.labels import FINDINGS, LABELS


def read_facts(report: str) -> tuple[set[tuple[str, str, str]], set[str]]:
    """(finding, side, severity) of what a report says is there, and the findings that it denies: grammar backwards."""
    there, denied = set(), set()
    for sentence in re.split(r"(?<=[a-z])\.", report.lower()):
        named = {
            finding for finding, names in reports.NAMES.items() for name in names if re.search(rf"\b{name}\b", sentence)
        }
        if any(mark in f" {sentence}" for mark in (f" {mark}" for mark in reports.NEGATIONS)):
            denied |= named
        elif named:
            (finding,) = named
            both = "bilateral" in sentence
            side = BILATERAL if both else next((s for s in (RIGHT, LEFT) if f" {s} " in f" {sentence} "), "midline")
            levels = [level for level in SEVERITIES for words in (reports.DEGREE, reports.SIZE)
                      if any(re.search(rf"\b{word}\b", sentence) for word in words[level])]  # fmt: skip
            there.add((finding, side, levels[0]))
    return there, denied


def test_reports_say_exactly_the_facts():
    denied_of = Counter()
    for study in plan(400, 7):
        report = str(prepare.manifest_row(study, "x.png", 7)["report"])
        there, denied = read_facts(report)
        assert there == {(fact.finding, fact.side, fact.severity) for fact in study.facts}, report
        assert not denied & {fact.finding for fact in study.facts}, report
        denied_of.update(denied)
    assert min(denied_of[finding] for finding in FINDINGS) >= 20, "each finding is also denied"


def test_reports_vary_and_sometimes_lack_a_section():
    texts = [str(prepare.manifest_row(study, "", 0)["report"]) for study in plan(400, 0)]
    assert len(set(texts)) > 320
    assert all(text.startswith(("findings : ", "impression : ")) for text in texts)
    assert sum("findings :" not in text for text in texts) >= 15
    assert sum("impression :" not in text for text in texts) >= 8
    assert 5 < np.median([len(tokenize(text)) for text in texts]) < 80


def test_a_linear_model_reads_the_labels_but_the_finding_words_alone_do_not_tell():
    studies = plan(400, 0)
    rows = [prepare.manifest_row(study, "", 0) for study in studies]
    texts, labels = [str(row["report"]) for row in rows], np.array([[row[name] for name in LABELS] for row in rows])
    train = np.array([study.split == "train" for study in studies])
    x = TfidfVectorizer(ngram_range=(1, 3), min_df=2).fit_transform(texts)
    aucs = []
    for k in range(len(LABELS)):
        model = LogisticRegression(C=30, max_iter=500).fit(x[train], labels[train, k])
        aucs.append(roc_auc_score(labels[~train, k], model.decision_function(x[~train])))
    assert min(aucs) > 0.97
    effusion = np.array([any(name in text for name in reports.NAMES["Effusion"]) for text in texts])
    assert labels[effusion, FINDINGS.index("Effusion")].mean() < 0.35
