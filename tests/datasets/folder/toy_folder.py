"""Small folders of images for the tests of the folder data set, and what a run of the command wrote."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tests.data.dicom.dicom_files import RAMP, dataset, save
from tienet.data import manifest as manifests

SALT = "a salt for the tests"


def png(path: Path, value: int = 99) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(cv2.imencode(path.suffix, np.full((8, 8), value, np.uint8))[1]))
    return path


def film(path: Path, uid: str, pixels: np.ndarray = RAMP, **elements: object) -> Path:
    return save(path, dataset(pixels, SOPInstanceUID=uid, StudyInstanceUID=f"{uid}.9", **elements))


def load(out: Path) -> manifests.Manifest:
    return manifests.load(str(out / "manifest.csv"))


def reasons(out: Path) -> list[str]:
    table = pd.read_csv(out / "left_out.csv", dtype=str)
    assert list(table.columns) == ["name", "what", "reason"]
    return sorted(table.reason)


def refused(run, capsys, *switches: object, **flags: object) -> str:
    status, out = run(*switches, **flags)
    assert status == 2 and not (out / "manifest.csv").exists()
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    return line
