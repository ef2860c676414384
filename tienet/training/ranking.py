"""Whether the epochs of a training can be ranked, from the labels and reports of its validation split alone.

A mean AUC needs a finding with a positive and a negative study, BLEU-4 and CIDEr need a true report with a word. A term
of the score (`tienet.training.choice`) that is undefined is left out. Where all are, no epoch is better than another:
then the last one is kept, as in a training on both splits, and nothing is stopped early.
"""

from dataclasses import replace

import numpy as np

from tienet.checkpoint.earlier_run import LAST_EPOCH
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.labels import FINDINGS
from tienet.modes import Mode
from tienet.pages.plain_text import counted

NO_AUC = "no finding has both a positive and a negative study there, so no AUC is defined and no threshold is chosen"
"""Why a validation split has no AUC; it stands behind a name of that split."""

_NO_WORDS = "no true report there has a word, so BLEU-4 and CIDEr are undefined"


def has_auc(labels: np.ndarray) -> bool:
    """Whether the mean AUC of the findings is defined for labels [N, K], 1, 0 or NaN (unknown)."""
    findings = np.asarray(labels)[:, : len(FINDINGS)]
    return bool(((findings == 1).any(axis=0) & (findings == 0).any(axis=0)).any())


def rule_for(mode: Mode, val: Manifest) -> str:
    """The name of the score that ranks the epochs of a run: `Mode.chosen_by` with the terms that are defined.

    Returns:
        LAST_EPOCH where no term is defined.
    """
    ranking = replace(mode, classifies=mode.classifies and has_auc(val.labels), writes=mode.writes and _has_words(val))
    return ranking.chosen_by if ranking.classifies or ranking.writes else LAST_EPOCH


def note_on_ranking(mode: Mode, val: Manifest) -> str | None:
    """What a user should know before the first epoch of a training; None where all terms of the score are defined."""
    rule = rule_for(mode, val)
    if rule == mode.chosen_by:
        return None
    why = [NO_AUC] * (mode.classifies and not has_auc(val.labels)) + [_NO_WORDS] * (mode.writes and not _has_words(val))
    of_split = f"val split ({counted(len(val), 'study')}): {'; '.join(why)}"
    if rule == LAST_EPOCH:
        return f"{of_split}; it cannot rank the epochs: the last one is kept, and patience does not count"
    return f"{of_split}; the best epoch is chosen by {rule} alone"


def _has_words(val: Manifest) -> bool:
    return any(tokenize(report) for report in val.reports)
