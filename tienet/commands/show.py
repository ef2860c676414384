"""One picture of what the network sees in an image: its map, the words shaded, the likeliest findings.

    tienet show --load runs/report chest.png --out chest-tienet.png
    tienet show --load runs/annotate chest.png --report chest.txt

For a PNG, JPEG or DICOM file. The map is a_ws; for a run of mode caption, which gives no findings, it is the mean of
the words' maps. A run of mode classify gives neither words nor a map. A run of mode annotate reads the image with the
report that is given.

    tienet show --load runs/annotate-text --report chest.txt --figure attention

draws every row of the text attention over the words. A run of mode annotate-text reads the report alone.

A file that is there is replaced only if it is a figure of the same image, or for annotate-text of the same report.
"""

import argparse
import hashlib
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tienet import files
from tienet.commands import flags
from tienet.data.image_names import ENDING
from tienet.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.predict import Prediction

STANDARD_INPUT = "-"
_MARK = "tienet show: SHA-256"  # the keyword of the text in a PNG that says what it is a figure of
_MAX_MARK_BYTES = 200  # of the chunk
_MAX_LACKING = 10  # characters that a note lists

FIGURES = {
    "overview": ("report", "classify", "caption", "annotate"),
    "attention": ("report", "annotate", "annotate-text"),
}
"""The figures, and the modes that have what is drawn."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet show`."""
    flags.add_load(parser, "report, classify, caption or annotate, or for --figure attention annotate-text")
    parser.add_argument(
        "image", type=Path, nargs="?", metavar="IMAGE", help="a PNG, JPEG or DICOM file; none for mode annotate-text"
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help=f"for a run of mode annotate or annotate-text: a text file with the report; {STANDARD_INPUT}: standard "
        "input",
    )
    parser.add_argument(
        "--figure",
        default="overview",
        choices=tuple(FIGURES),
        help="overview: the image, its map, the findings and the words; attention: every row of the text attention G "
        "as a heat map over the words (overview)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="PNG", help="the picture (NAME-tienet.png or NAME-attention.png in this folder)"
    )
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Predict for one image, or one report, and draw the figure; returns the exit status."""
    out = args.out or Path(f"{_stem(args)}-{'tienet' if args.figure == 'overview' else args.figure}.png")
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}: expected a name that ends in .png")
    if out.is_dir():
        raise InputError(f"--out {out} is a folder; expected the name of a PNG file")
    if args.image is not None and out.resolve() == args.image.resolve():
        raise InputError(f"--out {out} is the image itself; choose another name")
    gray, remarks = (None, ()) if args.image is None else _read_image(args.image)
    report = None if args.report is None else read_report(args.report)
    opened = open_for(args.load, report, args.report, args.figure, gray is not None)
    mark = _mark(report) if gray is None else _mark(gray)
    files.check_writable(out)
    _check_replaceable(out, mark, _name(args))
    if args.figure == "overview" and opened.config.map_remark:
        print(f"note: {args.load}: {opened.config.map_remark}", file=sys.stderr)
    flags.start(args.gpu)
    from tienet.commands.output_formats import notes_on

    prediction = _predict(opened, gray, report)
    for note in prediction.notes:
        print(f"note: {args.image}: {note}", file=sys.stderr)
    _check_replaceable(out, mark, _name(args))  # another process may have made it in the meantime
    _draw(args, out, gray, prediction, notes_on(remarks, prediction), mark)
    print(out)
    return 0


def _draw(
    args: argparse.Namespace,
    out: Path,
    gray: "np.ndarray | None",
    prediction: "Prediction",
    notes: Sequence[str],
    mark: str,
) -> None:
    from tienet.commands import show_figure

    name, texts = _name(args), {_MARK: mark}
    if args.figure == "attention":
        show_figure.draw_attention(out, name, prediction, notes, texts)
    else:
        show_figure.draw(out, name, gray, prediction, notes, texts)
    lacking = show_figure.characters_lacking(name, prediction.words)
    if lacking:
        shown = [c if c.isprintable() else f"U+{ord(c):04X}" for c in lacking[:_MAX_LACKING]]
        listed = " ".join([*shown, *["..."] * (len(lacking) > _MAX_LACKING)])
        drawn = f"{show_figure.LACKING} stands for each of them"
        print(f"note: {out}: the figure's font lacks characters ({listed}); {drawn}", file=sys.stderr)


def _name(args: argparse.Namespace) -> str:
    """What the figure is of: the image's name, or the report's where there is no image."""
    if args.image is not None:
        return args.image.name
    return "report" if args.report in (None, STANDARD_INPUT) else Path(args.report).name


def _stem(args: argparse.Namespace) -> str:
    """The start of the figure's name; an image that is called by a UID keeps the last number of it."""
    return Path(_name(args)).stem if args.image is None else ENDING.sub("", args.image.name)


def _read_image(path: Path) -> "tuple[np.ndarray, tuple[str, ...]]":
    """The image, uint8 [H, W], and what its file is remarkable for, which is said."""
    from tienet.data.dicom.reader import read_gray_and_remarks

    gray, remarks = read_gray_and_remarks(path)
    for remark in remarks:
        print(f"note: {path}: the file {remark}", file=sys.stderr)
    return gray, remarks


def _mark(of: "np.ndarray | str") -> str:
    """What the PNG says that it is of: the hash of an image's pixels, uint8 [H, W], or of a report.

    Not that of the image's file, because a file may come through a pipe, which is read once.
    """
    if isinstance(of, str):
        return f"report {hashlib.sha256(of.encode()).hexdigest()}"
    digest = hashlib.sha256(str(of.shape).encode())
    digest.update(of.tobytes())
    return f"image {digest.hexdigest()}"


def _check_replaceable(out: Path, mark: str, name: str) -> None:
    """Raise InputError if a file is there that is not a figure of the same image, or report, as its mark says."""
    if not out.exists() or (out.is_file() and out.stat().st_size == 0):
        return
    found = _read_mark(out)
    if found != mark:
        known = "" if found else " known to be"
        raise InputError(
            f"{out} is there, and is not{known} a figure of this {name}; choose another name with --out, or remove it"
        )


def _read_mark(path: Path) -> str | None:
    """The mark of a PNG that this command wrote; None of any other file."""
    from tienet.data.image import SIGNATURE_BYTES, file_format

    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            if file_format(file.read(SIGNATURE_BYTES)) != "PNG":
                return None
            while True:
                length, kind = struct.unpack(">I4s", file.read(8))
                if kind == b"tEXt" and length <= _MAX_MARK_BYTES:
                    keyword, _, text = file.read(length).partition(b"\0")
                    if keyword == _MARK.encode():
                        return text.decode("latin-1")
                    length = 0
                if kind == b"IDAT":
                    return None
                file.seek(length + 4, os.SEEK_CUR)
    except (OSError, struct.error):  # it cannot be read, or it ends early
        return None


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


def open_for(load: str, report: str | None, name: str | None, figure: str, image: bool) -> "OpenedRun":
    """Open the run, and check that it has what is drawn, and reads the image and the report that are given.

    Args:
        load: As `--load`.
        report: The report's text for modes annotate and annotate-text; None for the other modes.
        name: As `--report`.
        figure: As `--figure`.
        image: Whether an image is given.
    Raises:
        InputError: The mode has no such figure; or there is a report and the mode reads none, or the other way round;
            or so it is with the image; or the network knows too few words of the report; or a file of the run is
            missing.
    """
    from tienet.checkpoint.run_folder import open_run
    from tienet.data.text import find_report_fault, tokenize
    from tienet.predict import Reporter

    opened = open_run(load)
    if not opened.config.mode_parts.image and (figure == "overview" or (image and report is None)):
        raise InputError(
            f"--load {load}: a checkpoint of mode {opened.config.mode}, but tienet show needs one that reads an image; "
            "give --figure attention --report FILE, and no IMAGE, to see what this one sees in a report"
        )
    if figure == "overview" and not image:
        raise InputError("IMAGE is missing; expected a PNG, JPEG or DICOM file")
    needed = "tienet show" if figure == "overview" else f"tienet show --figure {figure}"
    opened.check_mode(needed, FIGURES[figure])
    mode, max_words = opened.config.mode, opened.config.max_words
    if mode in Reporter.MODES and report is not None:
        raise InputError(f"--report: {load} is of mode {mode}, which reads no report; leave it out")
    if mode not in Reporter.MODES and report is None:
        reads = "the image's report, too" if opened.config.mode_parts.image else "a report"
        raise InputError(f"--load {load}: mode {mode} reads {reads}; give it with --report FILE")
    if opened.config.mode_parts.image and not image:
        raise InputError(f"--load {load}: mode {mode} reads an image; IMAGE is missing")
    if image and not opened.config.mode_parts.image:
        raise InputError(f"--load {load}: mode {mode} reads no image; leave IMAGE out")
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


def _predict(opened: "OpenedRun", gray: "np.ndarray | None", report: str | None) -> "Prediction":
    """The prediction for an image, uint8 [H, W], its report, or both, with attention maps."""
    from tienet.predict import Annotator, Reporter

    if report is None:
        with Reporter.load(opened) as reporter:
            return reporter.report([gray], maps=True)[0]
    with Annotator.load(opened) as annotator:
        return annotator.annotate([report], None if gray is None else [gray], maps=True)[0]
