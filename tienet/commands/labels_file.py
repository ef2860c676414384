"""The table that `tienet annotate` writes, as a file.

Rows are added as soon as a window of studies is predicted, so that the same command can go on with the table
of a run that was stopped. There are these files:

OUT             a row for each study, in the input's order: study_id, a probability for each label, then each label: 1,
                0, or empty without a threshold; `named`, the labels that are 1; `passed_over`, why a study has empty
                cells; `image_distance` and `notes` on its image; with --evidence `evidence`, a list in JSON; the
                columns that are kept
OUT.run.json    the checkpoint and the input that the table is of, so that no run with others adds to it
OUT.evidence.jsonl   the evidence alone, a line of JSON for each study; made at the end, with --evidence
OUT.errors.csv  the row of each study that was passed over, and why in a sentence; only where there are such studies
OUT.rows.csv    the rows until the table is complete, where OUT is a Parquet file, to which none can be added

A name that ends in .gz is gzipped, one in .parquet or .pq a Parquet file.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tienet import files
from tienet.commands import labels_row
from tienet.commands.growing_table import AGAIN, GrowingTable
from tienet.commands.labels_row import EVIDENCE, HEADER, PASSED_OVER
from tienet.commands.labels_table import LabelsTable
from tienet.commands.studies_of_table import sha256_of_start
from tienet.commands.study import StudyInput
from tienet.errors import InputError
from tienet.folders import locks

if TYPE_CHECKING:
    from tienet.commands.parquet import ParquetRows

ERRORS_HEADER = ("row", "study_id", "reason", "message")
PARQUET_ENDINGS = (".parquet", ".pq")


def is_parquet(path: Path) -> bool:
    """Whether a table of this name is a Parquet file."""
    return path.suffix.lower() in PARQUET_ENDINGS


def is_gzipped(path: Path) -> bool:
    """Whether a table of this name is gzipped."""
    return path.suffix.lower() == ".gz"


_OTHER_FORMATS = (
    ".xlsx", ".xls", ".xlsm", ".ods", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".xml", ".html", ".pdf", ".docx",
    ".xz", ".bz2", ".zip", ".zst", ".feather", ".arrow", ".sav", ".dta", ".rds", ".db", ".sqlite",
)  # fmt: skip
"""Endings of files that programs would open as something else than the CSV that is in them."""


def check_name(path: Path) -> None:
    """Raise InputError if a table of this name cannot be written: it is a folder, two formats at once, or another."""
    if path.is_dir():
        raise InputError(f"--out {path} is a folder; expected the name of a CSV file, .csv.gz or .parquet")
    if path.suffix.lower() in _OTHER_FORMATS:
        raise InputError(f"--out {path}: {path.suffix} is another format; expected .csv, .csv.gz or .parquet")
    if is_gzipped(path) and is_parquet(Path(path.stem)):
        raise InputError(f"--out {path}: a Parquet file is packed in itself; leave .gz out")
    if is_parquet(path):
        from tienet.commands.parquet import import_pyarrow

        import_pyarrow()


class LabelsFile(LabelsTable):
    """The table as a file, open for appending and locked against other processes.

    What an earlier run could not finish is cut off. A new table is removed if an error comes before its first row.

    Attributes:
        path: OUT.
        errors_path: OUT.errors.csv.
    """

    def __init__(
        self,
        path: Path,
        identity: dict[str, object],
        input_path: Path,
        evidence: bool = False,
        kept: Sequence[str] = (),
        kept_from: "ParquetRows | None" = None,
    ) -> None:
        """Begin a table, or go on where a run with the same `identity` stopped.

        Args:
            path: OUT.
            identity: What has to be the same as in the earlier run. Its "input" is the identity of the studies, whose
                file may have grown since.
            input_path: The file that "input" is of.
            evidence: Whether there is a column `evidence`.
            kept: The names of the columns that are kept.
            kept_from: The Parquet file that they come from, whose types a table in Parquet keeps, too.
        Raises:
            InputError: The table is another run's, or another process is writing it.
        """
        super().__init__(evidence)
        self.path, self.name = path, str(path)
        self.errors_path = path.with_name(f"{path.name}.errors.csv")
        self.rest = str(self.errors_path)
        self._header = labels_row.columns(evidence, kept)
        self._rows_path = path.with_name(f"{path.name}.rows.csv") if is_parquet(path) else path
        self._run_path = path.with_name(f"{path.name}.run.json")
        self._kept_from = kept_from
        self._errors: GrowingTable | None = None
        self._messages: list[str] = []  # rows of OUT.errors.csv that are not written yet
        self._messages_there: set[int] = set()  # rows of the input whose message is there, but not their row
        with ExitStack() as stack:
            stack.enter_context(locks.hold(path.with_name(f".{path.name}.lock"), path, "--out"))
            there = next((one for one in (path, self._rows_path) if one.exists()), None)
            if there is not None:
                self._check_identity(there, identity, input_path)
            self._begin(identity)
            stack.callback(self._out.close)
            self._open_files = stack.pop_all()

    def _begin(self, identity: dict[str, object]) -> None:
        """Read what an earlier run has written, cut off what it could not finish, and write OUT.run.json."""
        if self._rows_path != self.path and self.path.exists() and not self._rows_path.exists():
            from tienet.commands.parquet_labels import unpack_rows

            unpack_rows(self.path, self._rows_path, self._header)
        one_line = len(labels_row.columns(self._evidence))
        had_file = self._rows_path.exists()
        self._out = GrowingTable(self._rows_path, self._header, one_line, is_gzipped(self._rows_path))
        try:
            files.write_json(self._run_path, identity)
        except OSError:  # an empty table without its run.json would be in the way of the next run
            self._out.close()
            if not had_file:
                self._rows_path.unlink()
            raise
        self._is_empty = self._out.is_new
        if self._is_empty:
            self.errors_path.unlink(missing_ok=True)
        if self.errors_path.exists():
            self._errors = self._open_errors()
        self._earlier_rows = self._out.rows()
        self._earlier_errors = self._errors.rows() if self._errors else iter(())
        self._next_row = next(self._earlier_rows, None)
        self._next_error = next(self._earlier_errors, None)

    def __enter__(self) -> "LabelsFile":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error and self._is_empty:
            self._run_path.unlink(missing_ok=True)
            self._rows_path.unlink(missing_ok=True)
        if self._errors:
            self._errors.close()
        self._open_files.close()

    def has(self, study: StudyInput) -> bool:
        """Whether an earlier run has written a study's row; called once for every study, in the order of the input.

        Raises:
            InputError: The table has another study in its place.
        """
        has_message = self._next_error is not None and self._next_error[0] == str(study.row)
        if has_message:
            self._next_error = next(self._earlier_errors, None)
        if self._next_row is None:
            if has_message:
                self._messages_there.add(study.row)
            return False
        name, reason = self._next_row[0], self._next_row[HEADER.index(PASSED_OVER)]
        if name != study.study_id:
            raise InputError(
                f"{self.path}: has {name!r} where the input has {study.study_id!r} (row {study.row}); {AGAIN}"
            )
        if reason:
            self.reasons[reason] += 1
        else:
            self.written += 1
        if reason and not has_message:  # OUT.errors.csv has lost it
            message = study.fault.message if study.fault else reason
            self._messages.append(labels_row.line([str(study.row), name, reason, message]))
        self._next_row = next(self._earlier_rows, None)
        return True

    def pass_over(self, study: StudyInput) -> None:
        """Add the row of a study with a fault, and its message to OUT.errors.csv."""
        super().pass_over(study)
        if study.row not in self._messages_there:
            fault = study.fault
            self._messages.append(labels_row.line([str(study.row), study.study_id, fault.kind, fault.message]))

    def flush(self) -> None:
        """Write the rows that were added, the messages first: a row that is there is never looked at again."""
        if self._messages:
            self._errors = self._errors or self._open_errors()
            self._errors.append("".join(self._messages))
            self._messages = []
        super().flush()

    def _append(self, rows: str) -> None:
        self._out.append(rows)
        self._is_empty = False

    def finish(self) -> list[Path]:
        """End the table, which is complete: with evidence as lines of JSON, as Parquet if that is what it is to be.

        Returns:
            The further files that were made of it.
        Raises:
            InputError: The table has studies that the input does not have.
        """
        self.flush()
        self.check_end()
        more = [self._write_json_lines()] if self._evidence else []
        if self._rows_path != self.path:
            from tienet.commands.parquet_labels import count_rows, pack_rows

            if not self.path.exists() or count_rows(self.path) != self.written + self.reasons.total():
                pack_rows(self._out.rows(), self.path, self._header, self._kept_from)
            self._rows_path.unlink()
        return more

    def check_end(self) -> None:
        """Raise InputError if the table has studies that the input does not have."""
        if self._next_row is not None:
            name = self._next_row[0]
            raise InputError(f"{self.path}: has {name!r}, which the input does not have; choose another --out")

    def _write_json_lines(self) -> Path:
        """Write OUT.evidence.jsonl, a line for each study that was labelled; returns its path."""
        path = self.path.with_name(f"{self.path.name}.evidence.jsonl")
        with files.replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for row in self._out.rows():
                if evidence := row[self._header.index(EVIDENCE)]:
                    line = {"study_id": row[0], EVIDENCE: json.loads(evidence)}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return path

    def _open_errors(self) -> GrowingTable:
        return GrowingTable(self.errors_path, ERRORS_HEADER, len(ERRORS_HEADER))

    def _check_identity(self, there: Path, identity: dict[str, object], input_path: Path) -> None:
        """Raise InputError unless the file that is there was begun with the same `identity`."""
        if not there.is_file():
            raise InputError(f"--out {there}: not a file; choose another --out")
        if not self._run_path.is_file():
            raise InputError(f"--out {there}: is there, and tienet annotate did not begin it; {AGAIN}")
        now = identity["input"]
        if _is_piped(now):
            raise InputError(f"--out {there}: is there, and a run cannot go on with a pipe; {AGAIN}")
        try:
            before = files.read_json(self._run_path)
        except InputError:
            before = None
        was = before.pop("input", None) if isinstance(before, dict) else None
        if not _is_identity_of_input(was):
            raise InputError(f"{self._run_path}: not what was written there; {AGAIN}")
        for name, value in identity.items():
            if name != "input" and before.get(name) != value:
                raise InputError(f"--out {self.path}: was begun with another {name.replace('_', ' ')}; {AGAIN}")
        is_file = was and now and not _is_piped(was)
        if was != now and not (is_file and sha256_of_start(input_path, was["bytes"]) == was["sha256"]):
            raise InputError(f"--out {self.path}: the input has changed since it was begun; {AGAIN}")


def _is_identity_of_input(value: object) -> bool:
    """Whether a value from OUT.run.json is the identity of a file, a pipe, or a folder, which is empty."""
    if not isinstance(value, dict):
        return False
    is_file = type(value.get("bytes")) is int and isinstance(value.get("sha256"), str)
    return not value or is_file or _is_piped(value)


def _is_piped(identity: dict[str, object]) -> bool:
    return identity == {"pipe": True}
