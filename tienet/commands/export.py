"""A model that loads without this package: a TensorFlow SavedModel, or ONNX.

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

    tienet export --load runs/classify --format onnx --out models/classify      (pip install -e '.[onnx]')

    import onnxruntime
    (probabilities,) = onnxruntime.InferenceSession("models/classify/model.onnx").run(None, {"image": images})

ONNX takes modes classify and annotate-text, with the same inputs; it gives the probabilities. tienet.json and vocab.txt
lie beside model.onnx.
"""

import argparse
from pathlib import Path

from tienet import files
from tienet.checkpoint.tensorflow_path import is_pattern
from tienet.commands import flags
from tienet.errors import InputError

SAVED_MODEL, ONNX = "saved-model", "onnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet export`."""
    flags.add_load(parser, "annotate, annotate-text, classify, caption or report")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the model, a new one")
    parser.add_argument(
        "--format",
        choices=(SAVED_MODEL, ONNX),
        default=SAVED_MODEL,
        help=f"{SAVED_MODEL}, or {ONNX} for classify and annotate-text ({SAVED_MODEL})",
    )
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Write the model, and print its inputs and outputs; returns the exit status."""
    from tienet.checkpoint.run_folder import open_run
    from tienet.inference import model_folder, onnx_model

    model_folder.check_new(args.out)
    if args.format == SAVED_MODEL and is_pattern(args.out):
        raise InputError(
            f"--out {args.out}: TensorFlow loads no model from a path with * ? [ or \\; choose another name"
        )
    opened = open_run(args.load)
    if args.format == ONNX:
        onnx_model.check_mode(opened.config)
        onnx_model.check_installed()
        if args.gpu not in (None, "cpu"):
            raise InputError(f"--gpu {args.gpu}: --format onnx converts the network as a CPU has it; leave it out")
    opened.check_files()
    files.check_writable(args.out)
    flags.start(args.gpu or "cpu")
    if args.format == ONNX:
        lines = onnx_model.export(opened, args.out)
    else:
        from tienet.inference.saved_model import export

        lines = export(opened, args.out)
    for line in lines:
        print(line)
    print(args.out)
    return 0
