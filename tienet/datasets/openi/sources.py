"""Where OpenI's files are: given one by one, found in a folder (--from), or downloaded from NLM, and then unpacked.

A downloaded archive is read as a whole before it is used, and its size and sha256 are kept beside it
(NLMCXR_png.tgz.json); it is compared with them whenever it is used again.
"""

import argparse
import contextlib
import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tienet.data import download, first_download
from tienet.datasets.openi import archive
from tienet.errors import InputError
from tienet.folders import locks

BASE_URL = "https://openi.nlm.nih.gov/imgs/collections/"
BASE_URL_VARIABLE = "TIENET_OPENI_URL"
DOWNLOADS = Path("data/downloads/openi")

REPORTS, IMAGES = "NLMCXR_reports.tgz", "NLMCXR_png.tgz"
PROJECTIONS, LABELS = "indiana_projections.csv", "openi_gld_std14.csv"
MESH = "mesh"

_ENDINGS = {REPORTS: ".xml", IMAGES: ".png"}
_UNPACKED = {REPORTS: ("ecgen-radiology", "reports"), IMAGES: ("images", "NLMCXR_png")}
"""The names under which a folder may have what is in an archive."""

_UNPACKED_SHARE = 1.1  # of the archive: PNG is packed already


@dataclass(frozen=True)
class Sources:
    """What a data set is made from.

    Attributes:
        reports: The archive of the reports, or a folder of XML.
        images: A folder with images.
        projections: The table of the views; None: they are told from the XML.
        labels: The file of the labels, or MESH.
    """

    reports: Path
    images: Path
    projections: Path | None
    labels: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that say where the files are."""
    url = os.environ.get(BASE_URL_VARIABLE) or BASE_URL
    shown = url.replace("%", "%%")
    for flag, kind, metavar, text in (
        ("--from", Path, "DIR", "a folder with what was downloaded by hand; then nothing is downloaded"),
        ("--reports", Path, "TGZ|DIR", f"{REPORTS}, or a folder of its XML"),
        ("--images", Path, "DIR", "folder of PNG or JPEG files, also in folders below it"),
        ("--projections", Path, "CSV", f"{PROJECTIONS}: uid,filename,projection (else the XML tells the views)"),
        ("--labels", str, f"FILE|{MESH}", f"CSV: filename CXR<uid>, 14 findings; or {MESH}: MeSH majors ({MESH})"),
    ):
        parser.add_argument(flag, type=kind, metavar=metavar, help=text, dest="source" if flag == "--from" else None)
    parser.add_argument(
        "--downloads", type=Path, default=DOWNLOADS, metavar="DIR", help=f"where downloads are kept ({DOWNLOADS})"
    )
    parser.add_argument(
        "--url",
        default=url,
        metavar="URL",
        help=f"address of the folder of NLM's archives ({shown}; {BASE_URL_VARIABLE})",
    )
    parser.add_argument(
        "--leave-free",
        type=_gigabytes,
        default=0.0,
        metavar="GB",
        help="disk that must stay free for what comes after (0)",
    )


def _gigabytes(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}; expected GB, 0 or more")


def find(args: argparse.Namespace) -> Sources:
    """The files that the flags name; what they do not name is looked for in --from, or downloaded.

    Raises:
        InputError: There is too little room on the disk, a download failed, or an archive is damaged or another one
            than at first.
        FileNotFoundError: --from does not have what is needed.
    """
    needed = [name for name, given in ((REPORTS, args.reports), (IMAGES, args.images)) if given is None]
    if args.source is not None:
        found = _found(args, needed)
    else:
        found = _downloaded(args, needed) if needed else {}
    projections, labels = args.projections, args.labels
    if args.source is not None:
        projections = projections or _if_there(args.source / PROJECTIONS)
        labels = labels or _if_there(args.source / LABELS)
    return Sources(args.reports or found[REPORTS], args.images or found[IMAGES], projections, str(labels or MESH))


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _found(args: argparse.Namespace, needed: Sequence[str]) -> dict[str, Path]:
    """What is needed of --from: an archive, or a folder with what is in it. Images are unpacked into --downloads."""
    if not args.source.is_dir():
        raise FileNotFoundError(f"--from {args.source}: there is no such folder")
    found = {}
    for name in needed:
        folders = [folder for folder in _UNPACKED[name] if (args.source / folder).is_dir()]
        path = args.source / (folders[0] if folders else name)
        if not path.exists():
            either = " or ".join((name, *(f"a folder {folder}" for folder in _UNPACKED[name])))
            raise FileNotFoundError(
                f"--from {args.source}: there is no {either} in it; get {_address(args, name)}, or leave --from out"
            )
        found[name] = path
    if IMAGES in needed and not found[IMAGES].is_dir():
        with locks.hold(args.downloads / locks.NAME, args.downloads, "--downloads", wait=True):
            sha256 = download.digest_of(found[IMAGES], "sha256")
            if not archive.is_unpacked(args.downloads / "images", sha256):
                _check_room(args, {}, _to_unpack(args, found[IMAGES].stat().st_size))
                archive.check(found[IMAGES], _ENDINGS[IMAGES])
            found[IMAGES] = _unpacked(args, found[IMAGES], sha256)
    return found


def _downloaded(args: argparse.Namespace, needed: Sequence[str]) -> dict[str, Path]:
    if not args.url.startswith(("http://", "https://")):
        raise InputError(f"--url {args.url!r}: expected an http or https address, such as {BASE_URL}")
    with locks.hold(args.downloads / locks.NAME, args.downloads, "--downloads", wait=True):
        found = {name: args.downloads / name for name in needed}
        kept = {name: sha256 for name, path in found.items() if (sha256 := _sha256_here(args, path))}
        sizes = {name: _size_there(args, name) for name in needed if name not in kept}
        to_unpack = 0
        if IMAGES in needed and not archive.is_unpacked(args.downloads / "images", kept.get(IMAGES, "")):
            to_unpack = _to_unpack(args, found[IMAGES].stat().st_size if IMAGES in kept else sizes[IMAGES] or 0)
        if sizes or to_unpack:
            _check_room(args, sizes, to_unpack)
        for name in sizes:
            url = _address(args, name)
            download.download(url, found[name], lambda part, name=name, url=url: _keep(url, part, found[name]))
            kept[name] = first_download.sha256_of(found[name])
        if IMAGES in needed:
            found[IMAGES] = _unpacked(args, found[IMAGES], kept[IMAGES])
    return found


def _address(args: argparse.Namespace, name: str) -> str:
    return f"{args.url.rstrip('/')}/{name}"


def _to_unpack(args: argparse.Namespace, archive_bytes: int) -> int:
    """About how many bytes the images will take that are still in the archive."""
    there = sum(image.stat().st_size for image in (args.downloads / "images").glob("*.png"))
    return max(0, int(archive_bytes * _UNPACKED_SHARE) - there)


def _unpacked(args: argparse.Namespace, path: Path, sha256: str) -> Path:
    archive.unpack_images(path, sha256, args.downloads / "images")
    return args.downloads / "images"


def _check_room(args: argparse.Namespace, sizes: dict[str, int | None], to_unpack: int) -> None:
    """Say how much room on the disk is needed. Raises InputError if there is less."""
    left = {name: (size or 0) - download.received(args.downloads / name) for name, size in sizes.items()}
    needed = sum(max(0, size) for size in left.values()) + to_unpack + int(args.leave_free * 1e9)
    listed = [f"{name} {_bytes(size) if size else 'of unknown size'}" for name, size in sizes.items()]
    parts = [f"{', '.join(listed)} from {args.url}"] if listed else []
    parts += [f"{_bytes(to_unpack)} for the images, unpacked"] if to_unpack else []
    parts += [f"{args.leave_free:g} GB for what comes after"] if args.leave_free else []
    free = shutil.disk_usage(args.downloads).free
    what = f"{'; '.join(parts)}: {_bytes(needed)} needed in {args.downloads}, where {_bytes(free)} are free"
    if needed > free:
        raise InputError(f"{what}; free some space, or choose another --downloads")
    print(f"OpenI: {what}", file=sys.stderr)


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _size_there(args: argparse.Namespace, name: str) -> int | None:
    """The bytes of an archive at NLM. Raises InputError if they are not those of the first download."""
    url = _address(args, name)
    size = download.size_of(url)
    if size is not None:
        first_download.compare_size(url, size, args.downloads / name)
    return size


def _keep(url: str, part: Path, path: Path) -> None:
    """Check a download that is whole, and keep its size and sha256, or compare them with those that are kept."""
    try:
        archive.check(part, _ENDINGS[path.name])
    except InputError:
        what = f"what came is no whole .tgz archive with {_ENDINGS[path.name]} files, and is removed"
        raise InputError(f"{url}: {what}; run the same command again") from None
    first_download.compare(url, part, path)


def _sha256_here(args: argparse.Namespace, path: Path) -> str | None:
    """The sha256 of an archive that need not be downloaded; None if it has to be.

    One that is there has to be as it was at first, or to be whole if it is seen for the first time. That of the images
    may have been removed when it was unpacked.
    """
    if path.exists():
        if not first_download.is_known(path):
            archive.check(path, _ENDINGS[path.name])
        return first_download.compare(str(path), path, path)
    if path.name == IMAGES and first_download.is_known(path):
        sha256 = first_download.sha256_of(path)
        return sha256 if archive.is_unpacked(args.downloads / "images", sha256) else None
    return None
