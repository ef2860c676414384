"""Small data sets for the tests of the description."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.labels import LABELS, NO_FINDING

NASTY = '<script>alert(1)</script> $name & "quoted" \x1b[31m'


def rows() -> pd.DataFrame:
    """Six studies of four patients; Hernia is unknown everywhere, Mass and Nodule where the study has no image."""
    table = pd.DataFrame(
        {
            "study_id": ["s1", "s2", "s<3>", "s4", "s5", "s6"],
            "patient_id": ["p1", "p1", "p1", "p2", "p3", "p4"],
            "image": ["i0.png", "i1.png", "i2.png", "", "i4.png", "i5.png"],
            "report": ["Clear lungs.", "clear  LUNGS .", NASTY, "one two three", "", " "],
            "split": ["train", "train", "train", "train", "test", "test"],
        }
    )
    for label in LABELS:
        table[label] = 0.0
    table.loc[[0, 1], "Effusion"] = 1
    table.loc[[1, 2], "Edema"] = 1
    table.loc[4, NO_FINDING] = 1
    table["Hernia"] = np.nan
    table.loc[3, ["Mass", "Nodule", "Edema"]] = np.nan
    return table


def write_set(folder: Path, table: pd.DataFrame | None = None, **columns: list[str]) -> Path:
    """folder/manifest.csv with its images (grey, 20 x 10 to 25 x 10 pixels, all different) and `columns` besides."""
    table = rows() if table is None else table
    folder.mkdir(parents=True, exist_ok=True)
    for n, name in enumerate(table["image"]):
        if name:
            cv2.imwrite(str(folder / name), np.full((10, 20 + n), 40 * n, np.uint8))
    path = folder / "manifest.csv"
    manifests.write(path, table)
    if columns:
        pd.read_csv(path, dtype=str, keep_default_na=False).assign(**columns).to_csv(path, index=False)
    return path


def load_set(folder: Path, table: pd.DataFrame | None = None, **columns: list[str]) -> Manifest:
    return manifests.load(str(write_set(folder, table, **columns)))
