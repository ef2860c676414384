"""The one scale of probability: its ends, its order, its figures, and that the served page has the same."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tienet.pages.probability import AXIS, LEAST, MOST, percent, place

TEXT_JS = Path(__file__).resolve().parents[2] / "tienet" / "server" / "static" / "text.js"
SHARES = [
    0.0,
    1e-9,
    3e-7,
    0.0004,
    0.00994,
    0.0099,
    0.0123,
    0.0995,
    0.1,
    0.344,
    0.5,
    0.9,
    0.971,
    0.99266,
    0.9999996,
    1.0,
]


def test_the_ends_the_middle_and_beyond():
    assert (place(LEAST), place(MOST), place(0.5)) == pytest.approx((0, 1, 0.5))
    assert (place(0), place(1)) == (place(LEAST), place(MOST))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_probability_is_never_before_a_smaller_one(one, other):
    assert (place(min(one, other)) <= place(max(one, other))) and 0 <= place(one) <= 1
    assert place(1 - one) == pytest.approx(1 - place(one), abs=1e-6)


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "0%"), (0.00012, "0.012%"), (0.0312, "3.1%"), (0.3, "30%"), (0.5, "50%"), (0.97, "97%"),
        (0.9712, "97.1%"), (0.99266, "99.27%"), (1.0, "100%"), (math.nan, "-"), (np.float32(0.07), "7%"),
    ],
)  # fmt: skip
def test_figures(probability, text):
    assert percent(probability) == text


def test_the_page_of_the_server_has_the_same_scale(browser):
    tab = browser.new_page()
    tab.add_script_tag(path=str(TEXT_JS))
    places, figures = tab.evaluate("(shares) => [shares.map(place), shares.map(percent)]", SHARES)
    axis = tab.evaluate("AXIS")
    tab.close()
    assert axis == list(AXIS)
    assert [float(text.rstrip("%")) for text in places] == pytest.approx([100 * place(p) for p in SHARES], abs=0.006)
    assert figures == [percent(p) for p in SHARES]
