"""How a report is written: what is refused."""

import pytest

from tienet.config import Config
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
        {"no_repeat": -2},
        {"findings_penalty": -1.0},
        {"findings_penalty": float("nan")},
        {"findings_words": 0},
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


def test_a_decoding_takes_what_it_does_not_say_from_the_run():
    config = Config(mode="caption", written_words=30, findings_penalty=4.0, findings_words=20, no_repeat=5)
    completed = Decoding("beam").completed(config, 6)
    assert (completed.max_words, completed.findings_penalty, completed.findings_words) == (30, 4.0, 20)
    assert (completed.impression, completed.no_repeat) == (6, 5)
    own = Decoding("greedy", 7, findings_penalty=0.0, findings_words=5, no_repeat=0)
    assert own.completed(config) == own and completed.completed(Config()) == completed
