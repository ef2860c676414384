"""What the evaluations of the folds have left, read and checked: which runs belong together, and who judged whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tienet import files
from tienet.errors import InputError
from tienet.evaluation import judged as judgements
from tienet.evaluation.judged import Judged, set_of_studies
from tienet.evaluation.paper.published import COLUMNS, place_of
from tienet.evaluation.results_folder import is_unfinished

ORDER = (*COLUMNS, "Captioning")
"""The order of the columns; one that is not the paper's, such as "I, mean pooling", stands behind that of the paper."""

_PLACES = (judgements.FILE_NAME, f"*/{judgements.FILE_NAME}", f"*/*/{judgements.FILE_NAME}")
"""Where `tienet evaluate` puts the files of a run: into OUT if it is alone, else into OUT/DATA/RUN."""


class RunKey(NamedTuple):
    """What tells the runs of one fold apart, and is the same in all folds.

    Attributes:
        mode: The mode.
        column: The name of its column, which also says how a run of mode `classify` pools (`published.column_of`).
        name: The name of the run's folder; "" where a fold's evaluation has one run alone.
    """

    mode: str
    column: str
    name: str


@dataclass(frozen=True, eq=False)
class FoldRun:
    """One run's evaluation on one fold: the content of metrics.json, and what the run and the controls said."""

    folder: Path
    metrics: Mapping
    judged: Judged
    controls: dict[str, Judged]


@dataclass(frozen=True, eq=False)
class Fold:
    """The evaluations of one fold. All of its runs judged the same studies.

    Attributes:
        folder: The folder that was named.
        data: The name of the fold's data set.
        split: The split that was judged.
        all_studies: All studies of the data set, in whatever split (`judged.set_of_studies`).
        runs: The runs by what they are, in the order of their folders' names.
    """

    folder: Path
    data: str
    split: str
    all_studies: Mapping
    runs: dict[RunKey, FoldRun]

    @property
    def judged(self) -> Judged:
        return next(iter(self.runs.values())).judged


def open_folds(folders: Sequence[Path | str], partial: bool = False) -> list[Fold]:
    """Read the evaluations of all folds, and check that every study was judged in one of them.

    Args:
        folders: The folders that `tienet evaluate --out` has written, one for each fold.
        partial: Whether folds may be missing.
    Raises:
        InputError: A folder is not that of one fold's evaluation, a run was trained on what it judged, two folds judge
            one study or patient, they are of different data sets, or studies are missing.
    """
    folds = [read_fold(Path(folder)) for folder in folders]
    _check_apart(folds)
    first = folds[0]
    for fold in folds[1:]:
        for what, ours, theirs in (("split", fold.split, first.split), ("data set", *_sets(fold, first))):
            if ours != theirs:
                raise InputError(
                    f"{fold.folder} is of another {what} ({ours}) than {first.folder} ({theirs}); give the folds of one"
                )
    ids = [fold.judged for fold in folds]
    pooled = set_of_studies(
        [study for judged in ids for study in judged.study_ids],
        [patient for judged in ids for patient in judged.patient_ids],
    )
    if pooled != first.all_studies and not partial:
        raise InputError(
            f"{', '.join(fold.data for fold in folds)}: {pooled['studies']:,} of the data set's "
            f"{first.all_studies['studies']:,} studies are judged; give the evaluations of all folds, or say --partial"
        )
    return folds


def _sets(*folds: Fold) -> list[str]:
    return [f"{fold.all_studies['studies']:,} studies, sha256 {fold.all_studies['sha256'][:8]}" for fold in folds]


def _check_apart(folds: Sequence[Fold]) -> None:
    """Raise InputError if two folds judge the same study, or the same patient."""
    first_of: dict[tuple[str, str], Fold] = {}
    for fold in folds:
        mine = [("study", study) for study in fold.judged.study_ids]
        mine += [("patient", patient) for patient in fold.judged.patient_ids]
        for what in mine:
            if first_of.setdefault(what, fold) is not fold:
                raise InputError(
                    f"{first_of[what].folder} and {fold.folder} both judge {' '.join(what)}; expected folds that have "
                    "none in common (tienet prepare openi --split fold=K/N)"
                )


def read_fold(folder: Path) -> Fold:
    """Read the evaluations of one fold.

    Raises:
        InputError: There are none, they are of several data sets or of different studies, a run was trained on what it
            judged, or a file is not what was written there.
    """
    found = sorted(path.parent for place in _PLACES for path in folder.glob(place))
    if not found:
        what = "there is no such folder" if not folder.is_dir() else f"has no {judgements.FILE_NAME}"
        raise InputError(f"{folder}: {what}; expected what tienet evaluate --out {folder} leaves, for each fold")
    runs: dict[RunKey, FoldRun] = {}
    for place in found:
        run = _read_run(place)
        first = next(iter(runs.values()), run)
        for what in ("data", "split", "all_studies"):
            if run.metrics[what] != first.metrics[what]:
                raise InputError(
                    f"{folder}: {first.folder} and {place} are of different data; give the folder of one fold, "
                    f"such as {place.parent}"
                )
        if run.judged.study_ids != first.judged.study_ids:
            raise InputError(f"{folder}: {first.folder} and {place} judge different studies; evaluate again")
        key = RunKey(run.metrics["mode"], run.metrics["column"], "" if place == folder else place.name)
        if key in runs:
            raise InputError(f"{runs[key].folder} and {place} are the same run; give the folder of one evaluation")
        runs[key] = run
    metrics = first.metrics
    return Fold(folder, metrics["data"], metrics["split"], metrics["all_studies"], runs)


def _read_run(folder: Path) -> FoldRun:
    metrics = files.read_json(folder / "metrics.json")
    if is_unfinished(metrics):
        raise InputError(f"{folder}: this evaluation did not come to its end; evaluate again")
    if not _is_of_evaluation(metrics):
        raise InputError(f"{folder / 'metrics.json'}: not what tienet evaluate writes there; evaluate again")
    if seen := (metrics["seen"] or {}).get("train"):
        raise InputError(f"{folder}: the run was trained on {seen:,} of the studies that it judged (--allow-seen)")
    judged = judgements.read(folder / judgements.FILE_NAME)
    if len(set(judged.study_ids)) < len(judged):
        raise InputError(f"{folder / judgements.FILE_NAME}: a study is there twice; evaluate again")
    controls = {}
    for path in sorted(folder.glob(judgements.CONTROL_FILES)):
        before, after = judgements.CONTROL_FILES.split("*")
        controls[path.name.removeprefix(before).removesuffix(after)] = judgements.read(path)
    for name, control in controls.items():
        if control.study_ids != judged.study_ids:
            raise InputError(f"{folder / judgements.control_file(name)}: judges other studies; evaluate again")
    return FoldRun(folder, metrics, judged, controls)


def _is_of_evaluation(metrics: object) -> bool:
    """Whether the content of a metrics.json has what is needed here; what an older version wrote has not."""
    if not isinstance(metrics, dict):
        return False
    kinds = {"mode": str, "column": str, "data": str, "split": str, "all_studies": dict, "differs": list}
    there = all(isinstance(metrics.get(key), kind) for key, kind in kinds.items())
    seen = metrics.get("seen", "")
    return there and (seen is None or isinstance(seen, dict)) and {"studies", "sha256"} <= metrics["all_studies"].keys()


def match_runs(folds: Sequence[Fold]) -> tuple[list[RunKey], list[str]]:
    """The runs that every fold has, in the order of the columns, and a note for each that some fold lacks.

    Raises:
        InputError: No run is in all folds.
    """
    keys = list(dict.fromkeys(key for fold in folds for key in fold.runs))
    keys.sort(key=lambda key: (*place_of(key.column, ORDER), key.name))
    common = [key for key in keys if all(key in fold.runs for fold in folds)]
    notes = _say_lacking({_title(key): {fold.data for fold in folds if key in fold.runs} for key in keys}, folds)
    if not common:
        raise InputError(f"no run is in all folds: {'; '.join(notes)}")
    return common, notes


def match_controls(folds: Sequence[Fold], keys: Sequence[RunKey]) -> tuple[dict[str, list[Judged]], list[str]]:
    """What each control said, fold by fold, and a note for each control that some fold lacks.

    Several runs of a fold have the same controls: those of the first run in the order of `keys` are taken.
    """
    of_folds: list[dict[str, Judged]] = []
    for fold in folds:
        found: dict[str, Judged] = {}
        for key in keys:
            for name, judged in fold.runs[key].controls.items():
                found.setdefault(name, judged)
        of_folds.append(found)
    names = list(dict.fromkeys(name for found in of_folds for name in found))
    common = {name: [found[name] for found in of_folds] for name in names if all(name in found for found in of_folds)}
    having = {name: {fold.data for fold, found in zip(folds, of_folds, strict=True) if name in found} for name in names}
    return common, _say_lacking(having, folds)


def _title(key: RunKey) -> str:
    return f"{key.column} ({key.name})" if key.name else key.column


def _say_lacking(having: Mapping[str, set[str]], folds: Sequence[Fold]) -> list[str]:
    """A line for each thing that some folds lack, which is left out."""
    notes = []
    for title, there in having.items():
        if lacking := [fold.data for fold in folds if fold.data not in there]:
            notes.append(f"{', '.join(lacking)} lack{'s' * (len(lacking) == 1)} {title}: it is left out")
    return notes
