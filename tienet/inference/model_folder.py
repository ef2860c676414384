"""The folder of an exported model: made as a whole or not at all; what its tienet.json says."""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tienet.errors import InputError
from tienet.folders import locks
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS
from tienet.pages.study import DISCLAIMER

FACTS, VOCAB = "tienet.json", "vocab.txt"


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """An empty folder to write a model into, which becomes `out` when the block ends without an error.

    Raises:
        InputError: `out` is there already, or another process makes it.
    """
    with locks.hold(out.with_name(f".{out.name}.lock"), out, "--out"):
        check_new(out)
        for left in out.parent.iterdir():  # of a process that was killed: nobody else writes here
            if re.fullmatch(rf"\.{re.escape(out.name)}\.\d+\.[0-9a-f]{{8}}\.tmp", left.name):
                shutil.rmtree(left, ignore_errors=True)
        temporary = out.with_name(f".{out.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        try:
            temporary.mkdir()  # TensorFlow's errors would not say why it cannot be made
            yield temporary
            temporary.rename(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_new(out: Path) -> None:
    """Raise InputError if there is something at `out` already."""
    if out.exists():
        raise InputError(f"--out {out} is there already; choose another name, or remove it")


def facts_of(network: Predictor) -> dict[str, object]:
    """What a caller of the model needs to know, ready for JSON; a threshold that is not known is null."""
    mode, thresholds = network.config.mode_parts, network.run.thresholds()
    return {
        "mode": mode.name,
        "image_px": network.config.image_px if mode.image else None,
        "max_words": network.config.max_words if mode.reads else None,
        "labels": list(LABELS),
        "calibrated": network.calibration is not None,
        "thresholds": [None if np.isnan(value) else float(str(value)) for value in thresholds],
        "note": DISCLAIMER,
    }
