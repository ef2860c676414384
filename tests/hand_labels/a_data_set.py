"""Small data sets and sheets of them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tienet.data import manifest as manifests
from tienet.data.manifest import COLUMNS, Manifest
from tienet.hand_labels import sheet as sheets
from tienet.hand_labels.sheet import Sheet
from tienet.labels import LABELS, K


def write_data_set(folder: Path, studies: int) -> Manifest:
    """A data set of studies s0, s1, ... in split test; two each are of one patient, and each has an image."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for n in range(studies):
        image = np.random.default_rng(n).integers(0, 255, (40, 30), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{n}.png"), image)
        ids = {"study_id": f"s{n}", "patient_id": f"p{n // 2}", "split": "test"}
        rows.append({**ids, "image": f"images/{n}.png", "report": f"report {n}", **dict.fromkeys(LABELS, 0)})
    path = folder / "manifest.csv"
    manifests.write(path, pd.DataFrame(rows, columns=[*COLUMNS]))
    return manifests.load(str(path))


def sheet_of(
    reader: str,
    answers: np.ndarray,
    study_ids: Sequence[str] | None = None,
    patient_ids: Sequence[str] | None = None,
    folder: Path = Path(),
    assist: str = "",
) -> Sheet:
    """A sheet of these answers [N, 15], of the studies s0, s1, ... of `write_data_set` if no others are named."""
    answers = np.asarray(answers, np.float32)
    study_ids = [f"s{n}" for n in range(len(answers))] if study_ids is None else list(study_ids)
    if patient_ids is None:
        patient_ids = [f"p{int(study[1:]) // 2}" for study in study_ids]
    N = len(answers)
    return Sheet(
        folder / f"{reader}.csv", reader, study_ids, list(patient_ids), answers, np.full(N, np.nan), [assist] * N
    )


def random_answers(seed: int, studies: int, shares: Sequence[float] = (0.6, 0.3, 0.1)) -> np.ndarray:
    """float32 [studies, 15]: each answer is drawn by itself: not there, there, cannot tell in these shares."""
    drawn = np.random.default_rng(seed).choice([0, 1, -1], (studies, K), p=shares)
    return drawn.astype(np.float32)


def write_sheet(folder: Path, reader: str, answers: np.ndarray, **given) -> Path:
    """Write the sheet of `sheet_of` into a folder, and return its path."""
    sheet = sheet_of(reader, answers, folder=folder, **given)
    sheets.write(sheet)
    return sheet.path
