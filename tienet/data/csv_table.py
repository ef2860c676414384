"""CSV files that users wrote: they are read as text and checked, and each problem is reported by row and column."""

import contextlib
import csv
import io
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tienet.data.text import without_nothing
from tienet.errors import InputError

MAX_PROBLEMS = 200
NOT_CSV = "a quote inside a quoted cell is written twice; a quote that is never closed swallows what follows"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Table:
    """The rows of a comma-separated UTF-8 file with a header.

    Messages name a row by the line of the file where it starts, as an editor counts lines, because quoted cells may
    hold line breaks. Blank lines are skipped, also those that have only separators, and so are empty columns without a
    name at the end: spreadsheets write both.

    Attributes:
        path: The path of the file.
        columns: The names of the columns that the table must have.
        header: The names of all columns of the file; runs of white space in them are one space.
        lines: The line where each row starts, from 1.
        notes: Remarks that a user should see although they are no errors.
        hint: The end of a message about a missing column: which other separator the header seems to have; or empty.
    """

    def __init__(
        self,
        path: Path | str,
        columns: Sequence[str],
        canonical: Callable[[str], str | None] | None = None,
        content: bytes | None = None,
        needs_rows: bool = True,
    ) -> None:
        """Read a file that must have `columns`, in any order; the file may have other columns too.

        Args:
            canonical: Returns the proper name of a column for another spelling of it; messages use it for hints.
            content: The content of the file, if it has been read already.
            needs_rows: Whether there must be a row under the header.
        Raises:
            FileNotFoundError: There is no such file.
            InputError: The file is not UTF-8 text, is not CSV, has another separator, lacks a column, or has no row.
        """
        self.path = Path(path)
        self.columns = tuple(columns)
        self.notes: list[str] = []
        self.lines: list[int] = []
        self._rows: list[list[str]] = []
        self._problems: list[tuple[int, int, str]] = []
        text = _text_of(self.path, _read(self.path) if content is None else content)
        with _cells_of_any_length(text):
            self._take_rows(self._parse(text), canonical or (lambda name: None))
        if needs_rows and not self._rows and not self._problems:
            raise InputError(f"{self.path}: there is no row under the header")

    def __len__(self) -> int:
        return len(self._rows)

    def cells(self, column: str, strip: bool = True) -> list[str]:
        """The cells of a column; the white space around them is removed if `strip` is set."""
        position = self.header.index(column)
        return [row[position].strip() if strip else row[position] for row in self._rows]

    def report_cells(self, column: str) -> list[str]:
        """The cells of a column of reports. Those with a value such as NaN are empty, and a note says how many."""
        cells = self.cells(column)
        reports = [without_nothing(cell) for cell in cells]
        nothing = Counter(cell for cell, report in zip(cells, reports, strict=True) if cell != report)
        if nothing:
            values = ", ".join(f"{count:,} x {value!r}" for value, count in nothing.most_common())
            note = f"note: {self.path}, column {column}: cells that stand for nothing are no reports: {values}"
            print(note, file=sys.stderr)
        return reports

    def note_other_columns(self, but: Sequence[str] = ()) -> None:
        """Add a note that names the columns that are not in `columns`, except those in `but`."""
        others = [name or "one without a name" for name in self.header if name not in (*self.columns, *but)]
        if others:
            self.notes.append(f"columns that are not part of the contract are ignored: {', '.join(others)}")

    def problem(self, n: int, column: str, text: str) -> None:
        """Record what is wrong with a cell of the n-th row (from 0), for `raise_problems`."""
        line = self.lines[n]
        text = " ".join(text.splitlines())  # a cell may hold line breaks, and a problem is one line
        self._problems.append((line, self.header.index(column), f"row {line}, column {column}: {text}"))

    def number_of_pixels(self, n: int, column: str, cell: str) -> float:
        """The number in a cell of the n-th row; NaN, and a problem is recorded, if there is no finite one."""
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
        self.problem(n, column, f"{cell!r}; expected a number of pixels")
        return math.nan

    def problem_of_file(self, text: str) -> None:
        """Record a problem that concerns the table as a whole, for `raise_problems`."""
        last = self.lines[-1] if self.lines else 1
        self._problems.append((last, len(self.header), text))

    def raise_problems(self) -> None:
        """Raise InputError if a problem was recorded.

        The message has one line for each problem, in the order of the file, for the first MAX_PROBLEMS of them.
        """
        lines = [text for _, _, text in sorted(self._problems)]
        if len(lines) == 1:
            raise InputError(f"{self.path}, {lines[0]}")
        if lines:
            more = [f"and {len(lines) - MAX_PROBLEMS} more"] if len(lines) > MAX_PROBLEMS else []
            raise InputError("\n".join([f"{self.path}: {len(lines)} problems", *lines[:MAX_PROBLEMS], *more]))

    def _take_rows(self, rows: Iterable[tuple[int, list[str]]], canonical: Callable[[str], str | None]) -> None:
        _, header = next(rows, (1, []))
        header, rows = _without_margin(header, rows)
        self.header = [" ".join(name.split()) for name in header]
        self.hint = f"; {separator_hint(header)}" if separator_hint(header) else ""
        self._check_header(canonical)
        for line, row in rows:
            if len(row) == len(self.header):
                self._rows.append(row)
                self.lines.append(line)
            else:
                wrong = f"{len(row)} cells where the header has {len(self.header)}; quote text that has a comma"
                self._problems.append((line, -1, f"row {line}: {wrong}"))

    def _parse(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Yield (line where the row starts, cells) for each row that is not blank."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        start = 1
        try:
            for row in reader:
                if row:
                    yield start, row
                start = reader.line_num + 1
        except csv.Error:
            raise InputError(f"{self.path}, row {start}: not CSV: {NOT_CSV}") from None

    def _check_header(self, canonical: Callable[[str], str | None]) -> None:
        expected = f"the columns are: {', '.join(self.columns)}"
        if not self.header:
            raise InputError(f"{self.path} is empty; {expected}")
        counts = Counter(name or "without a name" for name in self.header)
        wrong = [f"column {name} is there {n} times" for name, n in counts.items() if n > 1]
        missing = [name for name in self.columns if name not in self.header]
        for name in missing:
            like = [other for other in self.header if canonical(other) == name or other.lower() == name.lower()]
            wrong.append(f"column {name} is missing" + (f" (rename {like[0]}?)" if like else ""))
        if self.hint and len([name for name in self.header if name]) == 1:
            raise InputError(f"{self.path}, row 1: the header has one cell only: {self.hint.removeprefix('; ')}")
        if missing and len(self.header) == 1:
            wrong.append("the header has one cell only: are cells separated by commas?")
        if wrong:
            raise InputError(f"{self.path}, row 1: {'; '.join(wrong)}; {expected}{self.hint if missing else ''}")


def _without_margin(
    header: list[str], rows: Iterator[tuple[int, list[str]]]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the rows without what a spreadsheet writes around a table: empty rows, and columns at the end
    that have neither a name nor a cell.
    """
    if len(header) < 2:
        return header, list(rows)
    filled = [(line, row) for line, row in rows if not _is_blank(row)]
    named = max((n for n, name in enumerate(header, 1) if name.strip()), default=0)
    if not named or any(not _is_blank(row[named:]) for _, row in filled if len(row) == len(header)):
        return header, filled
    return header[:named], [(line, row[:named] if len(row) == len(header) else row) for line, row in filled]


def _is_blank(cells: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def separator_hint(header: Sequence[str]) -> str:
    """The end of a message about a header whose cells seem to have another separator; empty if they do not.

    It says also what to do about a first line such as sep=; which is a mark for Excel and no header.
    """
    if header and header[0].strip().lower().startswith("sep="):
        return "the first line is a mark for Excel; remove it, and save the file as CSV with commas"
    for separator, name in _SEPARATORS.items():
        if any(separator in cell for cell in header):
            return f"are cells separated by commas? The header has {name}; save the file as CSV with commas"
    return ""


@contextlib.contextmanager
def _cells_of_any_length(text: str) -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters in a cell, which our own reports may exceed."""
    before = csv.field_size_limit(len(text) + 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist; expected a CSV file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; expected a CSV file") from None


def _text_of(path: Path, content: bytes) -> str:
    """Decode the content of a file. Raises InputError if it is not UTF-8 text."""
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise InputError(f"{path}, row {line}: a NUL byte; expected a CSV file of UTF-8 text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, row {line}: not UTF-8 text; save the file as CSV, UTF-8") from None
