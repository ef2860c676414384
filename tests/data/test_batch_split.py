"""A batch divided over workers, towers and accumulation steps."""

from contextlib import nullcontext

import pytest

from tienet.config import Config
from tienet.data.batch_split import BatchSplit, check_halves
from tienet.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "accumulate"),
    [
        ({"batch": 32, "tower_batch": None}, 1),
        ({"batch": 32, "tower_batch": None, "towers": 4}, 1),
        ({"batch": 32, "tower_batch": 8}, 4),
        ({"batch": 32, "tower_batch": 4, "towers": 4}, 2),
        ({"batch": 32, "tower_batch": 4, "towers": 2, "workers": 2}, 2),
        ({"batch": 32, "tower_batch": 32}, 1),
    ],
)
def test_accumulation_follows_from_what_fits(arguments, accumulate):
    assert BatchSplit.from_batch(**arguments).accumulate == accumulate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": 16, "tower_batch": None, "towers": 3}, "batch=16 does not divide by 3 GPUs; use 15 or 18"),
        ({"batch": 2, "tower_batch": None, "towers": 3}, "use 3"),
        ({"batch": 32, "tower_batch": 5}, "does not divide by 5 studies; use 30 or 35"),
        ({"batch": 32, "tower_batch": 1, "workers": 3}, "by 3 workers x 1 study; use 30 or 33"),
        ({"batch": 32, "tower_batch": 5, "workers": 2, "towers": 4}, "by 2 workers x 4 GPUs x 5 studies; use 40"),
        ({"batch": 32, "tower_batch": 0}, "--tower-batch 0: expected 1 or more"),
    ],
)
def test_what_does_not_come_out_even_names_the_nearest(arguments, message):
    with pytest.raises(InputError, match=message):
        BatchSplit.from_batch(**arguments)


def test_the_parts_of_all_workers_are_all_parts_in_order_of_accumulation():
    workers = [list(BatchSplit(2, 3, worker, 2).own_parts()) for worker in range(3)]
    assert workers == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]


@pytest.mark.parametrize(
    ("mode", "classify_on", "part_size", "refused"),
    [
        ("report", "half", 1, True),
        ("report", "half", 2, False),
        ("report", "half", 3, False),
        ("report", "own", 1, False),
        ("report", "true", 1, False),
        ("caption", "half", 1, False),
        ("annotate", "half", 1, False),
    ],
)
def test_one_study_has_no_two_halves(mode, classify_on, part_size, refused):
    config, message = Config().replace(mode=mode, classify_on=classify_on), r"give --tower-batch 2 .* classify_on=own"
    with pytest.raises(InputError, match=message) if refused else nullcontext():
        check_halves(config, part_size)
