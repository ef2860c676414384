"""How a report is written: what is refused."""

import pytest

from tienet.errors import InputError
from tienet.modeling.decoding import CONSISTENT_TEMPERATURE, Decoding


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "best"},
        {"max_words": 0},
        {"width": 0},
        {"temperature": 0.0},
        {"length_norm": -1.0},
        {"candidates": 0},
        {"no_repeat": 1},
        {"margin": float("nan")},
        {"agreement_weight": float("nan")},
    ],
)
def test_a_decoding_that_cannot_be_is_refused(settings):
    with pytest.raises(InputError):
        Decoding(**settings)


def test_the_temperature_has_a_default_for_each_method():
    temperatures = [Decoding(method).temperature for method in ("greedy", "sample", "consistent")]
    assert temperatures == [1.0, 1.0, CONSISTENT_TEMPERATURE]
    assert Decoding("consistent", temperature=1.0).temperature == 1.0
