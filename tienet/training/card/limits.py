"""What a run cannot do, as far as its validation shows it, in plain sentences."""

from collections.abc import Sequence

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.thresholds import MIN_POSITIVES
from tienet.checkpoint.writing import Writing
from tienet.labels import FINDINGS, LABELS
from tienet.pages.study import DISCLAIMER
from tienet.training.card import both_splits
from tienet.training.card.figures import Figures, LabelFigures, ReportFigures
from tienet.training.card.markdown import plain

SAME_SHARE = 0.5
"""If one report is written for at least this share of the studies, the card says so."""


def limits(run: OpenedRun, figures: Figures, writing: Writing | None, ranked: bool = True) -> list[str]:
    """The limits of a checkpoint, a sentence or two each.

    Args:
        writing: What its reports were like in validation; None in modes that do not write.
        ranked: Whether a validation score chose it.
    """
    data, mode, words = run.facts.get("data", "one data set"), run.config.mode_parts, run.config.max_words
    px = run.config.image_px
    validated = [
        f"It was trained and validated on {plain(data)} alone. How it does on images and reports of another "
        "hospital, another device or another language was not measured.",
        f"{_choice(run, ranked)} `tienet evaluate` judges it on the test split, which had no part in the training.",
    ]
    earlier = run.earlier
    found = [DISCLAIMER, *(both_splits.limits(earlier, plain(data), mode.classifies) if earlier else validated)]
    if data == "phantom":
        found.append("The images are drawn by a program. What is said here says nothing of real X-rays.")
    if mode.image:
        found.append(f"It is meant for frontal, upright chest X-rays, of which it sees {px} x {px} pixels.")
    if mode.reads and not mode.writes:
        found.append(f"It reads the first {words} words of a report.")
    if figures.labels is not None:
        found += _of_labels(figures.labels)
    if figures.reports is not None:
        found += _of_reports(figures.reports, writing)
    return found


def _choice(run: OpenedRun, ranked: bool) -> str:
    """What was chosen on the validation split, and what follows from it."""
    has_thresholds = run.config.mode_parts.classifies and not np.isnan(run.thresholds()).all()
    chosen = ["checkpoint"] * ranked + ["thresholds"] * has_thresholds
    if not chosen:
        return "Nothing was chosen on the validation split, so nothing shows that it was trained for long enough."
    were = "was" if chosen == ["checkpoint"] else "were"
    what = f"The {' and its '.join(chosen)} {were} chosen on the studies of the validation split"
    return f"{what}, so the figures above flatter it."


def _of_labels(labels: LabelFigures) -> list[str]:
    auc, named = labels.auc["auc"], labels.named
    positives = {label: auc[label]["positives"] for label in LABELS}
    unknown = [label for label in LABELS if not positives[label]]
    never = [label for label in LABELS if positives[label] and not named[label]["named"]]
    chance = [label for label in LABELS if (lo := auc[label]["lo"]) is not None and lo <= 0.5]
    without = [label for label, value in zip(LABELS, labels.thresholds, strict=True) if np.isnan(value)]
    few = [label for label in LABELS if 0 < positives[label] < MIN_POSITIVES and label not in without]
    found = []
    if unknown:
        found.append(f"Nothing is known of {_listed(unknown)}: no study of the validation split has it.")
    if few:
        found.append(
            f"The thresholds of {_listed(few)} were chosen by fewer than {MIN_POSITIVES} positive studies each, and "
            "may be far from the best ones."
        )
    if never:
        found.append(f"It never named {_listed(never)} in validation, though there were studies with it.")
    if chance:
        found.append(f"It is not shown to order studies better than chance for {_listed(chance)}.")
    if without:
        found.append(f"It has no threshold for {_listed(without)}, and never names it.")
    control = None if labels.control is None else labels.control["avg"]
    if control is not None and labels.auc["avg"] is not None and control >= labels.auc["avg"]:
        found.append(
            f"By its mean AUC it is no better than logistic regression on TF-IDF of the reports ({control:.3f}), which "
            "is far simpler."
        )
    return found


def _of_reports(reports: ReportFigures, writing: Writing | None) -> list[str]:
    found = [
        "BLEU-4 and CIDEr count words in common with the true report. They do not tell whether its findings are right: "
        "`tienet evaluate --labeller` measures that."
    ]
    if writing is not None and writing.flaw:
        found.append(f"Its reports are of no use: {writing.flaw}.")
    if reports.studies > 1 and reports.most_frequent >= SAME_SHARE * reports.studies:
        found.append(f"It wrote one and the same report for {reports.most_frequent} of {reports.studies} studies.")
    below = [
        name
        for name, score in reports.scores.items()
        if None not in (score["value"], reports.constant[name]["value"])
        and score["value"] <= reports.constant[name]["value"]
    ]
    if below:
        found.append(
            f"By {' and '.join(below)} it is no better than the most frequent training report, given to every study."
        )
    unwritten = reports.statistics["unwritten_share"]
    if unwritten is not None:
        found.append(f"{unwritten:.0%} of the different words of the true reports are in none that it wrote.")
    return found


def _listed(labels: Sequence[str]) -> str:
    """Labels in a row; "every finding" where these are the 14."""
    names = "every finding" if list(labels[: len(FINDINGS)]) == list(FINDINGS) else ", ".join(labels)
    return names.replace("_", " ")
