"""The studies that a protocol judges: read from the file that its authors publish, and found in a data set.

Two forms of files are read:
    R2Gen's annotation.json     {"train": [{"id": "CXR2384_IM-0942", "report": FINDINGS, "image_path": [...]}, ...],
                                "val": [...], "test": [...]}
    ReXrank's test set          {"CXR2384_IM-0942": {"section_findings": ..., "section_impression": ..., ...}, ...}
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tienet import files
from tienet.data.manifest import Manifest
from tienet.data.splits import SPLITS
from tienet.datasets.openi.views import view_name
from tienet.errors import InputError

R2GEN_FORM = 'R2Gen\'s annotation.json, {"train": [{"id": "CXR<uid>_IM-<series>", "report": ...}, ...], "val", "test"}'
REXRANK_FORM = 'ReXrank\'s test set, {"CXR<uid>_IM-<series>": {"section_findings": ..., "section_impression": ...}}'

FINDINGS_FIELD, IMPRESSION_FIELD = "section_findings", "section_impression"
"""The names of the two sections in ReXrank's files."""


@dataclass(frozen=True)
class PublishedStudy:
    """A test study of a published file.

    Attributes:
        id: Its name there, which is also the folder of its images, such as CXR2384_IM-0942.
        findings: Its findings, as they are printed there; empty if it has none.
        fields: All that the file says of it.
    """

    id: str
    findings: str
    fields: dict


@dataclass(frozen=True)
class PublishedStudies:
    """A published file.

    Attributes:
        path: Where it is.
        test: Its test studies, in its order.
        train_findings: The findings of its training studies; None if it has test studies only.
    """

    path: Path
    test: list[PublishedStudy]
    train_findings: list[str] | None


def read_published(path: Path, protocol: str) -> PublishedStudies:
    """Read a file of published studies: R2Gen's for `r2gen`, R2Gen's or ReXrank's for `rexrank`.

    Raises:
        InputError: There is no such file, or it has another form.
    """
    forms = (R2GEN_FORM,) if protocol == "r2gen" else (REXRANK_FORM, R2GEN_FORM)
    expected = f"expected {', or '.join(forms)}"
    try:
        content = files.read_json(path)
    except FileNotFoundError:
        raise InputError(f"--protocol-file {path}: there is no such file; {expected}") from None
    except IsADirectoryError:
        raise InputError(f"--protocol-file {path}: is a folder; {expected}") from None
    except InputError as error:
        raise InputError(f"--protocol-file {error}; {expected}") from None
    if isinstance(content, dict) and set(content) == set(SPLITS):
        parts = {split: _read_list(path, split, content[split], expected) for split in SPLITS}
        published = PublishedStudies(path, parts["test"], [study.findings for study in parts["train"]])
    elif REXRANK_FORM in forms and isinstance(content, dict):
        published = PublishedStudies(path, [_read_study(path, *item, expected) for item in content.items()], None)
    else:
        raise InputError(f"--protocol-file {path}: its parts are not train, val and test; {expected}")
    if not published.test:
        raise InputError(f"--protocol-file {path}: has no test study; {expected}")
    return published


def _read_list(path: Path, split: str, entries: object, expected: str) -> list[PublishedStudy]:
    found: dict[str, PublishedStudy] = {}
    for n, entry in enumerate(entries if isinstance(entries, list) else [None]):
        fields = entry if isinstance(entry, dict) else {}
        name, report = fields.get("id"), fields.get("report")
        if not isinstance(name, str) or not name or not isinstance(report, str):
            raise InputError(f"--protocol-file {path}: entry {n} of {split} has no id and report; {expected}")
        if name in found:
            raise InputError(f"--protocol-file {path}: {name!r} is in {split} twice; each study is judged once")
        found[name] = PublishedStudy(name, report, fields)
    return list(found.values())


def _read_study(path: Path, name: str, fields: object, expected: str) -> PublishedStudy:
    if not isinstance(fields, dict) or not {FINDINGS_FIELD, IMPRESSION_FIELD} <= set(fields):
        raise InputError(f"--protocol-file {path}: {name!r} has no {FINDINGS_FIELD}, {IMPRESSION_FIELD}; {expected}")
    # A section that a report lacks is NaN in files that were made with pandas, or null.
    fields = {key: None if value != value else value for key, value in fields.items()}
    findings = fields[FINDINGS_FIELD]
    return PublishedStudy(name, findings if isinstance(findings, str) else "", fields)


def find_studies(published: PublishedStudies, split: Manifest) -> list[int]:
    """For each published test study, which study of a data set's split is it: the first of its images there.

    A published name has the report's number and the series of its images (CXR2384_IM-0942). The study's id or the name
    of its image starts with it (2384_IM-0942-1001, CXR2384_IM-0942-1001.png), or its image lies in a folder of that
    name, as R2Gen's do (CXR2384_IM-0942/0.png).

    Raises:
        InputError: The split lacks studies; the message says how many and names the first.
    """
    first_of: dict[str, int] = {}
    for n in range(len(split)):
        for name in _names(split, n):
            first_of.setdefault(name, n)
    found = [first_of.get(study.id.removeprefix("CXR")) for study in published.test]
    missing = [study.id for study, n in zip(published.test, found, strict=True) if n is None]
    if missing:
        raise InputError(
            f"{split.path}: {len(missing):,} of the {len(found):,} test studies of {published.path} are not in split "
            f"{split.splits[0]} (the first is {missing[0]}); prepare openi with --split and R2Gen's annotation.json "
            "makes a data set that has them"
        )
    return found


def _names(split: Manifest, n: int) -> Iterator[str]:
    """What the n-th study may be called in a published file, without the prefix CXR."""
    views, image = [view_name(split.study_ids[n])], split.images[n]
    if image is not None:
        views.append(view_name(image.name))
        yield image.parent.name.removeprefix("CXR")
    for view in views:
        parts = view.split("-")
        yield from ("-".join(parts[:end]) for end in range(1, len(parts) + 1))
