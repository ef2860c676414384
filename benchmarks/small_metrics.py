"""Copies of an evaluation's metrics.json that are small enough to be kept with the code.

    python -m benchmarks.small_metrics tables/openi-fold-1 benchmarks/openi-cv/fold-1
    python -m benchmarks.small_metrics tables/openi-cv/metrics.json benchmarks/openi-cv/pooled.json

Of a folder, the metrics.json of each run in it becomes RUN.json. Numbers have four decimals; what is undefined (null),
and what a reader of results does not need, is left out; an object of numbers alone is one line.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from tienet import cli, files
from tienet.errors import InputError

DECIMALS = 4
LEFT_OUT = ("bootstrap", "calibration", "lesions", "pointing", "all_studies", "left_out", "precision_covered")
"""Keys that are left out wherever they stand."""


def main(words: Sequence[str] | None = None) -> int:
    """Copy, and print how large the copies are."""
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="DIR|FILE", help="an evaluation's folder, or a metrics.json")
    parser.add_argument("out", type=Path, metavar="DIR|FILE", help="a folder for a folder, a file for a file")
    args = parser.parse_args(words)
    copies = {args.out: args.source}
    if not args.source.is_file():
        found = {path.parent.name: path for path in sorted(args.source.glob("*/*/metrics.json"))}
        if (alone := args.source / "metrics.json").is_file():  # of one run, which has its mode for a name
            found = {files.read_json(alone)["mode"]: alone}
        if not found:
            raise InputError(f"{args.source}: no metrics.json in it; expected the folder of an evaluation")
        copies = {args.out / f"{name}.json": path for name, path in found.items()}
    sizes = [write_small(path, out) for out, path in copies.items()]
    print(f"{args.out}: {len(sizes)} files, {sum(sizes) / 1000:.0f} kB")
    return 0


def write_small(source: Path, out: Path) -> int:
    """Copy one metrics.json; returns the size of the copy in bytes."""
    text = to_text(small(files.read_json(source))) + "\n"
    files.write_text(out, text)
    return len(text.encode())


def small(value: object) -> object:
    """The value without LEFT_OUT and null, and with rounded numbers; in a run's file the controls have means alone."""
    if isinstance(value, float):
        return round(value, DECIMALS) if math.isfinite(value) else None
    if isinstance(value, list):
        return [small(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kept = {name: small(entry) for name, entry in value.items() if name not in LEFT_OUT and entry is not None}
    if "mode" in kept and "controls" in kept:
        kept["controls"] = {name: _control(control) for name, control in kept["controls"].items()}
    return kept


def _control(control: dict) -> dict:
    """The means of a control; what it has of each label is in the pooled file."""
    kept = {name: entry for name, entry in control.items() if name != "auc"}
    for name in ("labels", "report_findings"):
        if name in kept:
            kept[name] = {mean: kept[name][mean] for mean in ("micro", "macro")}
    return kept


def to_text(value: object, indent: str = "") -> str:
    """The value as JSON, where an object or a list without another one in it is one line."""
    entries = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if not any(isinstance(entry, dict | list) for entry in entries):
        return json.dumps(value, ensure_ascii=False)
    deeper = indent + " "
    if isinstance(value, dict):
        lines = [f"{deeper}{json.dumps(name)}: {to_text(entry, deeper)}" for name, entry in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{deeper}{to_text(entry, deeper)}" for entry in value) + f"\n{indent}]"


if __name__ == "__main__":
    cli.run(main, "benchmarks.small_metrics")
