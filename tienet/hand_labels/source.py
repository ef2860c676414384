"""Where the studies of sheets come from: a `labelling.json` beside the sheets names the data set they were drawn from.

{"manifest": its absolute path, "fingerprint": the sha256 of its rows (`Manifest.fingerprint`), "data": its name,
"split": the split that the studies were drawn from (null: all), "seed": what they were drawn by}. Other entries are
ignored.

The sheets hold answers by the names of studies. Where the data set has changed since, a name may mean another picture
or another report, so the data set is refused then. It may have moved, with its folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tienet import files
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError

FILE_NAME = "labelling.json"

_TYPES = {"manifest": str, "fingerprint": str, "data": str, "split": str | None, "seed": int}


@dataclass(frozen=True)
class Source:
    """The data set that studies were drawn from for reading, and how.

    Attributes:
        manifest: The absolute path of its manifest.
        fingerprint: The manifest's `Manifest.fingerprint`, of all splits.
        data: The data set's name.
        split: The split that the studies were drawn from; None: all of them.
        seed: The seed that they were drawn by.
    """

    manifest: Path
    fingerprint: str
    data: str
    split: str | None
    seed: int

    @classmethod
    def of(cls, manifest: Manifest, split: str | None, seed: int) -> "Source":
        """That of studies which are drawn from a split of this data set."""
        return cls(manifest.path.resolve(), manifest.fingerprint(), manifest.name, split, seed)

    def check(self, manifest: Manifest, folder: Path) -> None:
        """Raise InputError unless this is the data set; `folder` is where labelling.json lies."""
        found = manifest.fingerprint()
        if found != self.fingerprint:
            raise InputError(
                f"{manifest.path}: has the fingerprint {found[:12]}, and {folder / FILE_NAME} notes "
                f"{self.fingerprint[:12]} of {self.data}; the data set has changed since its studies were drawn, or it "
                "is another one: give the one of then with --data"
            )


def write_source(folder: Path, source: Source, more: Mapping[str, object] | None = None) -> None:
    """Write labelling.json into a folder, as a whole or not at all; `more` are further entries."""
    files.write_json(folder / FILE_NAME, asdict(source) | {"manifest": str(source.manifest)} | dict(more or {}))


def read_source(folder: Path) -> Source | None:
    """Read the labelling.json of a folder; None where there is none.

    Raises:
        InputError: It is not JSON, or an entry is missing or is no such thing.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    found = files.read_json(path)
    for name, kind in _TYPES.items():
        value = found.get(name, ...) if isinstance(found, dict) else ...
        if not isinstance(value, kind) or isinstance(value, bool):
            shown = "is missing" if value is ... else f"is {value!r}"
            wanted = "a whole number" if kind is int else "a text" if kind is str else "a text or null"
            raise InputError(f"{path}: {name} {shown}; expected {wanted}, as tienet label writes it")
    return Source(Path(found["manifest"]), *(found[name] for name in ("fingerprint", "data", "split", "seed")))


def open_source(sheets: Sequence[Path], data: str | None, data_root: Path) -> Manifest | None:
    """The data set that the studies of these sheets come from.

    It is the one that `data` names, else the one that a labelling.json beside a sheet notes; in both cases it must be
    as every labelling.json beside the sheets has it.

    Args:
        sheets: The paths of the sheets.
        data: What --data names (`manifests.resolve`); None: it was not given.
        data_root: The folder of the data sets.
    Returns:
        All its studies; None where neither says what it is, or the noted manifest is not there any more.
    Raises:
        InputError: A labelling.json is broken, the data set is not the one that it notes, or is not a data set.
    """
    folders = list(dict.fromkeys(sheet.absolute().parent for sheet in sheets))
    sources = {folder: source for folder in folders if (source := read_source(folder)) is not None}
    if data is not None:
        manifest = manifests.load(data, data_root)
    else:
        noted = next((source.manifest for source in sources.values() if source.manifest.is_file()), None)
        if noted is None:
            return None
        manifest = manifests.load(str(noted), data_root)
    for folder, source in sources.items():
        source.check(manifest, folder)
    return manifest
