"""The page in a real browser: narrow and wide, light and dark, shares for counts, no network."""

import pytest

from tests.datasets.description.toy_sets import NASTY, load_set, rows
from tienet.datasets.description.page import render
from tienet.datasets.description.summary import summarize

NO_SIDEWAYS = "document.documentElement.scrollWidth <= innerWidth && document.body.scrollWidth <= innerWidth"
LONG = "x" * 300


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("sets") / "toy"
    table = rows()
    table.loc[0, "study_id"], table.loc[1, "report"] = LONG, LONG
    manifest = load_set(folder, table, view=[LONG, NASTY, "", "", "", ""])
    manifest.notes.append(LONG)
    manifest.images[2].write_bytes(manifest.images[2].read_bytes()[:25])
    (folder / "page.html").write_text(render(summarize(manifest, 5000, 0, progress=False), 0), encoding="utf-8")
    return (folder / "page.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1240])
def test_the_page_never_scrolls_sideways_and_asks_for_nothing(browser, address, width, scheme):
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    errors, requests = [], []
    tab.on("console", lambda message: errors.append(message.text))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(address)
    assert tab.evaluate(NO_SIDEWAYS)
    assert errors == [] and requests and all(url.startswith(("file:", "data:")) for url in requests)
    shown = tab.eval_on_selector_all(
        ".sample img", "all => all.map(i => [i.complete && i.naturalWidth, i.offsetWidth])"
    )
    assert len(shown) == 4 and all(natural > 0 and 200 < there <= width for natural, there in shown)
    tab.close()


def test_a_tick_shows_shares_for_counts(browser, address):
    tab = browser.new_page()
    tab.goto(address)
    cell = tab.locator('.heat td[title^="Effusion and Edema"]')
    assert cell.inner_text() == "1"
    tab.check("#shares")
    assert cell.inner_text() == "50.0%"
    tab.close()
