"""The studies that a command is given: those of a table, a pipe or a folder."""

import sys
from pathlib import Path

from tienet.commands.kept_columns import Keep
from tienet.commands.standard_output import PIPE
from tienet.commands.studies_of_folder import FolderStudyInputs
from tienet.commands.studies_of_table import PipedStudyInputs, TableStudyInputs, sha256_of_start
from tienet.commands.study import Fault, StudyInput
from tienet.commands.study_columns import Needs
from tienet.commands.table_rows import PARQUET, CsvRows, PipedRows, TableRows
from tienet.errors import InputError

__all__ = ["Fault", "Needs", "StudyInput", "StudyInputs", "open_studies", "sha256_of_start"]

StudyInputs = TableStudyInputs | PipedStudyInputs | FolderStudyInputs


def open_studies(path: Path, needs: Needs, keep: Keep | None = None) -> StudyInputs:
    """The studies of a table (CSV, plain or gzipped, or Parquet), of a CSV that comes through a pipe, or of a folder.

    Args:
        path: The file or folder; `PIPE` for standard input.
        keep: Which other columns of a table go into the output.
    Raises:
        FileNotFoundError: There is no such file or folder.
        InputError: The file is no such table, or the folder has no such files.
    """
    if path == PIPE:
        return PipedStudyInputs(PipedRows(sys.stdin.buffer, "standard input"), "standard input", needs, keep)
    if path.is_dir():
        return _open_folder(path, needs, keep)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a CSV or Parquet file, a folder, or - for a pipe")
    if not path.is_file():  # it can be read once, as the shell's <(...)
        return PipedStudyInputs(PipedRows(path.open("rb"), str(path)), str(path), needs, keep)
    return TableStudyInputs(path, _open_table(path), needs, keep)


def _open_folder(path: Path, needs: Needs, keep: Keep | None) -> FolderStudyInputs:
    if keep is not None:
        raise InputError(f"--keep: {path} is a folder, which has no columns; leave it out")
    try:
        return FolderStudyInputs(path, needs)
    except InputError as error:  # the messages name the flags of another command
        raise InputError(str(error).removeprefix("--images ").removeprefix("--reports ")) from None


def _open_table(path: Path) -> TableRows:
    with path.open("rb") as file:
        if file.read(len(PARQUET)) != PARQUET:
            return CsvRows(path)
    from tienet.commands.parquet import ParquetRows

    return ParquetRows(path)
