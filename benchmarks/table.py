"""The results as a table in Markdown."""

from benchmarks.cases import step_name
from benchmarks.results import Results

HEADINGS = ("case", "s", "Gop", "GFLOP/s", "of the matrix product", "peak GB", "")


def table(results: Results) -> str:
    """A row for each case except those of growth; the last line says on which machine they were measured."""
    names = [name for name in results.cases if not name.startswith("growth/")]
    lines = [_row(HEADINGS), "|---|" + "---:|" * (len(HEADINGS) - 2) + "---|"]
    lines += [_row(_cells(name, results)) for name in names]
    return "\n".join([*lines, "", _measured_on(results)]) + "\n"


def growth_table(results: Results) -> str:
    """A row for each case of growth: seconds and peak memory."""
    names = [name for name in results.cases if name.startswith("growth/")]
    lines = [_row(("growth", "s", "peak GB", "")), "|---|---:|---:|---|"]
    for name in names:
        record = results.cases[name]
        lines.append(
            _row(
                (
                    name.removeprefix("growth/"),
                    _number(record["seconds"]),
                    f"{record['peak_gb']:.2f}",
                    _more(name, results),
                )
            )
        )
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(name: str, results: Results) -> tuple[str, ...]:
    record = results.cases[name]
    operations, share, rate = record["operations"], record["share"], results.product_gflop_s()
    if share is None and operations and rate:  # measured without TensorFlow: compared with the rate of the other cases
        share = record["gflop_s"] / rate
    return (
        name,
        _number(record["seconds"]),
        "" if operations is None else _number(operations / 1e9),
        "" if operations is None else f"{record['gflop_s']:.1f}",
        "" if share is None else f"{share:.1%}" if share < 0.1 else f"{share:.0%}",
        f"{record['peak_gb']:.2f}",
        _more(name, results),
    )


def _more(name: str, results: Results) -> str:
    """The table's last column: other figures of the case, and figures that need a second case."""
    cases, more = results.cases, results.cases[name]["more"]
    seconds = cases[name]["seconds"]
    notes = []
    if "mb_s" in more:
        notes.append(f"{more['mb_s']} MB/s")
    if "from_disk_mb_s" in more:
        notes.append(f"{more['from_disk_mb_s']} MB/s from the disk")
    if "from_disk_s" in more:
        notes.append(f"{more['from_disk_s']:.3f} s from the disk")
    if "images_s" in more:
        notes.append(f"{more['images_s']} images/s, {more['ratio']:.2f} times as fast as one after the other")
    if name.startswith("data flow/") and (step := cases.get(step_name("report", 64))):
        notes.append(f"{step['seconds'] / seconds:.0f} times as fast as the step of report")
    if name.startswith("write/beam/") and (greedy := cases.get(name.replace("beam", "greedy"))):
        notes.append(f"{seconds / greedy['seconds']:.2f} times greedy")
    if more.get("whole_numbers"):
        notes.append("whole numbers, no products")
    if "running_words" in more:
        notes.append(f"{more['running_words']:,} words")
    if "steps" in more:
        notes.append(f"an epoch of {more['steps']} steps, mean of {more['epochs']}")
    return "; ".join(notes)


def _number(value: float) -> str:
    """A number with three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _measured_on(results: Results) -> str:
    facts, rate = results.machine, results.product_gflop_s()
    dates = sorted(record["date"] for record in results.cases.values())
    product = f"; the matrix product reached {rate:.0f} GFLOP/s" if rate else ""
    when = f"; {dates[0][:10]}" if dates else ""
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']:.0f} GB; TensorFlow {facts['tensorflow']}, "
        f"NumPy {facts['numpy']}, Python {facts['python']}{product}{when}."
    )
