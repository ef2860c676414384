"""Drawn studies: by a seed, in known shares, and in an order of its own for each reader."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.hand_labels import draw
from tienet.labels import LABELS, K

RARE, COMMON = LABELS.index("Mass"), LABELS.index("Effusion")


def studies_of(labels: np.ndarray) -> Manifest:
    ids = [f"s{n}" for n in range(len(labels))]
    none = [None] * len(ids)
    return Manifest("x", Path("x.csv"), ids, ids, none, [""] * len(ids), np.full(len(ids), "test"), labels)


@pytest.fixture
def studies():
    """200 studies: 6 with Mass, of which 3 have Effusion, too; 40 with Effusion."""
    labels = np.zeros((200, K), np.float32)
    labels[:6, RARE] = 1
    labels[3:43, COMMON] = 1
    labels[100:, LABELS.index("Edema")] = np.nan  # unknown is no finding
    return studies_of(labels)


def test_the_same_seed_draws_the_same_studies_once_each_in_the_order_of_the_manifest(studies):
    first, again, other = draw.draw(studies, 50, 1), draw.draw(studies, 50, 1), draw.draw(studies, 50, 2)
    assert first == again and first.positions != other.positions
    assert first.positions == sorted(set(first.positions)) and len(first) == 50
    assert first.sizes == {"all": (200, 50)}
    assert len(draw.draw(studies, 900, 0)) == 200


def test_every_study_is_as_likely_as_any_other(studies):
    counts = np.bincount(np.concatenate([draw.draw(studies, 50, seed).positions for seed in range(400)]), minlength=200)
    assert abs(counts - 100).max() < 5 * np.sqrt(400 * 0.25 * 0.75)


def test_shares_are_kept_and_what_a_stratum_lacks_comes_from_the_others(studies):
    drawn = draw.draw(studies, 40, 0, {"Mass": 0.25, "Effusion": 0.25})
    assert drawn.sizes == {"Mass": (6, 6), "Effusion": (37, 11), "other": (157, 23)}
    for position, stratum in zip(drawn.positions, drawn.strata, strict=True):
        labels = studies.labels[position]
        assert stratum == ("Mass" if labels[RARE] == 1 else "Effusion" if labels[COMMON] == 1 else "other")
    equal = draw.draw(studies, 12, 0, draw.equal_shares(studies))
    assert {stratum: taken for stratum, (_, taken) in equal.sizes.items()} == {"Mass": 4, "Effusion": 4, "other": 4}


def test_an_allocation_is_whole_numbers_that_fill_what_is_wanted():
    random = np.random.default_rng(0)
    for _ in range(200):
        names = [f"{n}" for n in range(random.integers(1, 6))]
        weights = dict(zip(names, random.random(len(names)), strict=True))
        sizes = {name: int(random.integers(0, 30)) for name in names}
        count = int(random.integers(0, 80))
        taken = draw.allocate(count, weights, sizes)
        assert sum(taken.values()) == min(count, sum(sizes.values()))
        assert all(0 <= taken[name] <= sizes[name] for name in names)
        full = [name for name in names if taken[name] == sizes[name]]
        for one, other in itertools.permutations(set(names) - set(full), 2):  # as the weights say, but for rounding
            assert taken[one] / weights[one] <= (taken[other] + len(names)) / weights[other] + 1e-9


def test_each_reader_has_an_order_of_its_own():
    orders = {reader: draw.order_of(reader, 0, 30) for reader in ("anna", "ben", "carla")}
    assert all(sorted(order) == list(range(30)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 3
    assert draw.order_of("anna", 0, 30) == orders["anna"] != draw.order_of("anna", 1, 30)


def test_what_was_drawn_is_read_again(studies, tmp_path):
    drawn = draw.draw(studies, 40, 0, {"Mass": 0.25})
    draw.write_drawn(tmp_path, studies, drawn)
    assert draw.read_drawn(tmp_path) == [studies.study_ids[n] for n in drawn.positions]
    first = (tmp_path / "studies.csv").read_text().splitlines()[:2]
    assert first == ["study_id,patient_id,stratum,of,drawn", "s0,s0,Mass,6,6"]


@pytest.mark.parametrize("words", [["Mass"], ["Mass=x"], ["Mass=0"], ["Mass=2"], ["Lump=0.1"], ["Mass=.1", "mass=.2"]])
def test_a_share_that_is_none_is_refused(words):
    with pytest.raises(InputError, match="--balance"):
        draw.parse_shares(words)


def test_shares_are_one_together_at_most():
    assert draw.parse_shares(["Mass=.5", "pleural effusion=.5"]) == {"Mass": 0.5, "Effusion": 0.5}
    with pytest.raises(InputError, match=r"are 1\.1 together"):
        draw.parse_shares(["Mass=.5", "Edema=.6"])
