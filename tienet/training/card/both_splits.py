"""What the card of a run says that has learnt from the validation split too: what is of its earlier run, as that one's.

Such a run has no figures of its own (`tienet.checkpoint.earlier_run`).
"""

import numpy as np

from tienet.checkpoint.earlier_run import EarlierRun
from tienet.checkpoint.run_folder import OpenedRun
from tienet.labels import LABELS
from tienet.pages.plain_text import counted, number_text
from tienet.training.card.markdown import plain, table


def chosen(earlier: EarlierRun) -> str:
    """How the checkpoint was chosen, in half a sentence."""
    return (
        f"the one after the last epoch, as many as the earlier run **{plain(earlier.name)}** had at its best; it was "
        "not chosen by any score"
    )


def validation(run: OpenedRun, earlier: EarlierRun) -> list[str]:
    """The section on validation: there is none, what the earlier run reached, and the thresholds that are from it.

    Args:
        run: The run on both splits.
        earlier: Its earlier run.
    """
    name = f"**{plain(earlier.name)}**"
    parts = [
        "**This run has no validation figures of its own.** It has learnt from the studies of the validation split, so "
        "nothing is left to measure it by; `tienet evaluate` measures it on the test split.",
        f"How long it was trained was found by the earlier run {name}, which learnt from the training split alone, "
        f"{_settings(run, earlier)}: its checkpoint `{plain(earlier.checkpoint)}`, of epoch {earlier.epoch}, was its "
        f"best by {plain(earlier.chosen_by)}.",
    ]
    if earlier.validation:
        parts.append(f"What {name} reached on the validation split. These are figures of that run, not of this one:")
        rows = [[_MEASURES.get(measure, measure), number_text(value)] for measure, value in earlier.validation.items()]
        parts.append(table([f"of {name}", "value"], rows))
    if run.config.mode_parts.classifies:
        parts += _thresholds(run, name)
    return parts


def _settings(run: OpenedRun, earlier: EarlierRun) -> str:
    """With which settings the earlier run was trained, compared with this one."""
    others = [f"`{name}={value}` (here {getattr(run.config, name)})" for name, value in earlier.differs.items()]
    return f"with the same settings but {', '.join(others)}" if others else "with the same settings"


_MEASURES = {"AUC": "mean AUC of the findings"}


def _thresholds(run: OpenedRun, name: str) -> list[str]:
    thresholds, calibration = run.thresholds(), run.calibration
    if np.isnan(thresholds).all():
        return [f"{name} has no thresholds, so this run names no label."]
    header, rows = ["label", "threshold"], []
    header += [] if calibration is None else ["temperature", "positives", f"precision of {name}", f"recall of {name}"]
    for k, label in enumerate(LABELS):
        row = [label.replace("_", " "), _number(thresholds[k])]
        if calibration is not None:
            row += [_number(calibration.temperatures[k]), str(calibration.positives.get(label, "not known"))]
            row += [_number(calibration.precision[k]), _number(calibration.recall[k])]
        rows.append(row)
    what = (
        "The thresholds of this run are" if calibration is None else "The thresholds and temperatures of this run are"
    )
    objective = "f1" if calibration is None else calibration.objective
    text = (
        f"{what} those of {name}, which were chosen for {objective} on the validation split while nothing had learnt "
        "from it. They fit the probabilities of that network, and those of this one as far as the two are alike."
    )
    if calibration is not None:
        studies = counted(calibration.studies, "study")
        text += f" Positives, precision and recall are those of {name} on the {studies} of the validation split."
    return [text, table(header, rows)]


def _number(value: float) -> str:
    return number_text(None if np.isnan(value) else float(value))


def limits(earlier: EarlierRun, data: str, classifies: bool) -> list[str]:
    """The limits that follow from it, a sentence or two each.

    Args:
        data: The name of the data set, as Markdown.
        classifies: Whether it has thresholds.
    """
    name = f"**{plain(earlier.name)}**"
    thresholds = " Its thresholds and temperatures are of another network." if classifies else ""
    return [
        f"It was trained on {data} alone. How it does on images and reports of another hospital, another device or "
        "another language was not measured.",
        f"Nothing of this run was measured when it was made: neither that {earlier.epoch} epochs are right for it, nor "
        f"that it is better than {name}.{thresholds} `tienet evaluate` judges both on the test split, which had no "
        "part in either training; it refuses to judge this run on the validation split.",
        *(
            [f"The reports of {name} are of no use: {earlier.flaw}. Those of this run may be no better."]
            * bool(earlier.flaw)
        ),
    ]
