"""CSV files from users: read as text, checked, and told what is wrong with them by row and column."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tienet.errors import InputError

MAX_PROBLEMS = 200


class Table:
    """The rows of a comma-separated UTF-8 file with a header.

    A row is named by the line where it starts, as an editor counts, so quoted cells may hold line breaks.
    Blank lines are passed over.

    Attributes:
        path: the file.
        header: its columns' names.
        lines: for each row, the line where it starts.
        notes: what a user should see though it is no error.
    """

    def __init__(
        self,
        path: Path | str,
        columns: Sequence[str],
        canonical: Callable[[str], str | None] | None = None,
        content: bytes | None = None,
    ) -> None:
        """Read a file that must have `columns`, in any order; others may be there.

        Args:
            canonical: gives a column's proper name for another spelling, for hints.
            content: what the file holds, if it was read already.
        Raises:
            FileNotFoundError: there is no such file.
            InputError: it is not UTF-8 text, not CSV, without a column, or without a row.
        """
        self.path = Path(path)
        self.columns = tuple(columns)
        self.notes: list[str] = []
        self.lines: list[int] = []
        self._rows: list[list[str]] = []
        self._problems: list[tuple[int, int, str]] = []
        rows = self._parse(_text_of(self.path, _read(self.path) if content is None else content))
        _, header = next(rows, (1, []))
        self.header = [name.strip() for name in header]
        self._check_header(canonical or (lambda name: None))
        for line, row in rows:
            if len(row) == len(self.header):
                self._rows.append(row)
                self.lines.append(line)
            else:
                wrong = f"{len(row)} cells where the header has {len(self.header)}; quote text that has a comma"
                self._problems.append((line, -1, f"row {line}: {wrong}"))
        if not self._rows and not self._problems:
            raise InputError(f"{self.path}: there is no row under the header")

    def __len__(self) -> int:
        return len(self._rows)

    def cells(self, column: str, strip: bool = True) -> list[str]:
        """A column's cells, without the white space around them unless `strip` is off."""
        place = self.header.index(column)
        return [row[place].strip() if strip else row[place] for row in self._rows]

    def note_other_columns(self, but: Sequence[str] = ()) -> None:
        """Note the columns that nobody asked for, `but` these."""
        others = [name for name in self.header if name not in (*self.columns, *but)]
        if others:
            self.notes.append(f"columns that are not part of the contract are ignored: {', '.join(others)}")

    def problem(self, n: int, column: str, text: str) -> None:
        """Keep for `raise_problems` what is wrong with the n-th row in a column."""
        line = self.lines[n]
        self._problems.append((line, self.header.index(column), f"row {line}, column {column}: {text}"))

    def problem_of_file(self, text: str) -> None:
        """Keep for `raise_problems` what is wrong with the rows together."""
        last = self.lines[-1] if self.lines else 1
        self._problems.append((last, len(self.header), text))

    def raise_problems(self) -> None:
        """Raise InputError with all problems, in the file's order, one a line; the first MOST_PROBLEMS of them."""
        lines = [text for _, _, text in sorted(self._problems)]
        if len(lines) == 1:
            raise InputError(f"{self.path}, {lines[0]}")
        if lines:
            more = [f"and {len(lines) - MAX_PROBLEMS} more"] if len(lines) > MAX_PROBLEMS else []
            raise InputError("\n".join([f"{self.path}: {len(lines)} problems", *lines[:MAX_PROBLEMS], *more]))

    def _parse(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """(line where it starts, cells) of each row that is not blank."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        start = 1
        try:
            for row in reader:
                if row:
                    yield start, row
                start = reader.line_num + 1
        except csv.Error as error:
            why = f"{error}; a quote inside a quoted cell is written twice"
            raise InputError(f"{self.path}, row {start}: not CSV: {why}") from None

    def _check_header(self, canonical: Callable[[str], str | None]) -> None:
        expected = f"the columns are: {', '.join(self.columns)}"
        if not self.header:
            raise InputError(f"{self.path} is empty; {expected}")
        wrong = [f"column {name} is there {n} times" for name, n in Counter(self.header).items() if n > 1]
        missing = [name for name in self.columns if name not in self.header]
        for name in missing:
            like = [other for other in self.header if canonical(other) == name or other.lower() == name.lower()]
            wrong.append(f"column {name} is missing" + (f" (rename {like[0]}?)" if like else ""))
        if missing and len(self.header) == 1:
            wrong.append("the header has one cell only: are cells separated by commas?")
        if wrong:
            raise InputError(f"{self.path}, row 1: {'; '.join(wrong)}; {expected}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist; expected a CSV file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; expected a CSV file") from None


def _text_of(path: Path, content: bytes) -> str:
    """A file's text; InputError if it is not UTF-8 text."""
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise InputError(f"{path}, row {line}: a NUL byte; expected a CSV file of UTF-8 text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, row {line}: not UTF-8 text; save the file as CSV, UTF-8") from None
