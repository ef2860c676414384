"""What is in a data set: a table, and a page with pictures to look at.

    python -m tienet.commands.describe data/openi

counts studies, patients, images, reports, labels, pairs of labels, words and empty cells, reads the sizes of the
images and draws 12 studies to look at. The table goes to standard output, the page to data/NAME/describe/index.html.
The page is one file that needs no network; it holds pictures and reports, so pass it on only as the data may be.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tienet import cli
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.datasets.description.page import render
from tienet.datasets.description.summary import summarize
from tienet.datasets.description.terminal import text_table
from tienet.files import write_text


def main() -> None:
    """Parse the flags, load, count, print the table, write the page."""
    args = _parse()
    manifest = manifests.load(locate(args.data, args.data_root), args.data_root)
    out = manifests.prepare_folder(args.out or default_out(manifest))
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    leaks = _leaks(manifest, args.leak_check or [])
    summary = summarize(manifest, args.images, args.seed, progress=sys.stderr.isatty())
    print("\n".join([text_table(summary), *leaks]))
    write_text(out / "index.html", render(summary, args.seed))
    print(out / "index.html")


def _leaks(manifest: Manifest, paths: Sequence[Path]) -> list[str]:
    """Lines on the lists at `paths`, and an empty one behind; nothing without."""
    if not paths:
        return []
    from tienet.data.leaks import leak_report

    return [*leak_report(manifest, paths), ""]


def locate(data: str, data_root: Path | str) -> str:
    """What `manifest.load` takes for a NAME, a FILE.csv, or the folder of a manifest.csv."""
    if data.lower().endswith(".csv") or (Path(data_root) / data / "manifest.csv").is_file():
        return data
    folder = Path(data)
    if (folder / "manifest.csv").is_file() or len(folder.parts) > 1:
        return str(folder / "manifest.csv")
    return data


def default_out(manifest: Manifest) -> Path:
    """`describe` beside manifest.csv; another file's has its name behind, as several may lie in a folder."""
    name = "describe" if manifest.path.name == "manifest.csv" else f"describe-{manifest.path.stem}"
    return manifest.path.parent / name


def _parse() -> argparse.Namespace:
    parser = cli.Parser(
        prog="python -m tienet.commands.describe",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
        type=Path,
        metavar="FILE",
        help="lists of other splits: how many of their test studies are in training here",
    )
    args = parser.parse_args()
    if args.images < 1:
        parser.error(f"--images {args.images}: expected 1 or more")
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: expected 0 or more")
    return args


if __name__ == "__main__":
    cli.run(main)
