"""One picture of what the network sees in an image: its map, the words shaded, the likeliest findings.

    tienet show --load runs/report chest.png --out chest-tienet.png

For a PNG, JPEG or DICOM file. A run of mode classify gives neither words nor a map, one of caption no findings.
"""

import argparse
from pathlib import Path

from tienet.commands import flags
from tienet.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    flags.add_load(parser, "report, classify or caption")
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a PNG, JPEG or DICOM file")
    parser.add_argument("--out", type=Path, metavar="PNG", help="the picture (NAME-tienet.png in this folder)")
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Read one image and draw."""
    out = args.out or Path(f"{args.image.stem}-tienet.png")
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}: expected a name that ends in .png")
    if out.resolve() == args.image.resolve():
        raise InputError(f"--out {out} is the image itself; choose another name")
    from tienet.data.dicom import read_gray

    gray = read_gray(args.image)  # first: what is wrong with it should not wait for TensorFlow
    flags.start(args.gpu)
    from tienet.commands.drawing import draw
    from tienet.predict import Reporter

    with Reporter.load(args.load) as reporter:
        (reading,) = reporter.report([gray], maps=True)
    draw(out, args.image.name, gray, reading)
    print(out)
    return 0
