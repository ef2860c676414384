"""What a new run has seen before its first update: the studies of the runs whose weights or word vectors it takes.

They are kept among the studies that the run was trained on (studies.json), so that an evaluation refuses to test on
them. None of them may be in the validation split, which would then say nothing.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tienet.checkpoint import run_folder
from tienet.checkpoint.run_folder import Run
from tienet.data import leaks
from tienet.data.leaks import Fingerprint
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.pages.plain_text import counted


def runs_before(load: str | None, vocab: Path | None) -> dict[str, Run]:
    """The runs that a new run takes what is learnt from, by the flag that names each: `--load RUN`, `--vocab RUN`."""
    named = {"--load": load, "--vocab": vocab}
    folders = {f"{flag} {name}": run_folder.folder_of_run(name) for flag, name in named.items() if name is not None}
    return {flag: run_folder.load_run(folder) for flag, folder in folders.items() if folder is not None}


def check_unseen(before: dict[str, Run], val: Manifest) -> None:
    """Raise InputError if one of these runs was trained on studies by which the new run would be validated.

    Args:
        before: As from `runs_before`.
        val: The validation split of the new run.
    """
    for flag, run in before.items():
        known = (run.studies() or {}).get("train", [])
        if seen := leaks.find_seen(val, known):
            studies = counted(len(val), "study")
            raise InputError(
                f"{flag}: was trained on {len(seen):,} of the {studies} of {val.path}, split val, by which "
                "the new run would be validated; give a run that was not, or --train-on train+val"
            )


def with_seen(studies: Sequence[Fingerprint], before: dict[str, Run]) -> list[Fingerprint]:
    """The studies that a run is trained on, and behind them those that the runs before it were, each once."""
    found = list(studies)
    known = set(found)
    for flag, run in before.items():
        of_run = run.studies()
        if of_run is None:
            print(f"note: {flag}: has no studies.json; what it was trained on is not known any more", file=sys.stderr)
            continue
        new = [study for study in dict.fromkeys(of_run.get("train", [])) if study not in known]
        known.update(new)
        found += new
    return found
