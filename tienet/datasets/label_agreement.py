"""How well two sources of labels agree on the same reports: counts, the share that agrees, and Cohen's kappa."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tienet.labels import FINDINGS, LABELS

MIN_CASES = 20
"""With fewer cases in both sources, kappa depends on one or two reports."""
GOOD_KAPPA = 0.9

ALL_LABELS = "all"
"""Stands in place of a finding if only one source has labels of the report."""

Labels = Mapping[str, Mapping[str, float]]
"""Maps each report to its labels, and each of `tienet.labels.LABELS` to 1, 0 or NaN (unknown)."""


def agreement(ours: Labels, theirs: Labels) -> pd.DataFrame:
    """Compare the two sources label by label.

    Returns:
        A row for each of LABELS with these columns: reports (the number for which both sources know the label), ours
        and theirs (the numbers of positives among these), differ (the number of reports on which the sources differ),
        agree (the share in [0, 1] on which they agree, NaN without reports), and kappa in [-1, 1]. Kappa is NaN if it
        is undefined: there are no reports, or both sources have one and the same value for all reports.
    """
    rows = []
    for a, b in zip(*_arrays(ours, theirs), strict=True):
        differ = int((a != b).sum())
        agree = 1 - differ / len(a) if len(a) else np.nan
        rows.append((len(a), int(a.sum()), int(b.sum()), differ, agree, _kappa(a, b)))
    return pd.DataFrame(rows, index=list(LABELS), columns=["reports", "ours", "theirs", "differ", "agree", "kappa"])


def disagreements(ours: Labels, theirs: Labels) -> pd.DataFrame:
    """List each label of each report on which the sources differ.

    Returns:
        The columns uid, finding, ours, theirs ("1" or "0"), in the order of LABELS and then of `ours`. At the end stand
        the reports that only one source has, with the finding ALL_LABELS and "" for the source that lacks them.
    """
    rows = [
        (uid, label, f"{ours[uid][label]:.0f}", f"{theirs[uid][label]:.0f}")
        for label in LABELS
        for uid in _in_both(ours, theirs)
        if abs(ours[uid][label] - theirs[uid][label]) == 1  # the difference is NaN if one is unknown
    ]
    rows += [(uid, ALL_LABELS, "labels", "") for uid in ours if uid not in theirs]
    rows += [(uid, ALL_LABELS, "", "labels") for uid in theirs if uid not in ours]
    return pd.DataFrame(rows, columns=["uid", "finding", "ours", "theirs"], dtype=str)


def describe(table: pd.DataFrame, listed: pd.DataFrame) -> list[str]:
    """Lines of text that describe the agreement.

    Args:
        table: The result of `agreement`.
        listed: The result of `disagreements`.
    """
    lines = table.to_string(float_format="{:.3f}".format, na_rep="undefined").splitlines()
    cases = table.loc[list(FINDINGS), ["ours", "theirs"]].max(axis=1)
    of_findings = table.loc[cases.index[cases >= MIN_CASES]]
    low = of_findings[~(of_findings.kappa > GOOD_KAPPA)]
    which = f"the {len(of_findings)} findings with {MIN_CASES} cases or more"
    if len(low):
        names = (
            f"{name} ({row.kappa:.3f}; ours {row.ours:.0f}, theirs {row.theirs:.0f})" for name, row in low.iterrows()
        )
        lines.append(f"kappa is above {GOOD_KAPPA} for {which}, except {', '.join(names)}")
    elif len(of_findings):
        lines.append(f"kappa is above {GOOD_KAPPA} for {which}")
    alone = listed[listed.finding == ALL_LABELS]
    differ = listed[listed.finding != ALL_LABELS]
    lines.append(f"{len(differ):,} labels differ, in {differ.uid.nunique():,} reports")
    only = {"ours": int((alone.ours != "").sum()), "theirs": int((alone.theirs != "").sum())}
    lines += [f"not compared: {n:,} reports that only {source} has labels of" for source, n in only.items() if n]
    return lines


def _arrays(ours: Labels, theirs: Labels) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For each of LABELS the values of both sources: int64 [number of reports for which both know the label]."""
    both = _in_both(ours, theirs)
    a, b = (
        np.array([[labels[uid][name] for uid in both] for name in LABELS], dtype=float) for labels in (ours, theirs)
    )
    known = ~np.isnan(a) & ~np.isnan(b)
    return tuple([row[mask].astype(int) for row, mask in zip(rows, known, strict=True)] for rows in (a, b))


def _in_both(ours: Labels, theirs: Labels) -> Sequence[str]:
    return [uid for uid in ours if uid in theirs]


def _kappa(a: np.ndarray, b: np.ndarray) -> float:
    if len(np.union1d(a, b)) < 2:
        return np.nan
    from sklearn.metrics import cohen_kappa_score  # only here, as its import takes a second

    return float(cohen_kappa_score(a, b))
