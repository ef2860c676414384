"""The data set that comes of two readers and a third who decides where they differ.

A label on which both readers agree is theirs; where they differ it is what the third says. What both, or the third,
cannot tell is unknown in the data set, so that it counts in no figure. All studies are its test split, and
`readers.json` beside the manifest says who labelled it and how far the readers agreed before anything was decided
(`tienet.data.readers`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tienet.data import manifest as manifests
from tienet.data import readers
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.hand_labels import agreement
from tienet.hand_labels.agreement import Shared
from tienet.hand_labels.desk import Question
from tienet.hand_labels.kappa import ALL
from tienet.hand_labels.sheet import Sheet, known
from tienet.labels import LABELS


def questions(shared: Shared, studies: Manifest) -> list[Question]:
    """What a third reader is asked: each study in which the readers differ, with the labels on which they do.

    Args:
        shared: What both readers have finished.
        studies: The data set.
    Raises:
        InputError: A study is not in the data set, or a label was asked of one reader alone.
    """
    row_of = {study: n for n, study in enumerate(studies.study_ids)}
    found = []
    for n, study in enumerate(shared.study_ids):
        if study not in row_of:
            raise InputError(f"{shared.a.path}: study {study} is not in {studies.path}; give its data set with --data")
        answers = list(zip(shared.answers_a[n], shared.answers_b[n], strict=True))
        for k, pair in enumerate(answers):
            if np.isnan(pair).any():
                raise InputError(
                    f"{shared.a.path} and {shared.b.path}: {LABELS[k]} of study {study} was not asked of both; "
                    "expected sheets of whole studies"
                )
        given = {LABELS[k]: (int(a), int(b)) for k, (a, b) in enumerate(answers) if a != b}
        if given:
            settled = {LABELS[k]: int(a) for k, (a, b) in enumerate(answers) if a == b}
            row = row_of[study]
            patient, image, report = studies.patient_ids[row], studies.images[row], studies.reports[row]
            found.append(Question(study, patient, image, report, tuple(given), given, settled))
    return found


def decide(shared: Shared, decided: Sheet | None) -> np.ndarray:
    """The labels of the studies that both readers have: float32 [N, 15], 1 or 0, NaN for what is not known.

    Args:
        shared: What both readers have finished.
        decided: The third reader's answers to what differs; None: nothing differs.
    Raises:
        InputError: A label on which the readers differ is not decided.
    """
    answers = np.where(shared.answers_a == shared.answers_b, shared.answers_a, np.nan)
    row_of = {study: n for n, study in enumerate(decided.study_ids)} if decided else {}
    for n, study in enumerate(shared.study_ids):
        differ = np.flatnonzero(shared.answers_a[n] != shared.answers_b[n])
        for k in differ:
            answer = decided.answers[row_of[study], k] if study in row_of else np.nan
            if np.isnan(answer):
                raise InputError(f"{LABELS[k]} of study {study} is not decided yet; finish it in the page")
            answers[n, k] = answer
    return known(answers)


def write_data_set(out: Path, shared: Shared, decided: Sheet | None, studies: Manifest) -> None:
    """Write the data set: manifest.csv and readers.json.

    Args:
        out: Its folder.
        shared, decided: As in `decide`.
        studies: The data set that the studies come from.
    """
    rows = [studies.study_ids.index(study) for study in shared.study_ids]
    chosen = studies.take(rows)
    labels = decide(shared, decided)
    table = pd.DataFrame(
        {
            "study_id": chosen.study_ids,
            "patient_id": chosen.patient_ids,
            "image": ["" if image is None else str(image) for image in chosen.images],
            "report": chosen.reports,
            "split": "test",
            **{label: labels[:, k] for k, label in enumerate(LABELS)},
        }
    )
    manifests.write(out / "manifest.csv", table)
    readers.write(out, description(shared, decided, studies.name))


def description(shared: Shared, decided: Sheet | None, data: str) -> readers.Readers:
    """Who labelled, and how far the readers agreed before anything was decided."""
    compared = agreement.compare(shared.a, shared.b)
    assist = sorted({name for sheet in _sheets(shared, decided) for name in sheet.assist if name})
    differ = shared.answers_a != shared.answers_b
    return readers.Readers(
        data=data,
        readers=[shared.a.reader, shared.b.reader],
        decided_by=decided.reader if decided else None,
        studies=len(shared.study_ids),
        labels=int(differ.size),
        differed=int(differ.sum()),
        kappa={name: compared["labels"][name]["kappa"] for name in LABELS} | {ALL: compared[ALL]["kappa"]},
        kappa_interval=[compared[ALL]["kappa_lo"], compared[ALL]["kappa_hi"]],
        assist=assist,
    )


def _sheets(shared: Shared, decided: Sheet | None) -> Sequence[Sheet]:
    return [shared.a, shared.b, *([decided] if decided else [])]
