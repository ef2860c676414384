"""Convert published ResNet-50 weights to the .npz that TieNet reads.

    tienet weights convert SOURCE --out pretrained/resnet50.npz [--end res4f]

SOURCE is a Caffe .caffemodel, a Keras .h5, or an .npz of such weights.
"""

import argparse
import hashlib
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tienet.errors import InputError
from tienet.grid import ENDS
from tienet.modeling import backbone_weights
from tienet.modeling.pretrained import caffemodel, keras_h5

DEFAULT_OUT = Path("pretrained/resnet50.npz")
ZIP_SIGNATURE = b"PK"

_NET_LAYER = re.compile(r"(res|bn|conv|scale|post_)\w*")
"""Names of layers before the classifier; one that ResNet-50 does not have shows that this is another network."""


def convert(source: Path, out: Path, end: str) -> str:
    """Write the weights of `source` up to `end` to `out`; returns a line that says what was written.

    Args:
        source: A Caffe, Keras or .npz file.
        out: The .npz for `tienet.modeling.backbone_weights.load_weights`; it is left as it was if the conversion fails.
        end: The last layer that is needed: res4f or res5c.
    Raises:
        FileNotFoundError: There is no `source`.
        InputError: These are not weights of ResNet-50, or a variable up to `end` is missing, has another shape, or has
            values that are not finite.
    """
    kind, raw = read(source)
    weights = select(raw, end, str(source))
    facts = {"source": source.name, "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(), "kind": kind}
    backbone_weights.save_weights(out, weights, end, **facts)
    sha256 = backbone_weights.fingerprint(weights)
    megabytes = out.stat().st_size / 1e6
    return (
        f"{out}: {len(weights)} variables up to {end} from a {kind}, {megabytes:.1f} MB, sha256 of the weights {sha256}"
    )


def read(source: Path) -> tuple[str, dict[str, np.ndarray]]:
    """Read the kind of `source`, by its first bytes, and all its weights, by Caffe's layer names, as NAME/PART."""
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such file; a Caffe .caffemodel, a Keras .h5 or an .npz was expected")
    with source.open("rb") as stream:
        start = stream.read(8)
    if start == keras_h5.SIGNATURE:
        return "Keras .h5", keras_h5.read(source)
    if start.startswith(ZIP_SIGNATURE):
        return ".npz", _read_npz(source)
    if source.suffix == ".caffemodel":
        return "Caffe .caffemodel", caffemodel.read(source)
    raise InputError(f"{source}: neither a Caffe .caffemodel nor a Keras .h5 nor an .npz")


def _read_npz(source: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(source, allow_pickle=False) as arrays:
            return {key.replace("|", "/"): arrays[key] for key in arrays.files if key != backbone_weights.META}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{source}: not an .npz of arrays, or a damaged one; get it again") from None


def select(raw: dict[str, np.ndarray], end: str, where: str) -> dict[str, np.ndarray]:
    """The variables up to `end`, float32. Raises InputError, which begins with `where`, if one is missing or wrong."""
    _check_net(raw, where)
    _check_complete(raw, end, where)
    weights = {name: np.float32(raw[name]) for name in backbone_weights.variable_shapes(end)}
    for conv in backbone_weights.LAYOUTS[end].convs():
        if not conv.has_bias and f"{conv.name}/bias" in raw:
            # Keras gives every convolution a bias; before a batch normalisation that is the same as a shifted mean.
            mean, bias = (np.float64(raw[name]) for name in (f"{conv.bn}/moving_mean", f"{conv.name}/bias"))
            if bias.shape != conv.kernel[-1:]:
                raise InputError(
                    f"{where}: {conv.name}/bias has shape {list(bias.shape)}, not {list(conv.kernel[-1:])}"
                )
            weights[f"{conv.bn}/moving_mean"] = np.float32(mean - bias)
    backbone_weights.check_weights(weights, end, where)
    return weights


def _check_net(raw: dict[str, np.ndarray], where: str) -> None:
    known = {name.split("/")[0] for name in backbone_weights.variable_shapes("res5c")}
    found = list(dict.fromkeys(name.split("/")[0] for name in raw))
    foreign = [name for name in found if name not in known and _NET_LAYER.fullmatch(name)]
    if foreign or not known.intersection(found):
        names = backbone_weights.some_of(foreign or found) or "no layers at all"
        raise InputError(f"{where}: not the ResNet-50 of He et al. (2015): it has {names}")


def _check_complete(raw: dict[str, np.ndarray], end: str, where: str) -> None:
    missing = {end: [n for n in backbone_weights.variable_shapes(end) if n not in raw] for end in ENDS}
    if missing[end]:
        possible = [other for other in missing if not missing[other]]
        hint = f"; all up to {possible[0]} is there: use --end {possible[0]}" if possible else ""
        raise InputError(f"{where}: lacks {backbone_weights.some_of(missing[end])}, which the end {end} needs{hint}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a Caffe .caffemodel, a Keras .h5, or an .npz")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="file to write (default %(default)s)")
    parser.add_argument("--end", choices=sorted(ENDS), default="res5c",
                        help="the last layer that is needed (default %(default)s, the paper's)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Convert, and print what was written."""
    print(convert(args.source, args.out, args.end))
    return 0
