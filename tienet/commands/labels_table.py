"""The table that `tienet annotate` writes: its rows, wherever they go; and one that goes to standard output."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tienet.commands import labels_row
from tienet.commands.labels_row import PASSED_OVER
from tienet.commands.study import StudyInput


class LabelsTable(ABC):
    """What a file and a pipe share: the rows, in the order of the input, and how many there are.

    Attributes:
        name: What messages call the table.
        reasons: How many studies were passed over, by reason, including those of earlier runs.
        written: The number of studies that were labelled, by earlier runs and by this one.
        rest: Where the messages are that were not printed.
        can_go_on: Whether the same command can go on with it.
    """

    can_go_on = True
    name: str
    rest: str

    def __init__(self, evidence: bool) -> None:
        self._evidence = evidence
        self._rows: list[str] = []
        self.reasons: Counter[str] = Counter()
        self.written = 0

    def has(self, study: StudyInput) -> bool:
        """Whether the table has the study's row; called once for every study, in the order of the input."""
        return False

    def pass_over(self, study: StudyInput) -> None:
        """Add the row of a study with a fault; its cells are empty."""
        self.reasons[study.fault.kind] += 1
        self._rows.append(labels_row.passed_over(study, self._evidence))

    def write(
        self,
        study: StudyInput,
        probabilities: np.ndarray,
        labels: np.ndarray,
        evidence: Sequence[dict] | None = None,
        image_distance: float | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Add a study's row; the arguments are those of `labels_row.labelled`."""
        self._rows.append(labels_row.labelled(study, probabilities, labels, evidence, image_distance, notes))
        self.written += 1

    def flush(self) -> None:
        """Write the rows that were added; whoever reads the table has them then."""
        if self._rows:
            self._append("".join(self._rows))
            self._rows = []

    @abstractmethod
    def _append(self, rows: str) -> None: ...

    def finish(self) -> list[Path]:
        """End the table, which is complete; returns the further files that were made of it."""
        self.flush()
        return []


class LabelsPipe(LabelsTable):
    """The table on standard output, which no run can go on with."""

    can_go_on = False
    name, rest = "standard output", f"column {PASSED_OVER}"

    def __init__(self, file: BinaryIO, evidence: bool = False, kept: Sequence[str] = ()) -> None:
        super().__init__(evidence)
        self._file = file
        self._append(labels_row.line([], labels_row.columns(evidence, kept)))

    def __enter__(self) -> "LabelsPipe":
        return self

    def __exit__(self, *_: object) -> None: ...

    def _append(self, rows: str) -> None:
        self._file.write(rows.encode())
        self._file.flush()
