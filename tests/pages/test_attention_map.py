"""Attention maps: in colour over the image, as bytes for the script, and described in words."""

import math
import re

import numpy as np
import pytest

from tienet.pages import attention_map


def test_overlay_peaks_where_the_map_does():
    a_ws = np.zeros((16, 16), np.float32)
    a_ws[3, 10] = 2.0
    rgba = attention_map.overlay(a_ws, 256, 256)
    assert rgba.shape == (256, 256, 4) and rgba.dtype == np.uint8
    row, column = np.unravel_index(rgba[..., 3].argmax(), (256, 256))
    assert abs(row - (3 * 16 + 7.5)) <= 1 and abs(column - (10 * 16 + 7.5)) <= 1
    assert rgba[..., 3].max() == 255
    assert (rgba[100:, :100, 3] == 0).all()  # no attention: the image is seen as it is
    np.testing.assert_array_equal(attention_map.overlay(5 * a_ws, 256, 256), rgba)
    # red before blue: RGBA, and inferno's top is a pale yellow
    top = rgba[row, column]
    assert top[0] > 240 and top[2] < 180


def test_overlay_of_nothing_is_transparent():
    assert (attention_map.overlay(np.zeros((4, 4)), 8, 8)[..., 3] == 0).all()


def test_levels_reach_255_at_each_words_own_peak():
    a = np.array([[[0.1, 0.2], [0.3, 0.4]], [[0.25, 0.25], [0.25, 0.25]], [[0, 0], [0, 0]]])
    expected = [[[64, 128], [191, 255]], [[255, 255], [255, 255]], [[0, 0], [0, 0]]]
    np.testing.assert_array_equal(attention_map.levels(a), expected)


def test_relative_entropy_by_a_loop():
    rng = np.random.default_rng(0)
    a_t = rng.random((5, 5)) ** 3
    a_t /= a_t.sum()
    bits = -sum(p * math.log2(p) for p in a_t.ravel())
    assert attention_map.relative_entropy(a_t) == pytest.approx(bits / math.log2(25))


def test_relative_entropy_of_the_extremes():
    one = np.zeros((4, 4))
    one[2, 1] = 1
    assert attention_map.relative_entropy(one) == 0
    assert attention_map.relative_entropy(np.full((4, 4), 1 / 16)) == pytest.approx(1)
    assert attention_map.relative_entropy(np.ones((1, 1))) == 1


def test_word_caption_names_the_peak_and_the_distance_from_uniform():
    a_t = np.full((4, 4), 0.5 / 15)
    a_t[1, 3] = 0.5
    said = attention_map.word_caption(a_t)
    assert "(row 2, column 4) holds 50.0%" in said and "uniform: 6.2%" in said
    share = float(re.search(r"Entropy: ([0-9.]+)%", said)[1]) / 100
    assert share == pytest.approx(attention_map.relative_entropy(a_t), abs=6e-4)
    assert attention_map.word_caption(7 * a_t) == said  # shares of the map's own sum
    one = np.zeros((4, 4), np.float32)
    one[0, 0] = 1
    assert "Entropy: 0.0%" in attention_map.word_caption(one)
    assert "0 everywhere" in attention_map.word_caption(np.zeros((4, 4)))


def test_a_map_is_no_finer_than_it_needs_to_be():
    image = np.zeros((512, 256), np.uint8)
    html = attention_map.figure("x", image, np.eye(16), np.stack([np.eye(16)] * 3))
    assert "The labels go by it" not in html
    evenly = attention_map.figure("x", image, np.eye(16), None, uniform_share=0.8)
    assert "The labels go by it for 20%, and for the rest by all cells alike." in evenly
    assert 'width="128" height="128"' in html
    assert len(html) < 40_000
