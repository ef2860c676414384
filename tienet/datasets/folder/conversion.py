"""The images of a folder become PNG files, under the names that the data set gives to them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tienet.data import image, image_files
from tienet.data.dicom.pool import ReaderPool
from tienet.data.dicom.reader import Reader
from tienet.datasets.folder import files as own_files
from tienet.datasets.folder.files import Folder
from tienet.datasets.folder.pseudonyms import DIGITS, Pseudonyms
from tienet.datasets.folder.studies import IN_TWO_SPLITS, UNREADABLE, Fault, FolderStudy
from tienet.errors import InputError

IMAGES = "images"
"""The folder of the PNG files, in that of the data set."""


def is_hashed(path: Path) -> bool:
    """Whether a file's name is one that `Pseudonyms` gives to an image."""
    return path.suffix == ".png" and len(path.stem) == DIGITS and set(path.stem) <= set("0123456789abcdef")


class Names:
    """The names of images and patients in the output: hashes, or the true names.

    Attributes:
        are_true: Whether the names are the true ones.
    """

    def __init__(self, folder: Folder, pseudonyms: Pseudonyms | None) -> None:
        """Prepare the names of a folder's images.

        Args:
            folder: The folder of the images.
            pseudonyms: What makes the hashes. None for true names: an image's stem if it is the only one with that
                stem, otherwise its path with _ in place of /.
        Raises:
            InputError: Two images would have one name.
        """
        self.are_true = pseudonyms is None
        self._pseudonyms = pseudonyms
        self._unique = own_files.unique_stems(source.name for source in folder.sources)
        first: dict[str, Path] = {}
        for source in folder.sources if self.are_true else ():
            name = self.image(source.name)
            if first.setdefault(name, source.path) != source.path:
                raise InputError(f"--keep-ids: {first[name]} and {source.path} would both be {name}; rename one")

    def image(self, name: str) -> str:
        if self._pseudonyms:
            return self._pseudonyms.of("image", name)
        stem = name.rpartition("/")[2]
        return stem if stem in self._unique else name.replace("/", "_")

    def patient(self, patient: str) -> str:
        return self._pseudonyms.of("patient", patient) if self._pseudonyms else patient

    def left_out(self, fault: Fault) -> str:
        return self._pseudonyms.of(fault.what, fault.name) if self._pseudonyms else fault.name


def convert(
    studies: Sequence[FolderStudy], names: Names, out: Path, pool: ReaderPool
) -> tuple[dict[str, str], list[Fault]]:
    """Write the PNG files that do not exist yet, and delete those of images that are gone.

    Returns:
        The cell of the manifest's image column by image name; and faults for images that cannot be read, and for
        those whose pixels are also in another split.
    """

    def convert_image(reader: Reader, study: FolderStudy) -> str | Fault:
        source = study.source
        try:
            if names.are_true and source.kind != "DICOM":
                image.read_gray(source.path)
                return str(source.path.resolve())
            target = out / IMAGES / f"{names.image(source.name)}.png"
            if not _is_done(target, source.path):
                image.write_png(target, _read_pixels(reader, study))
            return f"{IMAGES}/{target.name}"
        except (InputError, FileNotFoundError) as error:
            return Fault.from_source(source, getattr(error, "reason", UNREADABLE), str(error))

    results = pool.map(convert_image, studies, "images")
    faults = [result for result in results if isinstance(result, Fault)]
    done = [(study, cell) for study, cell in zip(studies, results, strict=True) if isinstance(cell, str)]
    twice = image_files.find_copies([out / cell for _, cell in done], [study.split for study, _ in done])
    faults += [Fault.from_source(done[n][0].source, IN_TWO_SPLITS) for n in twice]
    cells = {study.source.name: cell for n, (study, cell) in enumerate(done) if n not in set(twice)}
    made = {Path(cell).name for cell in cells.values()}
    for path in (out / IMAGES).glob("*.png"):
        if is_hashed(path) and path.name not in made:  # written by an earlier run from other images
            path.unlink()
    return cells, faults


def _read_pixels(reader: Reader, study: FolderStudy) -> np.ndarray:
    """uint8 [H, W]; the notes on the pixels of a DICOM file are added to the study's header."""
    if study.source.kind != "DICOM":
        return image.read_gray(study.source.path)
    film = reader.read(study.source.path)
    study.header = replace(film, pixels=None)
    return film.pixels


def _is_done(target: Path, source: Path) -> bool:
    """Whether `target` was made from `source`: a PNG that exists is complete, and is redone if its source is newer."""
    return target.is_file() and target.stat().st_mtime_ns > source.stat().st_mtime_ns
