"""What is in a data set: a table, and a page with pictures to look at.

    tienet describe data/openi

It counts studies, patients, images, reports, labels, pairs of labels, words and empty cells, reads the sizes of the
images and draws 12 studies to look at. The table goes to standard output, the page to data/NAME/describe/index.html.
The page is one file that needs no network; it holds pictures and reports, so pass it on only as the data may be.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tienet import cli
from tienet.cli import UsageError
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.datasets.description.page import render
from tienet.datasets.description.summary import summarize
from tienet.datasets.description.terminal import text_table
from tienet.files import write_text
from tienet.folders import contents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("data", metavar="DATA", help="data/NAME, NAME or FILE.csv")
    parser.add_argument("--data-root", type=Path, default=Path("data"), metavar="DIR", help="where NAME is (data)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the page's folder (describe, beside the manifest)")
    parser.add_argument(
        "--images", type=int, default=5000, metavar="N", help="read the headers of N image files (5000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="draws the studies and the N files (0)")
    parser.add_argument(
        "--leak-check",
        nargs="+",
        action=cli.Several,
        type=Path,
        metavar="FILE",
        help="lists of other splits: how many of their test studies are in training here",
    )


def run(args: argparse.Namespace) -> int:
    """Load and count the data set, print the table and write the page."""
    if args.images < 1:
        raise UsageError(f"--images {args.images}: expected 1 or more")
    if args.seed < 0:
        raise UsageError(f"--seed {args.seed}: expected 0 or more")
    manifest = manifests.load(args.data, args.data_root)
    with contents.writing(args.out or default_out(manifest), contents.DESCRIPTION, "--out") as out:
        for note in manifest.notes:
            print(f"note: {note}", file=sys.stderr)
        leaks = _leaks(manifest, args.leak_check or [])
        summary = summarize(manifest, args.images, args.seed, progress=True)
        print("\n".join([text_table(summary), *leaks]))
        write_text(out / "index.html", render(summary, args.seed))
    print(out / "index.html")
    return 0


def _leaks(manifest: Manifest, paths: Sequence[Path]) -> list[str]:
    """What `leak_report` says of the lists at `paths`, with an empty line at the end; [] if there are no lists."""
    if not paths:
        return []
    from tienet.data.leaks import leak_report

    return [*leak_report(manifest, paths), ""]


def default_out(manifest: Manifest) -> Path:
    """The page's folder: `describe` beside manifest.csv, `describe-STEM` beside another manifest, STEM.csv."""
    name = "describe" if manifest.path.name == "manifest.csv" else f"describe-{manifest.path.stem}"
    return manifest.path.parent / name
