"""A result and the headers that documents are made of in tests."""

from pathlib import Path

import numpy as np

from tests.data.dicom.dicom_files import dataset, save
from tienet.clinical.result import Result, Software, findings_of
from tienet.clinical.source import Source, read_source
from tienet.labels import K, name_labels

REPORT = "Findings: The heart is normal. Größe?\nImpression: No acute disease."
PEAK = (4, 10)
"""The row and the column of the peak of `result`'s map."""

PROBABILITIES = np.linspace(0.1, 0.9, K).astype(np.float32)
THRESHOLDS = np.where(np.arange(K) == 3, np.nan, 0.5).astype(np.float32)
"""The fourth label has none."""


def result(**changes) -> Result:
    a_ws = np.full((16, 16), 0.01, np.float32)
    a_ws[PEAK] = 1
    findings = findings_of(PROBABILITIES, THRESHOLDS, name_labels(PROBABILITIES, THRESHOLDS))
    software = Software("0.1.0", "report", "ab" * 32)
    of = {"findings": findings, "report": REPORT, "a_ws": a_ws, "comments": ("Nobody has verified it.",)}
    return Result(software, **(of | changes))


def source(folder: Path, **elements) -> Source:
    """The header of a file with these elements; nothing more than its UIDs, a modality and PatientID is in it else."""
    return read_source(save(folder / "x.dcm", dataset(**({"SeriesInstanceUID": "1.2.3.5"} | elements))))
