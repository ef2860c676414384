"""Which views of OpenI are frontal, told from NLM's own files alone.

Kaggle's indiana_projections.csv says it of each view, and is not NLM's. The XML of a report names for each of its
images the clusters of NLM's content-based search into which the image falls, such as EdgeHistogram f0p0k338.
view_codes.csv has how many frontal and how many lateral views of Kaggle's table have such a code, or a last number in
their name such as 2001, for the 165 codes of three views or more. The score of a view is the sum over its codes of
log((frontal + 1/2) / (lateral + 1/2)). Of a report's two views the one with the higher score is frontal; otherwise a
view is frontal if its score is not negative.

With a fifth of the reports left out of the counts in turn, this was wrong for 80 of the 7,466 views in Kaggle's table
(1.07%). For comparison: that the first view is the frontal one is wrong for 14.48%, and the edge histogram alone for
3.32%. With all reports counted it is wrong for 78, which view_exceptions.csv names, so that the outcome is Kaggle's for
each of its views: 36 of its 38 frontal ones were looked at, and all of them are frontal. NLM's four further views are
told by the rule alone.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources

from tienet.datasets.openi.views import FRONTAL, LATERAL, Views

KINDS = ("EdgeHistogram", "CEDD")
"""The kinds of codes in the XML that the rule reads; further ones make it hardly better."""

Code = tuple[str, str]
"""The kind of a code (one of KINDS, or `name`), and the code."""


def told_views(codes_of: Mapping[str, Mapping[str, Sequence[Code]]]) -> Views:
    """Tell the frontal from the lateral views.

    Args:
        codes_of: The codes of each view of each report: uid -> name of the view -> codes, in the order of the XML.
    Returns:
        The views by uid, in the same order.
    """
    views = Views({}, {})
    known = _exceptions()
    for uid, of_report in codes_of.items():
        for view, is_frontal in by_rule(of_report).items():
            projection = known.get(view, FRONTAL if is_frontal else LATERAL)
            of_projection = views.frontal if projection == FRONTAL else views.lateral
            of_projection.setdefault(uid, []).append(view)
    return views


def by_rule(codes_of: Mapping[str, Sequence[Code]]) -> dict[str, bool]:
    """Whether each view of one report is frontal, by the rule without its exceptions."""
    scores = {view: _score([*codes, ("name", _last_number(view))]) for view, codes in codes_of.items()}
    if len(scores) == 2:
        best = max(scores, key=scores.__getitem__)  # the first one if they are equal
        return {view: view == best for view in scores}
    return {view: score >= 0 for view, score in scores.items()}


def _score(codes: Iterable[Code]) -> float:
    weights = _weights()
    return sum(weights.get(code, 0.0) for code in codes)


def _last_number(view: str) -> str:
    """1001 of 10_IM-0002-1001; 1001-0002 of 3250_IM-1540-1001-0002."""
    return view.split("-", 2)[-1]


@cache
def _weights() -> dict[Code, float]:
    return {
        (kind, code): math.log((int(frontal) + 0.5) / (int(lateral) + 0.5))
        for kind, code, frontal, lateral in _rows("view_codes.csv")
    }


@cache
def _exceptions() -> dict[str, str]:
    return dict(_rows("view_exceptions.csv"))


def _rows(name: str) -> list[list[str]]:
    text = resources.files("tienet.datasets.openi").joinpath(name).read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()[1:]))
