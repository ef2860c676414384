#!/usr/bin/env python
"""The pictures of README from one run: `tienet show`, the served page, and a page of the run's evaluation.

    python -m benchmarks.pictures --load RUN --image CHEST.png --page PAGES/study-ID.html --word nodule --out .github

writes show.png, serve.png and page.png, and with --label DATA also label.png, the page for readers over a data set. The
run is of mode `report`. The pages show the map of the word, where it comes first in the written report. Needs Chromium
and the package playwright, as the tests do.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tienet import cli
from tienet.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SERVED, STUDY, LABELLED = {"width": 1240, "height": 980}, {"width": 1200, "height": 700}, {"width": 1240, "height": 940}
"""The size of each picture, in pixels."""

LABEL_KEYS = ("e", "Shift+N")
"""Pressed at the first study of the page for readers: an effusion is there, a nodule cannot be told."""

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def draw(run: str, image: Path, out: Path) -> None:
    """Write the picture of `tienet show`."""
    command = [sys.executable, "-m", "tienet.commands.main", "show", "--load", run, str(image), "--out", str(out)]
    out.unlink(missing_ok=True)  # `tienet show` replaces no picture of another image
    subprocess.run(command, check=True)


@contextlib.contextmanager
def serving(*words: str) -> Iterator[str]:
    """A command that starts a server; gives its address."""
    command = [sys.executable, "-m", "tienet.commands.main", *words, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[0]
        finally:
            server.terminate()


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser without a window; raises InputError where there is none."""
    found = [path for path in map(shutil.which, _CHROMIUM) if path]
    if not found:
        raise InputError(f"none of {', '.join(_CHROMIUM)} is on the PATH; install one of them")
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def shoot_served_page(browser: "Browser", address: str, image: Path, word: str, out: Path) -> None:
    """Write a picture of the served page with an image and the map of a word; raises InputError if it is not there."""
    page = browser.new_page(viewport=SERVED)
    page.goto(address)
    page.wait_for_selector(".samples li")
    page.set_input_files("#file", str(image))
    page.wait_for_selector("[data-answer=report] .word", timeout=600_000)
    _choose(page, "[data-answer=report] .word", word)
    page.screenshot(path=str(out))
    page.close()


def shoot_study(browser: "Browser", path: Path, word: str, out: Path) -> None:
    """Write a picture of the page of a study with the map of a word; raises InputError if it is not there."""
    page = browser.new_page(viewport=STUDY)
    page.goto(path.resolve().as_uri())
    _choose(page, ".word", word)
    page.screenshot(path=str(out))
    page.close()


def shoot_label_page(browser: "Browser", address: str, keys: Sequence[str], out: Path) -> None:
    """Write a picture of the page for readers, on which keys were pressed at the first study."""
    page = browser.new_page(viewport=LABELLED)
    page.goto(address)
    _wait(page, "Boolean(study && pictured)")
    for key in keys:
        page.keyboard.press(key)
    _wait(page, "!isKeeping()")
    page.screenshot(path=str(out))
    page.close()


def _wait(page: "Page", expression: str, seconds: float = 60.0) -> None:
    """Wait until an expression is true in a page; its security policy allows no script of a string to wait there."""
    until = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > until:
            raise InputError(f"the page for readers shows no study after {seconds:.0f} s")
        time.sleep(0.05)


def _choose(page: "Page", css: str, word: str) -> None:
    """Click the first of the words that are this one, so that its map stays."""
    words = page.locator(f"{css}:visible")
    texts = [text.strip().lower() for text in words.all_inner_texts()]
    if word.lower() not in texts:
        raise InputError(f"--word {word}: the report on {page.title()} has no such word; it says {' '.join(texts)}")
    words.nth(texts.index(word.lower())).click()
    page.mouse.move(2, 2)
    page.evaluate("scrollTo(0, 0)")


def main() -> None:
    """Write the pictures and print their paths."""
    parser = cli.Parser(prog="benchmarks.pictures", description="The pictures of README from one run.")
    parser.add_argument("--load", required=True, metavar="RUN", help="of mode report")
    parser.add_argument("--image", required=True, type=Path, metavar="FILE", help="for the served page and tienet show")
    parser.add_argument("--page", required=True, type=Path, metavar="HTML", help="a page of the run's evaluation")
    parser.add_argument("--word", default="nodule", help="whose map the pages show (nodule)")
    parser.add_argument("--label", metavar="DATA", help="also the page for readers, over this data set's test split")
    parser.add_argument("--out", type=Path, default=Path(".github"), metavar="DIR")
    args = parser.parse_args()
    for path in (args.image, args.page):
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist")
    args.out.mkdir(parents=True, exist_ok=True)
    show, serve, page = (args.out / f"{name}.png" for name in ("show", "serve", "page"))
    with chromium() as browser:
        shoot_study(browser, args.page, args.word, page)
        with serving("serve", "--load", args.load) as address:
            shoot_served_page(browser, address, args.image, args.word, serve)
        if args.label:
            with tempfile.TemporaryDirectory() as out:
                words = ("label", args.label, "--reader", "anna", "--studies", "40", "--out", out)
                with serving(*words) as address:
                    shoot_label_page(browser, address, LABEL_KEYS, args.out / "label.png")
            print(args.out / "label.png")
    draw(args.load, args.image, show)
    print(show, serve, page, sep="\n")


if __name__ == "__main__":
    cli.run(main)
