"""The heat map of the text attention: a cell for each row and word, with its share, and no text that becomes markup."""

import re

import numpy as np
import pytest

from tienet.pages.text_rows import WORDS_IN_A_LINE, heat_map


def cells(html: str) -> list[list[list[float]]]:
    """The shares of each table, row by row."""
    found = []
    for table in re.findall(r"<tbody>(.*?)</tbody>", html, re.S):
        rows = re.findall(r"<tr>.*?</tr>", table)
        found.append([[float(share) for share in re.findall(r"--g:([0-9.]+)", row)] for row in rows])
    return found


@pytest.mark.parametrize("count", [1, WORDS_IN_A_LINE, WORDS_IN_A_LINE + 1, 3 * WORDS_IN_A_LINE])
def test_each_cell_has_its_share_of_the_largest(count):
    G = np.random.default_rng(count).dirichlet(np.ones(count), size=3)
    tables = cells(heat_map(G, [f"w{t}" for t in range(count)]))
    joined = np.concatenate([np.array(table) for table in tables], axis=1)
    np.testing.assert_allclose(joined, G / G.max(), atol=0.0051)
    assert max(len(table[0]) for table in tables) <= WORDS_IN_A_LINE


def test_words_stand_over_their_columns_and_are_escaped():
    html = heat_map(np.full((2, 3), 1 / 3), ["<START>", "a&b", "$x"])
    assert re.findall(r'<th scope="col"><span>(.*?)</span>', html) == ["&lt;START&gt;", "a&amp;b", "$x"]
    assert "0.333" in html


def test_an_empty_report_has_none_and_zeros_divide_by_nothing():
    assert heat_map(np.zeros((2, 0)), []) == ""
    assert np.array(cells(heat_map(np.zeros((2, 2)), ["a", "b"]))).max() == 0
