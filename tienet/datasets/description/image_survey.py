"""The sizes and formats of the image files of a data set, or of a random sample of them if there are many."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tienet.data.features.image_hashes import ahead, image_bar
from tienet.data.image import MAX_PIXELS
from tienet.datasets.description.image_header import Header, read_header
from tienet.errors import InputError

THREADS = 16  # they mostly wait for the disk or the network


@dataclass
class ImageSurvey:
    """What the headers of the image files say.

    Attributes:
        files: The number of different files that the data set names.
        read: The number of files whose headers were read.
        sizes: Maps (width, height) in pixels to the number of files.
        kinds: Maps `Header.kind`, such as "PNG, 8 bits, grey", to the number of files.
        broken: Maps each file with a broken header to what is wrong with it.
    """

    files: int
    read: int
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    broken: dict[Path, str] = field(default_factory=dict)


def survey_images(images: Iterable[Path | None], max_files: int, seed: int, progress: bool) -> ImageSurvey:
    """Read the headers of image files; pixels are not read.

    Args:
        images: The files; None is skipped, and a file that occurs twice is read once.
        max_files: The largest number of files that are read; if there are more, they are drawn at random by `seed`.
        progress: Whether to show a progress bar.
    """
    paths: Sequence[Path] = list(dict.fromkeys(path for path in images if path is not None))
    survey = ImageSurvey(len(paths), min(len(paths), max_files))
    if survey.read < survey.files:
        drawn = np.random.default_rng(seed).choice(survey.files, survey.read, replace=False)
        paths = [paths[i] for i in np.sort(drawn)]
    with ThreadPoolExecutor(THREADS) as pool, image_bar(paths, "image headers", progress) as bar:
        for path, header in ahead(pool, _try_read, paths, 4 * THREADS):
            bar.update()
            if isinstance(header, str):
                survey.broken[path] = header
                continue
            survey.sizes[header.width, header.height] += 1
            survey.kinds[header.kind] += 1
    return survey


def _try_read(path: Path) -> tuple[Path, Header | str]:
    """The file with its header, or with what is wrong with it."""
    try:
        header = read_header(path)
    except InputError as error:
        return path, str(error)
    if header.width * header.height > MAX_PIXELS:
        return path, f"{header.width} x {header.height} pixels; the most that is read is {MAX_PIXELS:,}"
    return path, header
