#!/usr/bin/env python
"""What predicting one's own studies costs: labels for an archive of reports, one image, many clients of the server.

    python -m benchmarks.reading --text RUN --report RUN --image FILE [--reports 20000]

`--text` is a run of mode `annotate-text`, `--report` one of mode `report`. The archive repeats the reports of 1000
phantom studies. 16 clients ask the server at the same time.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil

from tienet import cli

CLIENTS, REQUESTS, MORE = 16, 200, 1000


def archive(path: Path, reports: int) -> None:
    """Write a CSV file of so many reports of phantom studies."""
    import numpy as np

    from tienet.datasets.phantom import facts
    from tienet.datasets.phantom.reports import write

    studies = facts.plan(1000, 0)
    texts = [" ".join(write(study.facts, np.random.default_rng(study.number))) for study in studies]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["study_id", "report"])
        rows.writerows([f"a-{n:06d}", texts[n % len(texts)]] for n in range(reports))


def labels(run: str, reports: int, folder: Path) -> str:
    """Time `tienet annotate` over the archive; kill it in the middle, start it again and compare the two files."""
    archive(folder / "reports.csv", reports)
    source = str(folder / "reports.csv")
    command = [sys.executable, "-m", "tienet.commands.main", "annotate", "--load", run, source, "--out"]
    start, peaks = time.perf_counter(), []
    process = subprocess.Popen([*command, str(folder / "labels.csv")], stderr=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        peaks.append(watched.memory_info().rss / 1e6)
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    first_half, peak = max(peaks[: len(peaks) // 2]), max(peaks)

    killed = subprocess.Popen([*command, str(folder / "again.csv")], stderr=subprocess.DEVNULL)
    time.sleep(seconds * 0.6)
    killed.kill()
    killed.wait()
    rows = sum(1 for _ in (folder / "again.csv").open()) - 1
    subprocess.run([*command, str(folder / "again.csv")], stderr=subprocess.DEVNULL, check=True)
    same = (folder / "again.csv").read_bytes() == (folder / "labels.csv").read_bytes()
    return (
        f"annotate: {reports} reports in {seconds:.1f} s, the start included: {reports / seconds:.0f} reports/s; "
        f"memory {first_half:.0f} MB in the first half, {peak:.0f} MB at most\n"
        f"annotate: killed after {rows} rows and started again: {'the same bytes' if same else 'NOT the same'}"
    )


def one_image(run: str, image: str) -> str:
    """Time `tienet report` from a cold start, and one image in a process that has predicted before."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "tienet.commands.main", "report", "--load", run, image]
    subprocess.run(command, check=True, capture_output=True)
    cold = time.perf_counter() - start

    from tienet.data.dicom.reader import read_gray
    from tienet.predict import Reporter

    pixels, seconds = read_gray(Path(image)), []
    with Reporter.load(run) as reporter:
        for _ in range(6):
            start = time.perf_counter()
            reporter.report([pixels])
            seconds.append(time.perf_counter() - start)
        batch = statistics.median(_timed(lambda: reporter.report([pixels] * CLIENTS)) for _ in range(3))
    warm = statistics.median(seconds[1:])
    return (
        f"report: the command {cold:.1f} s; in a warm process {warm:.3f} s an image, {batch / CLIENTS:.3f} s each in a "
        f"batch of {CLIENTS}"
    )


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def clients(run: str, image: str) -> str:
    """Time `tienet serve` for one client and for many at once, and watch its memory."""
    command = [sys.executable, "-m", "tienet.commands.serve", "--load", run, "--port", "8123"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    url, content = "http://127.0.0.1:8123", Path(image).read_bytes()
    try:
        while True:
            try:
                if httpx.get(f"{url}/healthz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        process = psutil.Process(server.pid)
        alone = statistics.median(_ask(url, content, 1, 8))
        seconds = _ask(url, content, CLIENTS, REQUESTS)
        early = process.memory_info().rss
        _ask(url, content, CLIENTS, MORE - REQUESTS)
        late = process.memory_info().rss
    finally:
        server.terminate()
        server.wait()
    return (
        f"serve: one client {alone:.3f} s a request; {REQUESTS} requests of {CLIENTS} clients: all answered, median "
        f"{statistics.median(seconds):.3f} s; memory after {REQUESTS} requests {early / 1e6:.0f} MB, after {MORE} "
        f"{late / early - 1:+.1%}"
    )


def _ask(url: str, content: bytes, clients: int, requests: int) -> list[float]:
    """Send so many requests from so many clients at once; returns the seconds of each request."""
    left, seconds = iter(range(requests)), []

    def work() -> None:
        with httpx.Client(timeout=60) as own:
            for _ in left:
                taken = _timed(lambda: own.post(f"{url}/api/report", files={"image": content}).raise_for_status())
                seconds.append(taken)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seconds) == requests, f"{requests - len(seconds)} requests were not answered"
    return seconds


def main() -> None:
    """Measure the three commands and print a line or two about each."""
    parser = cli.Parser(prog="benchmarks.reading", description="Time reading one's own studies.")
    parser.add_argument("--text", required=True, metavar="RUN")
    parser.add_argument("--report", required=True, metavar="RUN")
    parser.add_argument("--image", required=True, metavar="FILE")
    parser.add_argument("--reports", type=int, default=20_000)
    args = parser.parse_args()
    cli.start_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        print(labels(args.text, args.reports, Path(folder)), flush=True)
    print(one_image(args.report, args.image), flush=True)
    print(clients(args.report, args.image), flush=True)


if __name__ == "__main__":
    cli.run(main)
