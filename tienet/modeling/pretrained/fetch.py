"""Download the ResNet-50 weights that Keras publishes and convert them to the .npz that TieNet reads.

    tienet weights fetch [--out pretrained/resnet50.npz] [--keep FILE.h5]

Where the download fails (no network, a bad answer, another md5 than expected) nothing is left behind.
"""

import argparse
import contextlib
import hashlib
import http.client
import importlib
import re
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tqdm import tqdm

from tienet import cli, files
from tienet.errors import InputError
from tienet.modeling.pretrained import convert

KERAS_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
KERAS_MD5 = "4d473c1dd8becc155b73f8504c6f6626"

TIMEOUT_S = 60.0
"""The longest wait for the server's next bytes."""

CHUNK_BYTES = 1 << 18

# Not all of OSError: a full disk is no error of the network.
NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


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
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out.parent) as folder:
        name = Path(urllib.parse.urlsplit(url).path).name or "weights"
        downloaded = Path(folder) / name
        found = download(url, downloaded)
        if found != md5:
            raise InputError(
                f"{url}: the file has md5 {found}, expected {md5}: damaged on its way, or another file; "
                "run the same command again"
            )
        written = convert.convert(downloaded, out, "res5c")
        if keep is not None:
            with files.replacing(keep) as temporary:
                temporary.write_bytes(downloaded.read_bytes())
            written += f"\n{keep}: the download itself"
    return written


def download(url: str, path: Path) -> str:
    """Stream `url` to `path` with a progress bar; returns the md5 in hex. Raises InputError if the download fails."""
    digest = hashlib.md5(usedforsecurity=False)
    received = 0
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, path.open("wb") as stream:
            expected = answer.length  # None if the server does not send a length
            with tqdm(total=expected, unit="B", unit_scale=True, desc=path.name) as bar:
                while chunk := answer.read(CHUNK_BYTES):
                    stream.write(chunk)
                    digest.update(chunk)
                    received += len(chunk)
                    bar.update(len(chunk))
    except NETWORK_ERRORS as error:
        raise InputError(f"{url}: {_reason(error)}; try again, or another --url") from None
    if expected is not None and received != expected:
        raise InputError(f"{url}: the download ended after {received} of {expected} bytes; run it again")
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return f"no answer in {TIMEOUT_S:g} s"
    return f"no download ({getattr(error, 'reason', None) or error or type(error).__name__})"


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
