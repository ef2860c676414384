"""The tables of labels on the page: the counts in each split, and the pairs of labels."""

from collections.abc import Iterator, Sequence

import numpy as np

from tienet.datasets.description import html
from tienet.datasets.description.counts import GROUPS, SIZES, GroupCounts, Pairs, percent
from tienet.labels import LABELS, readable
from tienet.pages.plain_text import counted

_FIRST = ' class="first"'  # draws a line before the column


def sizes_section(groups: GroupCounts) -> str:
    """The section with the numbers of studies, patients, images and reports in each split."""
    rows = [[name, *(f"{n:,}" for n in groups.sizes[:, i])] for i, name in enumerate(SIZES)]
    return html.section("Splits", html.table("splits", rows, ["", *GROUPS]))


def labels_section(groups: GroupCounts) -> str:
    """Section with the positive, negative and unknown studies of each label and split; empty splits are left out."""
    shown = [g for g in range(len(GROUPS)) if groups.sizes[g, 0]]
    kinds = ["positive", "negative", "unknown"] if groups.unknown.any() else ["positive", "negative"]
    tops = (f'<th scope="colgroup" colspan="{len(kinds)}" class="first group">{GROUPS[g]}</th>' for g in shown)
    heads = "".join(f'<th scope="col"{_FIRST if not n else ""}>{kind}</th>' for n, kind in enumerate(kinds))
    head = f'<thead><tr><td></td>{"".join(tops)}</tr>\n<tr class="kinds"><td></td>{heads * len(shown)}</tr></thead>'
    rows = (_label_row(groups, shown, kinds, k) for k in range(len(LABELS)))
    key = "No label is unknown. Shares are of the split's studies."
    if groups.unknown.any():
        key = (
            "Shares of positive and negative are of the studies whose label is known; of unknown, of all of the split."
        )
    table = html.scrolling("labels", head, rows, css="grid labelled")
    return html.section("Labels", table, f'<p class="key">{key}</p>')


def _label_row(groups: GroupCounts, shown: Sequence[int], kinds: Sequence[str], k: int) -> str:
    cells = ""
    for g in shown:
        counts = {kind: int(getattr(groups, kind)[g, k]) for kind in kinds}
        known = counts["positive"] + counts["negative"]
        for kind, count in counts.items():
            total = known if kind != "unknown" else known + count
            css = " ".join([*(["first"] if kind == "positive" else []), *([] if count else ["zero"])])
            share = percent(count, total) if count else ""
            cells += f'<td class="{css}">{count:,} <small>{share}</small></td>'
    return f'<tr><th scope="row">{readable(LABELS[k])}</th>{cells}</tr>'


def pairs_section(pairs: Pairs) -> str:
    """The section with a table of all pairs, shaded by share; a tick box shows the shares in place of the counts."""
    share = pairs.share()
    outside = share[~np.eye(len(LABELS), dtype=bool)]
    largest = 0.0 if np.isnan(outside).all() else float(np.nanmax(outside))
    table = html.fill(
        "pairs.html",
        heads="".join(f'<th scope="col">{readable(label)}</th>' for label in LABELS),
        rows="\n".join(_pair_rows(pairs, share, largest)),
        largest=f"{largest:.0%}",
    )
    return html.section("Labels together", table)


def _pair_rows(pairs: Pairs, share: np.ndarray, largest: float) -> Iterator[str]:
    for j, row in enumerate(LABELS):
        cells = []
        for k, column in enumerate(LABELS):
            both, known = int(pairs.both[j, k]), int(pairs.known[j, k])
            if j == k:
                cells.append(f'<td class="own" title="{counted(both, "study")} with {readable(row)}">{both:,}</td>')
                continue
            tooltip = f"{readable(row)} and {readable(column)}: {counted(both, 'study')}"
            tooltip += f", {percent(both, known)} of the {known:,} with {readable(row)}" if known else ""
            shade = f' style="--p:{share[j, k] / largest:.3f}"' if both else ""
            zero = "" if both else ' class="zero"'
            cells.append(
                f'<td title="{tooltip}"{shade}{zero}><span class="number">{both:,}</span>'
                f'<span class="share">{percent(both, known)}</span></td>'
            )
        yield f'<tr><th scope="row">{readable(row)}</th>{"".join(cells)}</tr>'
