"""Splits of ChestX-ray14: NIH's two lists, and validation cut from the first by patient."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tienet.data import splits
from tienet.data.gzipped_table import read_bytes
from tienet.datasets.chestxray14 import counts
from tienet.datasets.chestxray14.tables import stem
from tienet.errors import InputError

_LINE = re.compile(r"[^\s,;|]+\.(png|jpe?g)", re.IGNORECASE)


def read_list(path: Path) -> list[str]:
    """The stems of train_val_list.txt or test_list.txt: one image's file name a line, none twice.

    Raises InputError if it is not such a list.
    """
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not text; expected a list, one image's file name a line") from None
    named = [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]
    wrong = [(n, line) for n, line in named if not _LINE.fullmatch(line)]
    if wrong:
        n, line = wrong[0]
        what = f"{len(wrong):,} of {len(named):,} lines are no image's file name, the first is line {n}, {line[:60]!r}"
        raise InputError(f"{path}: {what}; expected a list such as test_list.txt, one name a line")
    stems = [stem(line) for _, line in named]
    twice = [name for name, n in Counter(stems).items() if n > 1]
    if twice:
        raise InputError(f"{path}: {_some(twice, 'image')} there more than once; get it again")
    return stems


def train_or_val(patient: str) -> str:
    """ "train" or "val" for a patient of the train-val list, 7 : 1 on average, the same on every machine.

    The paper's shares are 70/10/20. NIH has fixed the test set, so the rest is cut 70 : 10: `splits.by_hash` of
    "0 PATIENT", then "1 PATIENT" and so on, until it does not say test.
    """
    answers = (splits.by_hash(f"{n} {patient}") for n in itertools.count())
    return next(split for split in answers if split != "test")


def assign(patients: pd.Series, train_val: Sequence[str], test: Sequence[str]) -> list[str]:
    """The split of each image of the entry table: "train", "val" or "test".

    Args:
        patients: patient ids, by stem.
        train_val, test: the stems of NIH's lists; they may name more images than there are patients.
    Raises:
        InputError: an image is in no list or in both, a patient in both, or the lists are swapped.
    """
    if (len(train_val), len(test)) == (counts.TEST_IMAGES, counts.TRAIN_VAL_IMAGES):
        raise InputError(
            f"--train-val-list has {len(train_val):,} images, as NIH's test list; swap it with --test-list"
        )
    both = sorted(set(train_val) & set(test))
    if both:
        raise InputError(f"{_some(both, 'image')} in --train-val-list and in --test-list; get NIH's lists again")
    listed = dict.fromkeys(train_val, "train_val") | dict.fromkeys(test, "test")
    neither = [name for name in patients.index if name not in listed]
    if neither:
        raise InputError(f"{_some(neither, 'image')} in --entry and in neither list; give NIH's whole lists")
    part = [listed[name] for name in patients.index]
    in_test = {patient for patient, which in zip(patients, part, strict=True) if which == "test"}
    torn = sorted({patient for patient, which in zip(patients, part, strict=True) if which != "test"} & in_test)
    if torn:
        raise InputError(f"{_some(torn, 'patient')} in --train-val-list and in --test-list; get NIH's lists again")
    split_of = {patient: train_or_val(patient) for patient in patients.unique()}
    return ["test" if which == "test" else split_of[name] for name, which in zip(patients, part, strict=True)]


def _some(names: Sequence[str], what: str) -> str:
    """ "3 images (the first is X) are", or "image X is" for one."""
    return f"{len(names):,} {what}s (the first is {names[0]}) are" if len(names) > 1 else f"{what} {names[0]} is"
