"""The table of what was left out when a data set was prepared, and its counts by reason.

Its columns are image, split and reason; the table of OpenI has uid in place of split.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tienet import files
from tienet.data.splits import SPLITS

FILE = "left_out.csv"


def table(
    rows: Iterable[tuple[str, str, str]], columns: tuple[str, ...] = ("image", "split", "reason")
) -> pd.DataFrame:
    """Make a table of strings from rows; in names of files, bytes that are not UTF-8 are written as \\xf6."""
    return pd.DataFrame([tuple(map(files.printable, row)) for row in rows], columns=list(columns), dtype=str)


def reasons(left_out: pd.DataFrame) -> str:
    """The counts by reason, such as "3 x image file that is not there (train 2, test 1); 1 x ..."."""
    parts = []
    for reason, group in left_out.groupby("reason", sort=False):
        of_splits = group.split[group.split != ""] if "split" in group else ()
        parts.append(f"{len(group):,} x {reason}" + (f" ({counts(of_splits)})" if len(of_splits) else ""))
    return "; ".join(parts)


def counts(values: pd.Series) -> str:
    """The counts of the values, such as "train 10, test 2".

    The splits come first, in their order, and then any other values, the most frequent first.
    """
    of_value = dict(values.value_counts())
    order = sorted(of_value, key=lambda name: (*SPLITS, name).index(name))
    return ", ".join(f"{name} {of_value[name]:,}" for name in order)


def write(out: Path, left_out: pd.DataFrame) -> None:
    """Write the table as FILE into the folder of a data set."""
    files.write_text(out / FILE, left_out.to_csv(index=False))


def line(out: Path, left_out: pd.DataFrame) -> str | None:
    """A line for the user that names the file and counts the reasons; None if nothing is left out."""
    return f"left out, each named in {out / FILE}: {reasons(left_out)}" if len(left_out) else None
