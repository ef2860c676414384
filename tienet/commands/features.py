"""Compute the backbone's features of a data set's images once, for all runs with these weights and this size.

    tienet features --data openi --backbone-end res4f --image-px 256

Training does the same by itself before its first epoch. A run that was stopped is continued by the next one.
"""

import argparse
import sys
from pathlib import Path

from tienet.checkpoint.run_folder import backbone_source
from tienet.cli import UsageError
from tienet.commands import flags
from tienet.config import BACKBONE_DTYPES, Config
from tienet.data.features.cache import Extractor, FeatureKey, open_features
from tienet.data.features.rows import FORMATS
from tienet.data.manifest import load
from tienet.grid import ENDS, transition_for
from tienet.modeling.backbone_weights import fingerprint, weights_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags; the defaults are those of `tienet train`."""
    defaults = Config()
    parser.add_argument(
        "--data", required=True, metavar="NAME|DIR|FILE", help="NAME of data/NAME, a data set's folder, or a manifest"
    )
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), metavar="DIR", help="folder of the data sets (default: data)"
    )
    parser.add_argument(
        "--backbone-weights",
        default="pretrained/resnet50.npz",
        metavar="FILE",
        help="file of pretrained/convert_resnet50.py, a run, or random (default: pretrained/resnet50.npz)",
    )
    parser.add_argument(
        "--backbone-end",
        choices=ENDS,
        default=defaults.backbone_end,
        help=f"last layer of the frozen network (default: {defaults.backbone_end})",
    )
    parser.add_argument(
        "--backbone-dtype",
        choices=BACKBONE_DTYPES,
        default=defaults.backbone_dtype,
        help=f"what the network computes in (default: {defaults.backbone_dtype})",
    )
    parser.add_argument(
        "--image-px",
        type=int,
        default=defaults.image_px,
        help=f"side that images are resized to, in pixels (default: {defaults.image_px})",
    )
    parser.add_argument(
        "--feature-dtype",
        choices=FORMATS,
        default=defaults.feature_dtype,
        help=f"how they are kept: float16, or int8, half as large (default: {defaults.feature_dtype})",
    )
    flags.add_gpu(parser)
    parser.add_argument("--batch", type=int, help="images per call of the network (default: 16, on a GPU 64)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of random weights (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Compute the features that are missing, and print how many there were and the folder of all."""
    for name, least in (("batch", 1), ("seed", 0)):
        if (given := getattr(args, name)) is not None and given < least:
            raise UsageError(f"--{name} {given}: expected {least} or more")
    transition_for(args.image_px, args.backbone_end)  # raises for a size that training would refuse
    manifest = load(args.data, args.data_root)
    for note in manifest.notes:
        print(note, file=sys.stderr)
    weights = weights_for(backbone_source(args.backbone_weights), args.backbone_end, args.seed)

    flags.choose_gpus(args.gpu)

    def network() -> Extractor:
        flags.start_tensorflow()  # only here, so that nothing waits for TensorFlow if no feature is missing
        from tienet.modeling.backbone import FeatureExtractor

        return FeatureExtractor(weights, args.backbone_end, args.image_px, dtype=args.backbone_dtype)

    key = FeatureKey(fingerprint(weights), args.backbone_end, args.image_px, args.feature_dtype, args.backbone_dtype)
    features = open_features(manifest, network, key, batch=args.batch)
    print(f"{manifest.name}: {features.new_rows} rows new, {features.reused_rows} rows reused")
    if features.new_rows:
        gb, seconds = features.new_rows * features.row_bytes / 1e9, features.compute_s
        print(f"{gb:.2f} GB in {seconds:.1f} s, {1000 * seconds / features.new_rows:.0f} ms per image")
    without = sum(image is None for image in manifest.images)
    if without:
        print(f"{without} of {len(manifest)} studies have no image")
    print(features.folder)
    return 0
