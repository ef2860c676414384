"""The splits of ChestX-ray14: NIH's two lists, and a validation split that is cut from the first list by patient."""

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
    """Read train_val_list.txt or test_list.txt, which have the file name of an image in each line; returns the stems.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is not such a list, or names an image twice.
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
        raise InputError(f"{path}: {_listed(twice, 'image')} there more than once; get it again")
    return stems


def train_or_val(patient: str) -> str:
    """The split, "train" or "val", of a patient of the train-val list, 7 : 1 on average and the same on every machine.

    The shares of the paper are 70/10/20. NIH has fixed the test split, so the rest is divided 70 : 10. For this
    `splits.by_hash` is taken of "0 PATIENT", "1 PATIENT" and so on, until it is not "test".
    """
    hashed = (splits.by_hash(f"{n} {patient}") for n in itertools.count())
    return next(split for split in hashed if split != "test")


def assign(patients: pd.Series, train_val: Sequence[str], test: Sequence[str]) -> list[str]:
    """The split, "train", "val" or "test", of each image of the entry table.

    Args:
        patients: The patient id of each image, by stem.
        train_val, test: The stems of NIH's lists; they may name more images than the entry table has.
    Raises:
        InputError: An image is in no list or in both, a patient is in both, or the lists are swapped.
    """
    if (len(train_val), len(test)) == (counts.TEST_IMAGES, counts.TRAIN_VAL_IMAGES):
        raise InputError(
            f"--train-val-list has {len(train_val):,} images, as NIH's test list; swap it with --test-list"
        )
    both = sorted(set(train_val) & set(test))
    if both:
        raise InputError(f"{_listed(both, 'image')} in --train-val-list and in --test-list; get NIH's lists again")
    listed = dict.fromkeys(train_val, "train_val") | dict.fromkeys(test, "test")
    neither = [name for name in patients.index if name not in listed]
    if neither:
        raise InputError(f"{_listed(neither, 'image')} in --entry and in neither list; give NIH's whole lists")
    lists = [listed[name] for name in patients.index]
    in_test = {patient for patient, which in zip(patients, lists, strict=True) if which == "test"}
    in_both = sorted({patient for patient, which in zip(patients, lists, strict=True) if which != "test"} & in_test)
    if in_both:
        raise InputError(f"{_listed(in_both, 'patient')} in --train-val-list and in --test-list; get NIH's lists again")
    split_of = {patient: train_or_val(patient) for patient in patients.unique()}
    return ["test" if which == "test" else split_of[name] for name, which in zip(patients, lists, strict=True)]


def _listed(names: Sequence[str], what: str) -> str:
    """The start of a sentence: "3 images (the first is X) are", or "image X is" for a single name."""
    return f"{len(names):,} {what}s (the first is {names[0]}) are" if len(names) > 1 else f"{what} {names[0]} is"
