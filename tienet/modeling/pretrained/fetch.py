"""Download the ResNet-50 weights that Keras publishes and convert them to the .npz that TieNet reads.

    tienet weights fetch [--out pretrained/resnet50.npz] [--keep FILE.h5]

A download that was cut off goes on where it was with the same command (tienet/data/download.py). One that is another
file than expected, by its md5, is removed.
"""

import argparse
import contextlib
import importlib
import re
import shutil
import urllib.parse
from pathlib import Path

from tienet import cli, files
from tienet.data import download
from tienet.errors import InputError
from tienet.modeling.pretrained import convert

KERAS_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
KERAS_MD5 = "4d473c1dd8becc155b73f8504c6f6626"


def published() -> tuple[str, str]:
    """The address and md5 of the weights without classifier that the installed Keras has, otherwise Keras 3.15's."""
    with contextlib.suppress(ImportError, AttributeError, LookupError, TypeError):  # Keras may run on another backend
        cli.start_tensorflow()
    try:
        resnet = importlib.import_module("keras.src.applications.resnet")
        return resnet.BASE_WEIGHTS_PATH + KERAS_FILE, resnet.WEIGHTS_HASHES["resnet50"][1]
    except (ImportError, AttributeError, LookupError, TypeError):  # Keras is not installed, or has moved them
        return KERAS_BASE_URL + KERAS_FILE, KERAS_MD5


def fetch(url: str, md5: str, out: Path, keep: Path | None = None) -> str:
    """Download, check, convert up to res5c and move into place; returns lines that say what was written.

    Args:
        url: The http or https address of a file that `convert` takes.
        md5: The md5 of that file, in lower-case hex.
        out: The .npz to write.
        keep: The path at which the downloaded file is kept; None does not keep it.
    Raises:
        InputError: The download failed or is another file than expected; `out` and `keep` are as before.
    """
    name = Path(urllib.parse.urlsplit(url).path).name or "weights"
    downloaded = out.parent / ".fetch" / name
    download.download(url, downloaded, lambda path: _check(url, path, md5))
    try:
        written = convert.convert(downloaded, out, "res5c")
        if keep is not None:
            with files.replacing(keep) as temporary:
                shutil.copyfile(downloaded, temporary)
            written += f"\n{keep}: the download itself"
    finally:
        downloaded.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a part of another download is in it
            downloaded.parent.rmdir()
    return written


def _check(url: str, path: Path, md5: str) -> None:
    found = download.digest_of(path, "md5")
    if found != md5:
        raise InputError(
            f"{url}: the file has md5 {found}, expected {md5}: damaged on its way, or another file; "
            "run the same command again"
        )


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{url!r} is not an http or https address")
    return url


def _md5(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{32}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an md5 (32 hexadecimal digits)")
    return text.lower()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("--url", type=_address, help="another address, such as a mirror (default: Keras's)")
    parser.add_argument("--md5", type=_md5, help="md5 of the file there (default: Keras's)")
    parser.add_argument("--out", type=Path, default=convert.DEFAULT_OUT, help="default %(default)s")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the downloaded file, too, as FILE")


def run(args: argparse.Namespace) -> int:
    """Download and convert, and print what was written."""
    for path in filter(None, (args.out, args.keep)):
        files.check_writable(path)
    url, md5 = (args.url, args.md5) if args.url and args.md5 else published()
    print(fetch(args.url or url, args.md5 or md5, args.out, args.keep))
    return 0
