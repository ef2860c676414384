"""Which studies are labelled by hand, and in which order each reader sees them.

Studies are drawn by a seed: each with the same chance, or with known shares of labels, so that rare findings are there
often enough to measure anything. For shares the studies are divided into strata: a study belongs to the rarest of the
named labels that the data set says it has, and else to the stratum "other". From each stratum as many are drawn as its
share says; where a stratum has fewer, the others give more. `of` and `drawn` of its stratum say how likely a study was
to be drawn, by which figures on the drawn studies can be weighted back to the data set:

    P(drawn) = drawn / of    for every study of the stratum
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data.csv_table import Table
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.labels import LABELS, canonical

FILE_NAME = "studies.csv"
OTHER, ALL = "other", "all"
"""Strata: of studies with none of the named labels; and the only one, where nothing is balanced."""

_COLUMNS = ("study_id", "patient_id", "stratum", "of", "drawn")


@dataclass(frozen=True)
class Drawn:
    """The N drawn studies, in the order of the manifest.

    Attributes:
        positions: Where each is in the manifest that was drawn from.
        strata: The stratum of each.
        sizes: For each stratum, how many studies it has and how many of them were drawn.
    """

    positions: list[int]
    strata: list[str]
    sizes: dict[str, tuple[int, int]]

    def __len__(self) -> int:
        return len(self.positions)


def draw(studies: Manifest, count: int, seed: int, shares: Mapping[str, float] | None = None) -> Drawn:
    """Draw studies.

    Args:
        studies: What they are drawn from.
        count: How many; all of them, if there are fewer.
        seed: The seed.
        shares: The share of the drawn studies that each label's stratum should have, with a sum of 1 at most; the rest
            is OTHER's. None: every study is as likely as any other.
    """
    random = np.random.default_rng(seed)
    rows = np.arange(len(studies))
    stratum_of = np.full(len(studies), ALL, dtype=object)
    weights = {ALL: 1.0}
    if shares is not None:
        stratum_of[:] = OTHER
        by_frequency = sorted(shares, key=lambda label: int((studies.labels[:, LABELS.index(label)] == 1).sum()))
        for label in reversed(by_frequency):  # the rarest is written last, so it counts
            stratum_of[studies.labels[:, LABELS.index(label)] == 1] = label
        weights = {**shares, OTHER: max(0.0, 1 - sum(shares.values()))}
    members = {stratum: rows[stratum_of == stratum] for stratum in weights}
    taken = allocate(count, weights, {stratum: len(found) for stratum, found in members.items()})
    chosen = [random.permutation(members[stratum])[:number] for stratum, number in taken.items()]
    positions = sorted(int(row) for part in chosen for row in part)
    sizes = {stratum: (len(found), taken[stratum]) for stratum, found in members.items() if len(found)}
    return Drawn(positions, [stratum_of[row] for row in positions], sizes)


def equal_shares(studies: Manifest) -> dict[str, float]:
    """The same share for each label that a study has, and for the studies with none, if there are such."""
    there = [label for k, label in enumerate(LABELS) if (studies.labels[:, k] == 1).any()]
    none = (~(studies.labels == 1).any(axis=1)).any()
    return dict.fromkeys(there, 1 / (len(there) + none)) if there else {}


def allocate(count: int, weights: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, int]:
    """How many to take from each stratum: as its weight says, and no more than it has.

    What a stratum lacks is taken from the others in proportion to their weights, and then from whatever is left.

    Returns:
        Whole numbers with the sum min(count, sum of the sizes).
    """
    taken = dict.fromkeys(weights, 0)
    left = min(count, sum(sizes.values()))
    while left:
        room = {stratum: sizes[stratum] - taken[stratum] for stratum in weights if sizes[stratum] > taken[stratum]}
        total = sum(weights[stratum] for stratum in room)
        wanted = {s: left * (weights[s] / total if total else 1 / len(room)) for s in room}
        given = {s: min(room[s], int(wanted[s])) for s in room}
        if not any(given.values()):  # less than one for each: to the largest remainders, one each
            for s in sorted(room, key=lambda s: -wanted[s])[:left]:
                given[s] = 1
        for s, number in given.items():
            taken[s] += number
        left -= sum(given.values())
    return taken


def order_of(reader: str, seed: int, count: int) -> list[int]:
    """The order in which a reader sees the drawn studies: a permutation that depends on the name and the seed alone.

    No two readers have the same one, so that neither tiredness nor a study's neighbours do the same to both.
    """
    number = int.from_bytes(hashlib.sha256(reader.encode()).digest()[:8], "big")
    return [int(n) for n in np.random.default_rng([seed, number]).permutation(count)]


def write_drawn(folder: Path, studies: Manifest, drawn: Drawn) -> None:
    """Write studies.csv into a folder: the drawn studies with their strata."""
    with files.replacing(folder / FILE_NAME) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row, stratum in zip(drawn.positions, drawn.strata, strict=True):
            writer.writerow([studies.study_ids[row], studies.patient_ids[row], stratum, *drawn.sizes[stratum]])


def read_drawn(folder: Path) -> list[str]:
    """The ids of the drawn studies; raises InputError if studies.csv is not as it was written."""
    return Table(folder / FILE_NAME, _COLUMNS).cells("study_id")


def parse_shares(words: list[str]) -> dict[str, float]:
    """Shares from words such as "Mass=0.1".

    Raises:
        InputError: A word is no share, names no label, or the shares are more than 1 together.
    """
    shares: dict[str, float] = {}
    for word in words:
        name, _, cell = word.partition("=")
        label = canonical(name)
        try:
            share = float(cell)
        except ValueError:
            share = -1.0
        if label is None or not 0 < share <= 1 or label in shares:
            raise InputError(f"--balance {word}: expected a label once and its share, such as Mass=0.1")
        shares[label] = share
    if sum(shares.values()) > 1 + 1e-9:
        raise InputError(f"--balance: the shares are {sum(shares.values()):g} together; expected 1 at most")
    return shares
