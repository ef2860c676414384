"""No report, label, patient or split goes to an image that the table does not name, against an oracle of loops."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from tienet.data import image_names
from tienet.datasets.folder.files import Folder, NamedValues, Source
from tienet.datasets.folder.studies import FolderStudy, Tables, join
from tienet.errors import InputError
from tienet.labels import LABELS

IMAGES = ["data", "img"]
folders = st.sampled_from(["p1", "p2", "P1", "01", "1", "img", "Müller"])
files = st.sampled_from(["1", "01", "2", "3", "4", "frontal", "Frontal", "lateral", "p1", "Peña"])
endings = st.sampled_from(["", ".png", ".PNG", ".dcm", ".jpeg"])
paths = st.tuples(st.lists(folders, max_size=3), files).map(lambda path: [*path[0], path[1]])


@st.composite
def images_and_table(draw: Callable) -> tuple[list[list[str]], list[str]]:
    """The paths of images below their folder, and the names of a table: mostly paths of these images or parts of them,
    relative or absolute, some with another folder, written in any system's way."""
    images = draw(st.lists(paths, min_size=1, max_size=5, unique_by=tuple))
    start = draw(st.sampled_from(["", "", "./", "/data/img/", "C:/xrays/", "/mnt/xrays/", "img/"]))
    table = []
    for _ in range(draw(st.integers(1, 5))):
        path = draw(st.one_of(st.sampled_from(images), st.sampled_from(images), paths))
        kind = draw(st.sampled_from(["whole", "whole", "end", "other", "folder"]))
        if kind == "end":
            path = path[draw(st.integers(0, len(path) - 1)) :]
        elif kind == "folder" and len(path) > 1:
            path = path[:-1]
        elif kind == "other" and len(path) > 1:
            path = [draw(folders), *path[1:]]
        name = (start if kind != "end" else "") + "/".join(path) + draw(endings)
        name = unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), name)
        table.append(name.replace("/", "\\") if draw(st.booleans()) else name)
    return images, table


# ---- the oracle ----


def cut(name: str) -> list[str]:
    """The parts of a name."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    name = name[2:] if name[1:3] == ":/" else name
    found = [part for part in name.split("/") if part not in ("", ".")]
    for ending in (".png", ".dcm", ".jpeg"):
        if found[-1].lower().endswith(ending):
            found[-1] = found[-1][: -len(ending)]
            break
    return found


def ends_in(path: list[str], end: list[str]) -> bool:
    """Whether the last parts of a path are those of `end`."""
    return 0 < len(end) <= len(path) and all(path[-n] == end[-n] for n in range(1, len(end) + 1))


def is_absolute(name: str) -> bool:
    return name.replace("\\", "/").startswith(("/", "C:/"))


def names_the_image(name: str, image: list[str], all_names: list[str]) -> bool:
    """Whether a name of a table is that of an image, whose path below the images' folder is given."""
    whole, written = [*IMAGES, *image], cut(name)
    if ends_in(whole, written):
        return True
    if len(image) > 1 and ends_in(whole[:-1], written):  # the folder that it lies in
        return True
    if len(image) > 1 and is_absolute(name) and ends_in(written, image):  # a copy of another machine's folder
        root = written[: -len(image)]
        return all(cut(other)[: len(root)] == root for other in all_names if is_absolute(other))
    return False


def joined(images: list[list[str]], table: list[str]) -> list[FolderStudy] | None:
    """The studies of images with all four tables, each value telling its row; None if the tables are refused."""
    sources = [Source(Path("/", *IMAGES, *image[:-1], image[-1] + ".png"), "/".join(image), "PNG") for image in images]
    studies = [FolderStudy(source, None) for source in sources]
    rows = {image_names.plain(name): n for n, name in enumerate(table)}
    texts = [NamedValues({name: str(n) for name, n in rows.items()}, "t.csv") for _ in range(3)]
    labels = NamedValues({name: np.full(len(LABELS), float(n)) for name, n in rows.items()}, "t.csv")
    try:
        join(studies, Tables(texts[0], labels, texts[1], texts[2], {}), Folder(sources))
    except InputError:
        return None
    return studies


@settings(derandomize=True, max_examples=600, deadline=None)
@given(images_and_table())
def test_a_value_goes_only_to_an_image_that_its_row_names(drawn):
    images, table = drawn
    assume(len({tuple(cut(name)) for name in table}) == len(table))
    images = [[unicodedata.normalize("NFD", part) for part in image] for image in images]
    composed = [[unicodedata.normalize("NFC", part) for part in image] for image in images]
    studies = joined(images, table)
    of_row = [[image for image in composed if names_the_image(name, image, table)] for name in table]
    if studies is None:
        event("refused")
        assert not any(of_row) or any(len(several) > 1 for several in of_row) or not any(
            ends_in([*IMAGES, *image], cut(name)) for name in table for image in composed
        )  # fmt: skip
        return
    event("joined")
    if any(is_absolute(name) and not ends_in([*IMAGES, *image], cut(name)) and names_the_image(name, image, table)
           for name in table for image in composed):  # fmt: skip
        event("a copy of another machine's folder")
    taken: dict[int, list[list[str]]] = {}
    for image, study in zip(composed, studies, strict=True):
        fitting = [n for n, name in enumerate(table) if ends_in([*IMAGES, *image], cut(name))]
        if not study.report:
            assert study.patient == study.split == "" and np.isnan(study.labels).all() and not fitting
            continue
        row = int(study.report)
        assert study.patient == study.split == study.report and (study.labels == row).all()
        assert names_the_image(table[row], image, table)
        assert all(len(cut(table[n])) <= len(cut(table[row])) for n in fitting), "a longer path fits"
        taken.setdefault(row, []).append(image)
    for row, several in taken.items():
        same_folder = all(image[:-1] == several[0][:-1] for image in several)
        in_named_folder = same_folder and ends_in([*IMAGES, *several[0][:-1]], cut(table[row]))
        assert len(several) == 1 or in_named_folder, "one row, several images"
