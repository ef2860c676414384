"""One picture of what the network sees in an image: its map, the words shaded, the likeliest findings.

    tienet show --load runs/report chest.png --out chest-tienet.png
    tienet show --load runs/annotate chest.png --report chest.txt

For a PNG, JPEG or DICOM file. The map is a_ws; for a run of mode caption, which gives no findings, it is the mean of
the words' maps. A run of mode classify gives neither words nor a map. A run of mode annotate reads the image with the
report that is given.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tienet import files
from tienet.commands import flags
from tienet.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.predict import Prediction

STANDARD_INPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet show`."""
    flags.add_load(parser, "report, classify, caption or annotate")
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a PNG, JPEG or DICOM file")
    parser.add_argument(
        "--report",
        metavar="FILE",
        help=f"for a run of mode annotate: a text file with the image's report; {STANDARD_INPUT}: standard input",
    )
    parser.add_argument("--out", type=Path, metavar="PNG", help="the picture (NAME-tienet.png in this folder)")
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Predict for one image and draw the figure; returns the exit status."""
    out = args.out or Path(f"{args.image.stem}-tienet.png")
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}: expected a name that ends in .png")
    if out.is_dir():
        raise InputError(f"--out {out} is a folder; expected the name of a PNG file")
    if out.resolve() == args.image.resolve():
        raise InputError(f"--out {out} is the image itself; choose another name")
    from tienet.data.dicom.reader import read_gray_and_remarks

    gray, remarks = read_gray_and_remarks(args.image)
    for remark in remarks:
        print(f"note: {args.image}: the file {remark}", file=sys.stderr)
    report = None if args.report is None else read_report(args.report)
    opened = open_for(args.load, report, args.report)
    files.check_writable(out)
    if opened.config.map_remark:
        print(f"note: {args.load}: {opened.config.map_remark}", file=sys.stderr)
    flags.start(args.gpu)
    from tienet.commands.show_figure import draw

    draw(out, args.image.name, gray, _predict(opened, gray, report))
    print(out)
    return 0


def read_report(name: str) -> str:
    """Read the report of a file, or of standard input.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is empty, a folder, too long, not UTF-8 text, or a value such as NaN.
    """
    from tienet.data.text import find_text_fault
    from tienet.datasets.folder.files import MAX_TEXT_BYTES

    where = _where(name)
    try:
        if name == STANDARD_INPUT:
            content = sys.stdin.buffer.read(MAX_TEXT_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_TEXT_BYTES + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"{where} does not exist; expected a text file") from None
    except IsADirectoryError:
        raise InputError(f"{where} is a folder; expected a text file") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or len(content) > MAX_TEXT_BYTES:
        raise InputError(f"{where} is not UTF-8 text of at most {MAX_TEXT_BYTES >> 20} MB")
    if not text.strip():
        raise InputError(f"{where} is empty; expected the image's report")
    fault = find_text_fault(text)
    if fault:
        raise InputError(f"{where}: {fault.message}")
    return text


def _where(name: str) -> str:
    return "--report -: standard input" if name == STANDARD_INPUT else f"--report {name}"


def open_for(load: str, report: str | None, name: str | None) -> "OpenedRun":
    """Open the run, and check that it reads the image with this report, or without one.

    Args:
        load: As `--load`.
        report: The report's text for mode annotate; None for the other modes.
        name: As `--report`.
    Raises:
        InputError: There is a report and the mode reads none, or the other way round; or the network knows too few
            words of the report; or a file of the run is missing.
    """
    from tienet.checkpoint.run_folder import open_run
    from tienet.data.text import find_report_fault, tokenize
    from tienet.predict import Reporter

    opened = open_run(load)
    opened.check_mode("tienet show", (*Reporter.MODES, "annotate"))
    mode, max_words = opened.config.mode, opened.config.max_words
    if mode in Reporter.MODES and report is not None:
        raise InputError(f"--report: {load} is of mode {mode}, which reads no report; leave it out")
    if mode not in Reporter.MODES and report is None:
        raise InputError(f"--load {load}: mode {mode} reads the image's report, too; give it with --report FILE")
    opened.check_files()
    if report is None:
        return opened
    fault = find_report_fault(report, opened.vocab, max_words)
    if fault:
        raise InputError(f"{_where(name)}: {fault.message}")
    words = len(tokenize(report))
    if words > max_words:
        print(f"note: the report has {words} words and was read up to {max_words}", file=sys.stderr)
    return opened


def _predict(opened: "OpenedRun", gray: "np.ndarray", report: str | None) -> "Prediction":
    """The prediction for an image, uint8 [H, W], with attention maps; with its report if there is one."""
    from tienet.predict import Annotator, Reporter

    if report is None:
        with Reporter.load(opened) as reporter:
            return reporter.report([gray], maps=True)[0]
    with Annotator.load(opened) as annotator:
        return annotator.annotate([report], [gray], maps=True)[0]
