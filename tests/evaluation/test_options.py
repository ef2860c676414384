"""The options of an evaluation: values and modes for which they are refused."""

import pytest

from tienet.errors import InputError
from tienet.evaluation.options import Options
from tienet.modeling.decoding import Decoding
from tienet.modes import MODES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resamples": 0}, "--resamples 0: expected 1 or more"),
        ({"pages": -1}, "--pages -1: expected 0 or more"),
        ({"decoding": Decoding("consistent"), "reader": "r"}, "--decode consistent: needs --reader and --judge"),
        ({"metrics": "bleu"}, "--metrics bleu: expected all, auc, captions"),
        ({"protocol": "bleu", "protocol_file": "a"}, "--protocol bleu: expected r2gen, rexrank"),
        ({"protocol": "r2gen"}, "--protocol r2gen: needs --protocol-file"),
        ({"protocol_file": "a.json"}, "--protocol-file a.json: needs --protocol, one of r2gen, rexrank"),
        ({"protocol": "r2gen", "protocol_file": "a", "metrics": "auc"}, "--protocol r2gen: judges reports"),
        ({"protocol": "rexrank", "protocol_file": "a", "labeller": ("r",)}, "leave --labeller out"),
    ],
)
def test_impossible_options_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Options(**settings)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_mode_is_asked_only_for_what_it_has(mode):
    for options, possible in (
        (Options(metrics="all"), True),
        (Options(metrics="auc"), mode.classifies),
        (Options(metrics="captions"), mode.writes),
        (Options(decoding=Decoding("beam")), mode.writes),
        (Options(protocol="r2gen", protocol_file="a"), mode.writes),
    ):
        if possible:
            options.check(mode, "runs/a")
        else:
            with pytest.raises(InputError, match=f"runs/a: mode {mode.name} "):
                options.check(mode, "runs/a")
