"""Sizes and formats of a data set's image files, or of a sample of them where they are many."""

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

THREADS = 16  # they wait for the disk, or for a network, and hardly compute


@dataclass
class ImageSurvey:
    """What the headers say.

    Attributes:
        files: how many different files the data set names. read: how many of them were read.
        sizes: (width, height) in pixels -> files. kinds: "PNG, 8 bits, grey" -> files.
        broken: file -> what is wrong with its header.
    """

    files: int
    read: int
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    broken: dict[Path, str] = field(default_factory=dict)


def survey_images(images: Iterable[Path | None], most: int, seed: int, progress: bool) -> ImageSurvey:
    """Read the headers of up to `most` files, drawn by `seed` where there are more; pixels are not read.

    Args:
        images: None is passed over, a file that is there twice is read once.
        progress: show a bar.
    """
    paths: Sequence[Path] = list(dict.fromkeys(path for path in images if path is not None))
    survey = ImageSurvey(len(paths), min(len(paths), most))
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
    """The header, or what is wrong with it."""
    try:
        header = read_header(path)
    except InputError as error:
        return path, str(error)
    if header.width * header.height > MAX_PIXELS:
        return path, f"{header.width} x {header.height} pixels; the most that is read is {MAX_PIXELS:,}"
    return path, header
