"""Which other columns of a user's table go into the output, by the flag --keep."""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tienet.errors import InputError

_MAX_COLUMNS = 20  # columns of a header that a message names


@dataclass(frozen=True)
class Keep:
    """What --keep asks for.

    Attributes:
        names: The columns by name; empty: all that are read for nothing else.
        taken: The columns that the output has of its own.
    """

    names: tuple[str, ...]
    taken: tuple[str, ...]

    @classmethod
    def from_flag(cls, text: str, taken: Sequence[str]) -> "Keep":
        """From the flag's value, names with commas between them, quoted as in CSV; empty for all.

        Raises:
            InputError: A name is empty or there twice, or it is one that the output has of its own.
        """
        names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
        if "" in names:
            raise InputError(f"--keep {text}: a name is empty; expected names of columns with commas between them")
        keep = cls(tuple(names), tuple(taken))
        keep.check(names)
        return keep

    def find(self, header: Sequence[str], used: Collection[int]) -> tuple[int, ...]:
        """The indices of the columns to keep, in the order of the header.

        Args:
            header: The names of all columns, as they are in the file.
            used: The indices of the columns that are read as the study's name, image or report.
        Raises:
            InputError: A name is not in the header, or is one that the output has of its own.
        """
        stripped = [name.strip() for name in header]
        missing = [name for name in self.names if name not in stripped]
        if missing:
            found = ", ".join(" ".join(name.split()) for name in header[:_MAX_COLUMNS])
            raise InputError(f"--keep: no column {', no column '.join(missing)}; the columns are: {found}")
        if self.names:
            return tuple(index for index, name in enumerate(stripped) if name in self.names)
        indices = tuple(index for index in range(len(header)) if index not in used)
        self.check([stripped[index] for index in indices])
        return indices

    def check(self, names: Sequence[str]) -> None:
        """Raise InputError if one of the names cannot stand in the output."""
        taken = {name.casefold() for name in self.taken}
        clash = next((name for name in names if name.casefold() in taken), None)
        if clash is not None:
            raise InputError(
                f"--keep: column {' '.join(clash.split())} is one that the output has itself; "
                "rename it, or name the columns to keep: --keep COL,COL"
            )
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            shown = twice[0] or "without a name"
            raise InputError(f"--keep: column {shown} is there twice; name the columns to keep: --keep COL,COL")
