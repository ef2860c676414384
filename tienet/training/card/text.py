"""The text of a model card: Markdown with a YAML front matter, as model cards on Hugging Face have it."""

import json

import numpy as np

from tienet.checkpoint.earlier_run import LAST_EPOCH
from tienet.checkpoint.entries import Entry, TrainingState
from tienet.checkpoint.run_folder import OpenedRun
from tienet.data.manifest import Manifest
from tienet.data.splits import SPLITS
from tienet.datasets.terms import terms_of
from tienet.evaluation.metrics.auroc import AVG10_POSITIVES
from tienet.labels import LABELS
from tienet.modes import Mode
from tienet.pages.plain_text import counted, number_text, span_text
from tienet.training.card import both_splits
from tienet.training.card.command import changed_settings
from tienet.training.card.figures import Figures, LabelFigures, Ranked, ReportFigures
from tienet.training.card.limits import limits
from tienet.training.card.markdown import plain, table

CURVES = "curves.png"
"""The picture beside the card."""

WHAT = {
    "annotate": "names 14 findings in a chest X-ray and its report",
    "annotate-text": "names 14 findings in the report of a chest X-ray",
    "classify": "names 14 findings in a chest X-ray",
    "caption": "writes the report of a chest X-ray",
    "report": "writes the report of a chest X-ray, and names 14 findings by both",
}
USES = {
    "annotate": "tienet annotate --load RUN studies.csv --out labels.csv",
    "annotate-text": "tienet annotate --load RUN studies.csv --out labels.csv",
    "classify": "tienet report --load RUN chest.png",
    "caption": "tienet report --load RUN chest.png",
    "report": "tienet report --load RUN chest.png",
}


def card_text(
    run: OpenedRun, entry: Entry, trained: int, data_set: Manifest, figures: Figures, command: str, has_curves: bool
) -> str:
    """The whole card.

    Args:
        run: The opened run.
        entry: The entry of its checkpoint.
        trained: The number of epochs that were trained.
        data_set: The data set that it was trained on, with all its splits.
        figures: What was measured on the validation split; nothing of a run that has learnt from it too.
        command: The command that made it.
        has_curves: Whether CURVES lies beside the card.
    """
    earlier, ranked = run.earlier, entry.state.best_score is not None
    curves = "Loss by epoch" if earlier else "Loss and validation scores by epoch"
    parts = [
        _front_matter(run, figures),
        f"# {plain(run.folder.resolve().name)}",
        _introduction(run, entry, trained),
        "## Data",
        *_data(run, data_set),
        "## Validation",
        *(both_splits.validation(run, earlier) if earlier else _validation(figures, data_set)),
        *(["## Curves", f"![{curves}; the kept one is marked]({CURVES})"] * has_curves),
        *_ranked(figures, data_set),
        "## Limits",
        "\n".join(f"- {sentence}" for sentence in limits(run, figures, entry.writing, ranked)),
        "## How it was made",
        *_made(run, command),
    ]
    return "\n\n".join(parts) + "\n"


# ---- its parts ----


def _front_matter(run: OpenedRun, figures: Figures) -> str:
    """What programs read. A licence of the weights is not ours to state, so there is none."""
    mode, data = run.config.mode_parts, str(run.facts.get("data", ""))
    task = "text-classification" if not mode.image else "image-to-text" if mode.writes else "image-classification"
    found = []
    if figures.labels is not None:
        found.append(("roc_auc", "mean AUC of the findings", figures.labels.auc["avg"]))
    if figures.reports is not None:
        found += [(name.lower().replace("-4", ""), name, of["value"]) for name, of in figures.reports.scores.items()]
    found = [(kind, name, value) for kind, name, value in found if value is not None]
    lines = ["---", "library_name: tienet", f"pipeline_tag: {task}", "tags:", *[f"- {tag}" for tag in _tags(mode)]]
    if found:
        lines += ["model-index:", f"- name: {json.dumps(run.folder.resolve().name)}", "  results:"]
        lines += [f"  - task: {{type: {task}}}"]
        lines += [f"    dataset: {{type: {json.dumps(data)}, name: {json.dumps(data)}, split: val}}", "    metrics:"]
        lines += [f"    - {{type: {kind}, name: {name}, value: {value:.4f}}}" for kind, name, value in found]
    return "\n".join([*lines, "---"])


def _tags(mode: Mode) -> list[str]:
    return ["tienet", "chest-x-ray", "radiology", mode.name]


def _introduction(run: OpenedRun, entry: Entry, trained: int) -> str:
    mode, state, facts, earlier = run.config.mode_parts, entry.state, run.facts, run.earlier
    libraries = facts.get("libraries") or {}
    versions = ", ".join(f"{name} {plain(version)}" for name, version in libraries.items())
    chosen = both_splits.chosen(earlier) if earlier else _chosen(state)
    words = " It is that of the training split's reports, without those of the validation split." if earlier else ""
    return "\n".join(
        [
            f"A TieNet (Wang et al., CVPR 2018) of mode `{mode.name}`: it {WHAT[mode.name]}.",
            "",
            f"- Checkpoint: `{entry.name}`, of epoch {state.epoch}, of {trained} that were trained; {chosen}.",
            f"- Vocabulary: {len(run.vocab):,} words.{words}" if mode.reads or mode.writes else "- It reads no words.",
            f"- Made with {versions or 'versions that are not known'}.",
            f"- To use it: `{USES[mode.name]}`",
        ]
    )


def _chosen(state: TrainingState) -> str:
    """How the checkpoint was chosen, in half a sentence."""
    if state.chosen_by == LAST_EPOCH:
        return "the one after the last epoch; no score chose it, as the validation split cannot rank the epochs"
    if state.best_score is None:  # a run of an older version, or one whose best checkpoint was lost
        return "no validation score chose it"
    return f"the one with the best {state.chosen_by or 'validation score'}"


def _data(run: OpenedRun, data_set: Manifest) -> list[str]:
    mode, terms = run.config.mode_parts, terms_of(data_set.name)
    rows = []
    columns = [(split, data_set.splits == split) for split in SPLITS]
    patients, reports = np.array(data_set.patient_ids), np.array([bool(text.strip()) for text in data_set.reports])
    images = np.array([image is not None for image in data_set.images])
    counts = {
        "studies": lambda of: of.sum(),
        "patients": lambda of: len(set(patients[of])),
        "images": lambda of: images[of].sum(),
        "reports": lambda of: reports[of].sum(),
    }
    for name, count in counts.items():
        rows.append([name, *(f"{int(count(of)):,}" for _, of in columns)])
    for k, label in enumerate(LABELS):
        rows.append([_label(label), *(f"{int((data_set.labels[of, k] == 1).sum()):,}" for _, of in columns)])
    learns = ["labels"] * mode.classifies + ["reports"] * (mode.writes or mode.reads) + ["images"] * mode.image
    splits = "training split and of its validation split" if run.earlier else "training split"
    return [
        f"The data set is called **{plain(data_set.name)}**. The network learnt from the {' and '.join(learns)} "
        f"of its {splits}. A label's counts are those of its positive studies.",
        table(["", *(name for name, _ in columns)], rows),
        f"Terms of data of this name: {terms.text}. They are terms of the data. Whether they reach the weights is for "
        "whoever passes these on to find out.",
    ]


def _validation(figures: Figures, data_set: Manifest) -> list[str]:
    n = int((data_set.splits == "val").sum())
    intervals = "intervals of 95% by 1,000 bootstrap resamples of patients"
    parts = [f"On the {counted(n, 'study')} of the validation split; {intervals}."]
    parts += _of_labels(figures.labels) if figures.labels is not None else []
    parts += _of_reports(figures.reports, n) if figures.reports is not None else []
    if figures.labels is None and figures.reports is None:
        parts = ["The checkpoint has no record of its validation split; `tienet calibrate` makes one."]
    return parts


def _of_labels(labels: LabelFigures) -> list[str]:
    auc, control = labels.auc, labels.control
    header = ["label", "positives", "AUC", "interval"] + ["TF-IDF"] * (control is not None)
    header += ["threshold", "precision", "interval", "recall", "interval"]
    rows = []
    for k, label in enumerate(LABELS):
        of_label, named, threshold = auc["auc"][label], labels.named[label], labels.thresholds[k]
        row = [_label(label), f"{of_label['positives']:,}", number_text(of_label["auc"])]
        row += [span_text(of_label["lo"], of_label["hi"])]
        row += [] if control is None else [number_text(control["auc"][label]["auc"])]
        row += [number_text(None if np.isnan(threshold) else float(threshold))]
        for rate in ("precision", "recall"):
            row += [number_text(named[rate]), span_text(named[f"{rate}_lo"], named[f"{rate}_hi"])]
        rows.append(row)
    means = {
        "avg": f"mean of {counted(auc['findings_covered'], 'finding')}",
        "wavg": "mean, weighted by positives",
        "avg10": f"mean of the {auc['avg10_findings']} with {AVG10_POSITIVES} positives or more",
    }
    for mean, name in means.items():
        row = [name, "", number_text(auc[mean]), span_text(auc[f"{mean}_lo"], auc[f"{mean}_hi"])]
        row += [] if control is None else [number_text(control[mean])]
        rows.append([*row, *[""] * (len(header) - len(row))])
    micro = labels.named["micro"]
    row = ["all findings together", *[""] * (len(header) - 5)]
    for rate in ("precision", "recall"):
        row += [number_text(micro[rate]), span_text(micro[f"{rate}_lo"], micro[f"{rate}_hi"])]
    rows.append(row)
    note = f"A label is named where its probability reaches its threshold (chosen for {labels.objective}; "
    note += "`tienet calibrate` chooses others, and leaves this card as it is). An interval from 0 to 0 or from 1 to 1 "
    note += "is of too few positives to have a width. "
    if np.isnan(labels.thresholds).all():
        note = "It has no thresholds, as the validation split has none to choose by, and names no label. "
    if control is None:
        note += f"There is no control by words: {labels.no_control}."
    else:
        note += "TF-IDF: the AUC of the control, logistic regression on the reports' 1-, 2- and 3-grams."
    return [table(header, rows), note]


def _of_reports(reports: ReportFigures, studies: int) -> list[str]:
    rows = []
    for name, score in reports.scores.items():
        control = reports.constant[name]
        rows.append(
            [name, number_text(score["value"]), span_text(score["lo"], score["hi"]), number_text(control["value"]),
             span_text(control["lo"], control["hi"])]
        )  # fmt: skip
    found = reports.statistics
    rows.append(["different reports", f"{found['distinct']:,}", "", "1", ""])
    rows.append(["words of a report, mean", f"{found['words_mean']:.1f}", "", "", ""])
    some = f" Reports were written for {reports.studies:,} of the {studies:,}." if reports.studies < studies else ""
    true = ""
    if found["true_studies"]:
        true = (
            f" Of the {found['true_studies']:,} true reports {found['true_distinct']:,} are different; they have "
            f"{found['true_words_mean']:.1f} words in the mean."
        )
    note = f"Constant: the most frequent training report, given to every study. BLEU-4 is 0 to 1, CIDEr 0 to 10.{some}"
    return [table(["written reports", "value", "interval", "constant", "interval"], rows), note + true]


def _ranked(figures: Figures, data_set: Manifest) -> list[str]:
    if not figures.ranked_by:
        return []
    public = terms_of(data_set.name).ids_are_public
    positions = np.flatnonzero(data_set.splits == "val")
    shown = (
        "Studies are shown by their ids."
        if public
        else "Studies are shown by their numbers in the manifest, from 1 on, as ids may name people."
    )

    def row(study: Ranked) -> list[str]:
        position = positions[study.row]
        name = plain(data_set.study_ids[position]) if public else f"no. {position + 1:,}"
        cells = [name, f"{study.value:.4f}", _labels(study.true)]
        cells += [] if study.named is None else [_labels(study.named)]
        return cells + ([] if study.words is None else [f"{study.words}"])

    first = figures.best[0]
    header = ["study", "value", "true"] + ["named"] * (first.named is not None) + ["words"] * (first.words is not None)
    return [
        "## Best and worst studies",
        f"{_best_and_worst(figures)} of the validation split, by {figures.ranked_by}. {shown}",
        "The best, from the best on:",
        table(header, map(row, figures.best)),
        "The worst, from the worst on:",
        table(header, map(row, figures.worst)),
    ]


def _best_and_worst(figures: Figures) -> str:
    best, worst = len(figures.best), len(figures.worst)
    return "The best and the worst study" if best == worst == 1 else f"The {best} best and the {worst} worst studies"


def _made(run: OpenedRun, command: str) -> list[str]:
    settings = [f"`{name}={value}`" for name, value in changed_settings(run.config).items()]
    facts = run.facts
    marks = {
        "data": "data_fingerprint",
        "vocabulary": "vocab_fingerprint",
        "backbone": "backbone_fingerprint",
        "word vectors": "word_vectors_fingerprint",
    }
    prints = [f"{name} `{str(facts[key])[:12]}`" for name, key in marks.items() if facts.get(key)]
    return [
        "By the last command of its training, folders left out:",
        f"    {command}",
        f"Settings at its start that are not the default: {', '.join(settings) or 'none'}. config.json has all.",
        f"Fingerprints: {', '.join(prints)}.",
    ]


# ---- labels ----


def _label(label: str) -> str:
    return label.replace("_", " ")


def _labels(labels: list[str] | None) -> str:
    """Labels in a cell; what a table cannot show as an empty cell is said."""
    if labels is None:
        return "not known"
    return ", ".join(map(_label, labels)) or "none"
