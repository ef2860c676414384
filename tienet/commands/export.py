"""A TensorFlow SavedModel that loads in plain TensorFlow, without this package.

    tienet export --load runs/report --out models/report

    import tensorflow as tf
    answer = tf.saved_model.load("models/report").signatures["serving_default"](image=image)

Inputs: image, uint8 [B, px, px], 0 is black, resized to the run's px by the caller (a side that shrinks is averaged
over areas); modes annotate and annotate-text read reports: word_ids, int32 [B, T], <START>, the words' lines in
assets/vocab.txt (from 0), then 0; and word_len, int32 [B], with <START>.
Outputs, where the mode has them: probabilities (calibrated where the run is) and thresholds (NaN: none), float32
[B, 15]; labels, string [15]; report, string [B]; words, string [B, T]; word_ids, word_len, log_probability; g
[B, T], a [B, T, D, D], a_ws [B, D, D]. assets/tienet.json says the mode, px, labels and thresholds. A label is named
where its probability reaches its threshold; No_Finding only where no finding is.
"""

import argparse
from pathlib import Path

from tienet import files
from tienet.checkpoint.tensorflow_path import is_pattern
from tienet.commands import flags
from tienet.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet export`."""
    flags.add_load(parser, "annotate, annotate-text, classify, caption or report")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the SavedModel, a new one")
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Write the SavedModel, and print its inputs and outputs; returns the exit status."""
    if args.out.exists():
        raise InputError(f"--out {args.out} is there already; choose another name, or remove it")
    if is_pattern(args.out):
        raise InputError(
            f"--out {args.out}: TensorFlow loads no model from a path with * ? [ or \\; choose another name"
        )
    from tienet.checkpoint.run_folder import open_run

    opened = open_run(args.load)
    opened.check_files()
    files.check_writable(args.out)
    flags.start(args.gpu or "cpu")
    from tienet.inference.saved_model import export

    for line in export(opened, args.out):
        print(line)
    print(args.out)
    return 0
