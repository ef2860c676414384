"""Seeds: the same for the same draw, and another one for whatever else is drawn."""

import itertools

import numpy as np

from tienet.modeling.draws import PURPOSES, Draws


def test_each_purpose_update_part_and_seed_has_a_seed_of_its_own(evaluate):
    updates = [np.array(update, np.int32) for update in ([0, 0], [0, 1], [7, 0])]
    draws = [Draws(seed, update) for seed, update in itertools.product((0, 1), updates)]
    seeds = evaluate([[draw.seed_for(purpose) for purpose in PURPOSES] for draw in draws])
    found = {tuple(seed) for of_draw in seeds for seed in of_draw}
    assert len(found) == 6 * len(PURPOSES)
    assert all(seed.dtype == np.int64 and seed.shape == (2,) for of_draw in seeds for seed in of_draw)
    again = evaluate(Draws(1, updates[2]).seed_for("dropout"))
    np.testing.assert_array_equal(again, seeds[-1][list(PURPOSES).index("dropout")])
