"""Light runs as if they had been trained on the training and the validation split: `--train-on train+val`."""

import json
from pathlib import Path

import numpy as np

from tienet import files
from tienet.checkpoint import validation_record
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.earlier_run import BOTH, LAST_EPOCH, EarlierRun
from tienet.checkpoint.entries import read_entry
from tienet.checkpoint.run_folder import locate
from tienet.data import leaks
from tienet.data.manifest import Manifest
from tienet.labels import LABELS, K


def some_calibration() -> Calibration:
    """A calibration whose numbers differ from label to label; one precision is not known."""
    precision = np.linspace(0.2, 0.9, K).astype(np.float32)
    precision[3] = np.nan
    return Calibration(
        temperatures=np.linspace(0.5, 3, K).astype(np.float32),
        thresholds=np.linspace(0.1, 0.8, K).astype(np.float32),
        objective="sensitivity=0.9",
        precision=precision,
        recall=np.linspace(0.9, 1, K).astype(np.float32),
        positives=dict.fromkeys(LABELS, 7),
        left_out={LABELS[0]: "told apart without a mistake"},
        studies=9,
        ece_before=dict.fromkeys(LABELS, 0.25),
        ece_after=dict.fromkeys(LABELS, None),
    )


def some_earlier(**others) -> EarlierRun:
    """What a run on both splits has from an earlier one; `others` are attributes with another value."""
    values = {
        "name": "first",
        "checkpoint": "best-30",
        "sha256": "f" * 64,
        "epoch": 3,
        "chosen_by": "validation AUC",
        "validation": {"AUC": 0.8125},
        "flaw": "",
        "identity": {"vocab_fingerprint": "a" * 64, "backbone_fingerprint": None},
        "thresholds": [0.25] * K,
        "calibration": some_calibration(),
        "differs": {},
    }
    return EarlierRun(**{**values, **others})


def learn_both(run: Path, manifest: Manifest, earlier: EarlierRun | None = None) -> Path:
    """Turn a light run on the training split into one that has learnt from the validation split too."""
    facts = json.loads((run / "run.json").read_text())
    facts |= {"train_on": BOTH, "earlier_run": (earlier or some_earlier()).to_json()}
    files.write_json(run / "run.json", facts)
    seen = leaks.fingerprints(manifest.split("train")) + leaks.fingerprints(manifest.split("val"))
    files.write_json(run / "studies.json", {"train": seen, "val": []})
    prefix = locate(run)[1]
    entry = read_entry(prefix).to_json() | {"chosen_by": LAST_EPOCH, "best_score": None}
    for of_files in (entry["files"], entry["bytes"]):
        of_files.pop(validation_record.path_of(prefix).name, None)
    files.write_json(prefix.with_name(f"{prefix.name}.json"), entry)
    return run
