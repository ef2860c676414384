"""The AUC table as text: every number is in its place, and "undefined" stands where there is none."""

import json

import numpy as np
import pytest

from tienet.evaluation import tables
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.labels import LABELS, K


@pytest.fixture(scope="module")
def metrics() -> dict:
    random = np.random.default_rng(0)
    labels = (random.random((80, K)) < 0.3).astype(float)
    labels[:, LABELS.index("Hernia")] = 0
    labels[:, LABELS.index("Mass")] = np.arange(80) < 2
    scores = random.normal(size=(80, K)) + labels
    return evaluate_auc(scores, labels, range(80), resamples=60)


def cells(table: str, row: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(row))
    return [cell for cell in line.split("  ") if cell]


def test_rows_and_numbers(metrics):
    table = tables.format_auc_table(metrics, {})
    rows = [line.split()[0] for line in table.splitlines() if line and line.split()[0] in (*LABELS, "AVG")]
    assert rows[:16] == [*LABELS, "AVG"]
    edema = metrics["auc"]["Edema"]
    shown = [cell.strip() for cell in cells(table, "Edema")]
    assert shown == [
        "Edema",
        f"{edema['auc']:.3f}",
        f"{edema['lo']:.3f} to {edema['hi']:.3f}",
        str(edema["positives"]),
    ]
    assert cells(table, "#wAVG")[1].strip() == f"{metrics['wavg']:.3f}"
    assert cells(table, "AVG10")[1].strip() == f"{metrics['avg10']:.3f}"


def test_lines_are_aligned(metrics):
    lines = tables.format_auc_table(metrics, {"tfidf": metrics}).split("\n\n")[0].splitlines()
    ends = {line.rfind("  ") for line in lines if line.startswith("-")}
    assert len(ends) == 1
    assert len({len(line) for line in lines}) == 1


def test_undefined_is_written_out_and_the_means_say_what_they_cover(metrics):
    table = tables.format_auc_table(metrics, {})
    assert [cell.strip() for cell in cells(table, "Hernia")] == ["Hernia", "undefined", "undefined", "0"]
    assert "13 of 14 findings (undefined: Hernia)" in table
    assert f"the {metrics['avg10_findings']} findings with at least 10 positives" in table
    assert f"Mass {metrics['bootstrap']['left_out']['Mass']}" in table


def test_a_column_per_control(metrics):
    control = json.loads(json.dumps(metrics))
    control["auc"]["Edema"]["auc"], control["avg"] = None, 0.5
    table = tables.format_auc_table(metrics, {"tfidf": control, "same": metrics})
    assert [cell.strip() for cell in cells(table, "Edema")][-2:] == [
        "undefined",
        f"{metrics['auc']['Edema']['auc']:.3f}",
    ]
    assert "0.500" in cells(table, "AVG")[-2]
    assert "tfidf: its means are over 12 of 14 findings (undefined: Edema, Hernia)" in table
    assert "same: its means" not in table
    assert tables.format_auc_table(metrics | {"controls": {"tfidf": control, "same": metrics}}) == table


def test_markdown_has_the_same_cells(metrics):
    markdown = tables.format_markdown(metrics, {"a|b": metrics})
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 15 + 3
    assert lines[0] == r"| Finding | AUC | 95% interval | positives | a\|b |"
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
    assert f"| Edema | {metrics['auc']['Edema']['auc']:.3f} |" in markdown
    assert f"| **AVG** | {metrics['avg']:.3f} |" in markdown
    assert "- AVG and #wAVG (weighted by positives) are over 13 of 14 findings" in markdown
