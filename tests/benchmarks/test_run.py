"""Cases are chosen by a part of their names."""

import json
from pathlib import Path

import pytest

from benchmarks import cases, run
from tienet.errors import InputError


def test_names_are_unique_and_only_chooses_by_part_of_them():
    everything = cases.all_cases(Path("text"))
    assert len({case.name for case in everything}) == len(everything)
    assert {case.name for case in run.chosen(everything, ["cache/", "evaluation"])} == {
        "cache/write", "cache/read", "evaluation",
    }  # fmt: skip
    with pytest.raises(InputError, match="--only nothing"):
        run.chosen(everything, ["nothing"])
    json.dumps([case.arguments for case in everything])
