"""Every row of the text attention G over the words, as a heat map in HTML: the paper's section 3.3 and Figure 10.

Letters: r attention rows; T words.
"""

import html
from collections.abc import Sequence

import numpy as np

from tienet.pages import template

WORDS_IN_A_LINE = 16
"""The most words that stand beside each other; a longer report takes several lines."""


def heat_map(G: np.ndarray, words: Sequence[str]) -> str:
    """The HTML of the heat map, which a reader opens: a table for each line of words, a row of it for each row of G.

    One scale of colours, from 0 to the largest share in G, is for all of them.

    Args:
        G: float [r, T], at least 0; each row sums to 1.
        words: The T words, any text.
    Returns:
        The HTML; "" if there are no words.
    """
    if not len(words):
        return ""
    largest = float(np.max(G))
    lines = [slice(first, first + WORDS_IN_A_LINE) for first in range(0, len(words), WORDS_IN_A_LINE)]
    tables = "\n".join(_table(G[:, line] / (largest or 1.0), words[line]) for line in lines)
    return template.fill("text_rows.html", tables=tables, rows=len(G), largest=f"{largest:.3f}")


def _table(shares: np.ndarray, words: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col"><span>{html.escape(word)}</span></th>' for word in words)
    rows = "\n".join(
        f'<tr><th scope="row">{row}</th>{"".join(f"<td style=--g:{share:.2f}></td>" for share in of_row)}</tr>'
        for row, of_row in enumerate(shares, 1)
    )
    return f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>\n{rows}\n</tbody></table>"
