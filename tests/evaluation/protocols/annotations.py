"""Files of published studies and data sets that fit them, made up for tests."""

import json
from pathlib import Path

import numpy as np

from tienet.data.manifest import Manifest
from tienet.data.text import report_text
from tienet.labels import K

FINDINGS = (
    "The heart is normal in size. The lungs are clear.",
    "No pleural effusion or pneumothorax. The heart is enlarged.",
    "The lungs are clear. There is a calcified granuloma.",
)
IMPRESSIONS = ("No acute disease.", "Cardiomegaly.", "")
IDS = ("CXR1_IM-0001", "CXR20_IM-0652", "CXR3_IM-1384-1001")
TRAIN = ("The heart is normal. The lungs are clear.",) * 3 + ("No effusion.", "The heart is enlarged.")


def r2gen_content() -> dict:
    """The content of a file in R2Gen's form, with three test studies."""

    def entries(names, texts) -> list[dict]:
        return [
            {"id": name, "report": text, "image_path": [f"{name}/0.png"]}
            for name, text in zip(names, texts, strict=True)
        ]

    train = entries([f"CXR{n}_IM-{n}" for n in range(90, 95)], TRAIN)
    return {"train": train, "val": entries(["CXR80_IM-80"], ["Clear."]), "test": entries(IDS, FINDINGS)}


def rexrank_content() -> dict:
    """The same test studies in ReXrank's form; the last has no impression, as pandas writes it."""
    return {
        name: {
            "key_image_path": f"{name}/0.png",
            "section_findings": findings,
            "section_impression": impression or float("nan"),
            "split": "test",
            "context": "Indication: Cough.",
        }
        for name, findings, impression in zip(IDS, FINDINGS, IMPRESSIONS, strict=True)
    }


def write(path: Path, content: object) -> Path:
    """Write JSON, also with NaN."""
    path.write_text(json.dumps(content))
    return path


def manifest(views=("1_IM-0001-3001", "1_IM-0001-4001", "20_IM-0652-1001", "3_IM-1384-1001-0002"), images=None):
    """A test split whose studies have these ids; the first report has two images."""
    reports = [report_text(*pair) for pair in zip(FINDINGS, IMPRESSIONS, strict=True)]
    of_views = [reports[0], *reports, *reports][: len(views)]
    images = [None if image is None else Path(image) for image in images or [None] * len(views)]
    patients = [view.split("_")[0] for view in views]
    labels = np.zeros((len(views), K), np.float32)
    return Manifest(
        "made", Path("made.csv"), [*views], patients, images, of_views, np.array(["test"] * len(views)), labels
    )
