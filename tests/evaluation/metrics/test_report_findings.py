"""Precision, recall and F1 of the findings in reports, against scikit-learn and a loop that draws patients."""

import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from tienet.evaluation.metrics import report_findings
from tienet.evaluation.metrics.report_findings import RATES, evaluate_findings, format_findings_table
from tienet.labels import FINDINGS, LABELS, NO_FINDING, K

F = len(FINDINGS)


def study_set(N: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Written and true labels [N, 15] and patients; Mass is never true, Hernia is never written, Edema is neither."""
    random = np.random.default_rng(seed)
    true = (random.random((N, K)) < 0.3).astype(int)
    written = np.where(random.random((N, K)) < 0.25, 1 - true, true)
    true[:, LABELS.index("Mass")] = 0
    written[:, LABELS.index("Hernia")] = 0
    true[:, LABELS.index("Edema")] = written[:, LABELS.index("Edema")] = 0
    return written, true, [f"p{i}" for i in random.integers(N // 2, size=N)]


def sklearns(written: np.ndarray, true: np.ndarray, average: str | None = None) -> tuple:
    """Precision, recall and F1 from scikit-learn, NaN for 0/0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return precision_recall_fscore_support(true, written, average=average, zero_division=np.nan)[:3]


def none_to_nan(value: float | None) -> float:
    return np.nan if value is None else value


def test_every_label_is_sklearns():
    written, true, patients = study_set()
    found = evaluate_findings(written, true, patients, resamples=5)
    expected = sklearns(written, true)
    assert list(found["findings"]) == list(LABELS)
    for k, label in enumerate(LABELS):
        entry = found["findings"][label]
        assert [none_to_nan(entry[rate]) for rate in RATES] == pytest.approx([e[k] for e in expected], nan_ok=True)
        assert (entry["true"], entry["written"]) == (true[:, k].sum(), written[:, k].sum())


def test_micro_is_sklearns_over_the_14():
    written, true, patients = study_set()
    micro = evaluate_findings(written, true, patients, resamples=5)["micro"]
    assert [micro[rate] for rate in RATES] == pytest.approx(sklearns(written[:, :F], true[:, :F], "micro"))
    assert (micro["true"], micro["written"]) == (true[:, :F].sum(), written[:, :F].sum())


def test_macro_is_over_the_findings_with_a_true_case():
    written, true, patients = study_set()
    macro = evaluate_findings(written, true, patients, resamples=5)["macro"]
    kept = [k for k in range(F) if true[:, k].any()]
    assert macro["findings_covered"] == len(kept) == 12
    assert macro["precision_covered"] == 11  # Hernia is never written
    expected = [np.nanmean(values) for values in sklearns(written[:, kept], true[:, kept])]
    assert [macro[rate] for rate in RATES] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("written", "true", "expected"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], (0.5, 0.5, 0.5)),
        ([0, 0, 0, 0], [1, 0, 1, 0], (None, 0.0, 0.0)),  # never written
        ([1, 1, 0, 0], [0, 0, 0, 0], (0.0, None, 0.0)),  # never true
        ([0, 0, 0, 0], [0, 0, 0, 0], (None, None, None)),
        ([1, 1, 1, 1], [1, 0, 0, 0], (0.25, 1.0, 0.4)),
    ],
)
def test_what_has_no_case_is_none(written, true, expected):
    columns = np.zeros((2, 4, K), int)
    columns[:, :, 3] = written, true
    entry = evaluate_findings(*columns, list("abcd"), resamples=30)["findings"][LABELS[3]]
    assert tuple(entry[rate] for rate in RATES) == pytest.approx(expected)
    for rate in RATES:
        if entry[rate] is None:
            assert entry[f"{rate}_lo"] is entry[f"{rate}_hi"] is None
        else:
            assert 0 <= entry[f"{rate}_lo"] <= entry[rate] <= entry[f"{rate}_hi"] <= 1


def test_intervals_are_those_of_the_loop_that_draws_patients():
    written, true, patients = study_set(60)
    true[:, 1] = np.arange(60) < 2  # rare: some resamples have none
    found = evaluate_findings(written, true, patients, resamples=60, seed=3, level=0.9)
    names, random = sorted(set(patients)), np.random.default_rng(3)
    labels, micro, macro = [], [], []
    for _ in range(60):
        drawn = [names[i] for i in random.integers(len(names), size=len(names))]
        rows = [n for name in drawn for n in range(60) if patients[n] == name]
        labels.append(sklearns(written[rows], true[rows]))
        micro.append(sklearns(written[rows, :F], true[rows, :F], "micro"))
        kept = [k for k in range(F) if true[rows, k].any()]
        macro.append([np.nanmean(values) for values in sklearns(written[np.ix_(rows, kept)], true[np.ix_(rows, kept)])])
    labels = np.array(labels)  # [R, 3, K]
    for i, rate in enumerate(RATES):
        drawn = {label: labels[:, i, k] for k, label in enumerate(LABELS)}
        drawn |= {"micro": np.array(micro)[:, i], "macro": np.array(macro)[:, i]}
        for name, values in drawn.items():
            entry = found["findings"].get(name) or found[name]
            values = values[~np.isnan(values)]
            expected = np.quantile(values, [0.05, 0.95]) if len(values) else [None, None]
            assert [entry[f"{rate}_lo"], entry[f"{rate}_hi"]] == pytest.approx(list(expected)), (name, rate)
    assert found["bootstrap"]["left_out"][LABELS[1]]["recall"] == np.isnan(labels[:, 1, 1]).sum() > 0


def test_neither_the_order_of_studies_nor_the_chunks_matter(monkeypatch):
    written, true, patients = study_set()
    found = evaluate_findings(written, true, patients, resamples=50)
    order = np.random.default_rng(1).permutation(len(true))
    assert evaluate_findings(written[order], true[order], [patients[i] for i in order], resamples=50) == found
    assert evaluate_findings(written.astype(bool), true.astype(np.float32), patients, resamples=50) == found
    assert evaluate_findings(written, true, patients, resamples=50, seed=1) != found
    drawn = report_findings.patient_weights
    monkeypatch.setattr(report_findings, "patient_weights", lambda *args: drawn(*args, chunk=7))
    assert evaluate_findings(written, true, patients, resamples=50) == found


def test_swapping_written_and_true_swaps_precision_and_recall():
    written, true, patients = study_set()
    found = evaluate_findings(written, true, patients, resamples=50)
    turned = evaluate_findings(true, written, patients, resamples=50)
    for name in (*LABELS, "micro"):
        a, b = (result["findings"].get(name) or result[name] for result in (found, turned))
        for end in ("", "_lo", "_hi"):
            assert a[f"precision{end}"] == b[f"recall{end}"]
            assert a[f"f1{end}"] == b[f"f1{end}"]


def test_no_finding_is_in_neither_mean():
    written, true, patients = study_set()
    found = evaluate_findings(written, true, patients, resamples=20)
    written[:, LABELS.index(NO_FINDING)] ^= 1
    turned = evaluate_findings(written, true, patients, resamples=20)
    assert turned["findings"][NO_FINDING] != found["findings"][NO_FINDING]
    assert (turned["micro"], turned["macro"]) == (found["micro"], found["macro"])


@pytest.mark.parametrize("N", [0, 1, 3])
def test_nothing_written_and_nothing_true_is_undefined(N):
    found = evaluate_findings(np.zeros((N, K)), np.zeros((N, K)), ["p"] * N, resamples=10)
    assert found["macro"]["findings_covered"] == found["macro"]["precision_covered"] == 0
    for entry in (*found["findings"].values(), found["micro"], found["macro"]):
        assert all(entry[f"{rate}{end}"] is None for rate in RATES for end in ("", "_lo", "_hi"))
    json.dumps(found, allow_nan=False)
    assert "nan" not in format_findings_table(found)


@pytest.mark.parametrize(
    ("written", "true", "patients", "said"),
    [
        (np.zeros((3, K)), np.zeros((2, K)), 3, "must have the same shape"),
        (np.zeros((3, F)), np.zeros((3, F)), 3, r"written is \(3, 14\); expected \[N, 15\]"),
        (np.zeros((3, K)), np.zeros((3, K)), 2, "2 patient ids for 3 studies"),
        (np.zeros((3, K)), np.full((3, K), np.nan), 3, "true is nan in row 0, Atelectasis; it must be 0 or 1"),
        (np.full((3, K), 0.5), np.zeros((3, K)), 3, "written is 0.5 in row 0"),
    ],
)
def test_wrong_input_is_refused(written, true, patients, said):
    with pytest.raises(ValueError, match=said):
        evaluate_findings(written, true, ["p"] * patients)


def test_the_table_has_each_number_in_its_place():
    written, true, patients = study_set()
    true[:, 1] = np.arange(len(true)) < 1
    found = json.loads(json.dumps(evaluate_findings(written, true, patients, resamples=40, level=0.9), allow_nan=False))
    table = format_findings_table(found)
    body, notes = table.split("\n\n")
    rows = {line.split()[0]: [cell.strip() for cell in line.split("  ") if cell.strip()] for line in body.splitlines()}
    names = ["Finding", *LABELS, "micro", "macro"]
    assert [line.split()[0] for line in body.splitlines() if not line.startswith("-")] == names
    for name in (*LABELS, "micro", "macro"):
        entry, expected = found["findings"].get(name) or found[name], []
        for rate in RATES:
            value, lo, hi = (entry[rate + end] for end in ("", "_lo", "_hi"))
            expected += ["undefined"] * 2 if value is None else [f"{value:.3f}", f"{lo:.3f} to {hi:.3f}"]
        counts = [] if name == "macro" else [str(entry["true"]), str(entry["written"])]
        assert rows[name][1:] == expected + counts
    assert rows["Finding"][2] == "90% interval"
    assert len({len(line) for line in body.splitlines() if not line.startswith("macro")}) == 1
    assert max(map(len, body.splitlines())) <= 120
    assert "the mean over the 12 findings with a true case (none: Mass, Edema)" in notes
    assert "macro precision: over 11 findings; these are true and never written: Hernia." in notes
    assert f"no case: Cardiomegaly {found['bootstrap']['left_out']['Cardiomegaly']['recall']}." in notes
