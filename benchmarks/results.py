"""The results: a JSON file to which each case is added when it has finished, so that a run can be continued."""

import datetime
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.case import Case, FailedError
from benchmarks.measuring import machine
from tienet import files
from tienet.errors import InputError


class Results:
    """The results in one file.

    Args:
        path: The JSON file. It has {"machine": {...}, "cases": {NAME: {"seconds", "peak_gb", "operations", "gflop_s",
            "product_gflop_s", "share", "took_s", "date", "function", "arguments", "more"}}}, with null where a figure
            does not apply.
        fresh: Whether to ignore the results that the file has.

    Attributes:
        cases: The object under "cases".

    Raises:
        InputError: The file holds something else, or results of another machine or other versions.
    """

    def __init__(self, path: Path, fresh: bool = False):
        self.path, self.machine = path, machine()
        self.cases: dict[str, dict] = {}
        if path.is_file() and not fresh:
            self.cases = self._read()

    def _read(self) -> dict[str, dict]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            machine_then, cases = content["machine"], dict(content["cases"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: not a file of results ({error}); --fresh starts a new one") from error
        differing = [
            f"{name} {machine_then.get(name)!r}, now {value!r}"
            for name, value in self.machine.items()
            if machine_then.get(name) != value
        ]
        if differing:
            raise InputError(f"{self.path}: measured with {'; '.join(differing)}; --fresh starts anew, or --out DIR")
        return cases

    def has(self, case: Case) -> bool:
        """Whether the case was measured with the same arguments."""
        record = self.cases.get(case.name, {})
        return (record.get("function"), record.get("arguments")) == (case.function, case.arguments)

    def add(self, case: Case, measured: dict, took_s: float) -> dict:
        """Add what `Case.run` returned and write the file; returns the record of the case."""
        seconds, rate = measured["seconds"], measured["product_rate"]
        flops = measured["operations"] / seconds if measured["operations"] else None
        record = {
            "seconds": round(seconds, 5),
            "peak_gb": round(measured["peak_bytes"] / 1e9, 3),
            "operations": measured["operations"] or None,
            "gflop_s": flops and round(flops / 1e9, 2),
            "product_gflop_s": rate and round(rate / 1e9, 1),
            "share": flops and rate and round(flops / rate, 3),
            "took_s": round(took_s, 1),
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "function": case.function,
            "arguments": case.arguments,
            "more": measured["more"],
        }
        self.cases[case.name] = record
        files.write_json(self.path, {"machine": self.machine, "cases": self.cases})
        return record

    def product_gflop_s(self) -> float | None:
        """The median rate of the large matrix product over all cases, in GFLOP/s; None if no case measured it."""
        rates = sorted(rate for record in self.cases.values() if (rate := record["product_gflop_s"]))
        return rates[len(rates) // 2] if rates else None


def run_cases(cases: Sequence[Case], results: Results) -> int:
    """Measure the cases that have no result yet and print a line for each.

    Returns:
        The exit status: 1 if a case failed.
    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the message says how many cases have a result.
    """
    temporary = results.path.parent / "temporary"
    shutil.rmtree(temporary, ignore_errors=True)  # left by a run that was killed
    temporary.mkdir(parents=True)
    try:
        ended = [_run(case, results, f"[{n:2}/{len(cases)}]", temporary) for n, case in enumerate(cases, 1)]
        return int(not all(ended))
    except KeyboardInterrupt:
        finished = sum(results.has(case) for case in cases)
        raise KeyboardInterrupt(
            f"interrupted; {finished} of {len(cases)} cases are in {results.path}, the same command goes on"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _run(case: Case, results: Results, prefix: str, temporary: Path) -> bool:
    """Measure one case unless it has a result; returns False if it failed."""
    print(f"{prefix} {case.name:<28}", end=" ", file=sys.stderr, flush=True)
    if results.has(case):
        print("is there", file=sys.stderr)
        return True
    start = time.perf_counter()
    try:
        record = results.add(case, case.run(temporary), time.perf_counter() - start)
    except FailedError as error:
        print(f"failed: {error}", file=sys.stderr)
        return False
    print(line_of(record), file=sys.stderr)
    return True


def line_of(record: dict) -> str:
    """A record as one line of text."""
    speed = "" if record["gflop_s"] is None else f"{record['gflop_s']:8.2f} GFLOP/s"
    share = "" if record["share"] is None else f"{record['share']:6.0%}"
    return (
        f"{record['seconds']:9.4f} s{speed:>18}{share:>7}{record['peak_gb']:7.2f} GB   (took {record['took_s']:.0f} s)"
    )
