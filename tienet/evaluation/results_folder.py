"""The folder of an evaluation's results: the files of one evaluation, and nothing of an earlier one.

metrics.json is the last file that is written. Until then it says that the evaluation is unfinished, so that one that
was killed, or whose disk was full, is not taken for whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tienet import files
from tienet.folders import contents

METRICS = "metrics.json"

UNFINISHED = "unfinished"
"""The only key of metrics.json until all other files are there."""

_RESULTS = (
    "table.txt", "scores.csv", "reports.csv", "judged.csv", "judged-*.csv", "roc.png", "reliability.png",
    "table1.*", "table2.*", "tables.html", "roc-grid.png",
)  # fmt: skip
_PAGES = ("study-*.html", "cases.html", "index.html")


@contextmanager
def replacing_results(out: Path, metrics: dict) -> Iterator[None]:
    """The block writes an evaluation's files into `out`; an earlier one's go first, and metrics.json comes last."""
    files.write_json(out / METRICS, {UNFINISHED: "these results are not complete; evaluate again"})
    remove_results(out)
    yield
    files.write_json(out / METRICS, metrics)


def remove_results(out: Path) -> None:
    """Remove what an earlier evaluation has written into `out`, of one run or of several, but metrics.json."""
    _remove(out, _RESULTS)
    pages = out / "pages"
    if pages.is_dir() and contents.find_mark(pages, [path.name for path in pages.iterdir()], contents.PAGES):
        _remove(pages, _PAGES)
        with suppress(OSError):  # something else is there
            pages.rmdir()


def is_unfinished(metrics: object) -> bool:
    """Whether the content of a metrics.json is that of an evaluation that did not come to its end."""
    return isinstance(metrics, dict) and UNFINISHED in metrics


def _remove(folder: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
