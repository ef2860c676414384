"""Study pages in a real browser: words and their maps, the index's filter, narrow screens, no network."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tienet.labels import LABELS, K
from tienet.pages import attention_map
from tienet.pages.pages_folder import write_pages
from tienet.pages.study import StudyPage

WORDS = ["<START>", "findings", ":", "large", "effusion", ".", "impression", ":", "effusion", "."]
LONG = "x" * 300
PIXELS = """canvas => {
  const {width, height} = canvas;
  return {width, height, data: Array.from(canvas.getContext("2d").getImageData(0, 0, width, height).data)};
}"""
NO_SIDEWAYS = "document.documentElement.scrollWidth <= innerWidth && document.body.scrollWidth <= innerWidth"


def study(study_id: str, **states: str) -> StudyPage:
    """A page whose labels are as `states` says (right, wrong, missed, unknown but named), all others absent."""
    rng = np.random.default_rng(len(study_id))
    probabilities, labels = np.full(K, 0.1), np.zeros(K)
    for name, state in states.items():
        probabilities[LABELS.index(name)] = 0.1 if state == "missed" else 0.9
        labels[LABELS.index(name)] = {"wrong": 0, "unknown": np.nan}.get(state, 1)
    a = rng.random((len(WORDS), 8, 8)) ** 4
    a /= a.sum(axis=(1, 2), keepdims=True)
    return StudyPage(
        study_id=study_id,
        image=cv2.GaussianBlur(rng.integers(0, 256, (128, 128), dtype=np.uint8), (0, 0), 3),
        a_ws=a.sum(axis=0),
        words=WORDS,
        g=np.linspace(0, 0.5, len(WORDS)),
        probabilities=probabilities,
        labels=labels,
        thresholds=np.full(K, 0.5),
        a=a,
        true_words=["no", "effusion", LONG, "."],
    )


STUDIES = [
    study("CXR1", Effusion="right", Mass="wrong"),
    study("CXR22", Effusion="missed"),
    study("CXR3", Effusion="wrong", Nodule="right", Fibrosis="unknown"),
    study("other " + LONG),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write_pages(folder, STUDIES)
    return folder


@pytest.fixture(scope="module")
def kept_tab(browser):
    return browser.new_page()


@pytest.fixture
def tab(kept_tab):
    """A tab that records script errors and requests, and fails the test on an error or a request to the network."""
    errors, requests = [], []
    listeners = {
        "pageerror": lambda error: errors.append(str(error)),
        "console": lambda message: message.type == "error" and errors.append(message.text),
        "request": lambda request: requests.append(request.url),
    }
    for event, listener in listeners.items():
        kept_tab.on(event, listener)
    kept_tab.set_viewport_size({"width": 1000, "height": 700})
    kept_tab.mouse.move(1, 1)
    yield kept_tab
    for event, listener in listeners.items():
        kept_tab.remove_listener(event, listener)
    assert errors == []
    assert requests and [url[:80] for url in requests if not url.startswith(("file:", "data:"))] == []


def open_study(tab, folder):
    tab.goto((folder / "study-CXR1.html").as_uri())


def map_on_screen(tab) -> bytes:
    tab.mouse.move(1, 1)  # off the words
    return tab.screenshot(clip=tab.locator(".frame").bounding_box())


def caption(tab) -> str:
    return tab.inner_text("figcaption")


def pressed(tab) -> list[str]:
    return tab.eval_on_selector_all('.word[aria-pressed="true"]', "words => words.map(w => w.dataset.t)")


def test_a_click_pins_a_words_map_and_escape_lets_it_go(tab, folder):
    open_study(tab, folder)
    before, usual = map_on_screen(tab), caption(tab)
    tab.click('.word[data-t="4"]')
    pinned = map_on_screen(tab)
    assert pinned != before
    assert pressed(tab) == ["4"] and tab.is_visible("canvas.map") and not tab.is_visible("img.map")
    assert caption(tab) == "Where the network looked at “effusion”."
    tab.check("#details")
    tab.click('.word[data-t="4"]')
    numbers = f"Word 5 of 10, g = 0.222: {attention_map.word_caption(STUDIES[0].a[4])}"
    assert caption(tab) == f"Where the network looked at “effusion”. {numbers}"
    tab.uncheck("#details")
    tab.click('.word[data-t="4"]')
    tab.keyboard.press("Escape")
    assert map_on_screen(tab) == before and caption(tab) == usual and pressed(tab) == []


def test_a_second_click_lets_go_and_another_word_takes_over(tab, folder):
    open_study(tab, folder)
    before = map_on_screen(tab)
    tab.click('.word[data-t="4"]')
    first = map_on_screen(tab)
    tab.click('.word[data-t="8"]')  # the same word at another step has another map
    assert pressed(tab) == ["8"] and map_on_screen(tab) not in (first, before)
    tab.click('.word[data-t="8"]')
    assert pressed(tab) == [] and map_on_screen(tab) == before


def test_pointing_shows_a_map_only_for_as_long(tab, folder):
    open_study(tab, folder)
    usual = caption(tab)
    tab.click('.word[data-t="3"]')
    tab.hover('.word[data-t="1"]')
    assert caption(tab) == "Where the network looked at “findings”." and pressed(tab) == ["3"]
    tab.mouse.move(1, 1)
    assert caption(tab) == "Where the network looked at “large”."
    tab.keyboard.press("Escape")
    assert caption(tab) == usual


def test_the_keyboard_does_all_that_the_mouse_does(tab, folder):
    open_study(tab, folder)
    before, usual = map_on_screen(tab), caption(tab)
    tab.focus("input[type=range]")
    tab.keyboard.press("Tab")
    assert caption(tab) == "Where the network looked at “findings”."
    tab.focus("#details")
    tab.keyboard.press("Space")
    tab.focus("input[type=range]")
    tab.keyboard.press("Tab")
    assert caption(tab).startswith("Where the network looked at “<START>”. Word 1 of 10")
    for key, word in (("ArrowRight", 1), ("ArrowDown", 2), ("ArrowLeft", 1), ("End", 9), ("ArrowRight", 9)):
        tab.keyboard.press(key)
        assert f"Word {word + 1} of 10" in caption(tab), key
    tab.keyboard.press("Home")
    tab.keyboard.press("Enter")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Tab")  # one stop for all words
    assert tab.evaluate("document.activeElement.classList.contains('word')") is False
    assert "“<START>”" in caption(tab) and pressed(tab) == ["0"]
    tab.keyboard.press("Shift+Tab")  # back to the word that was left
    assert "Word 2 of 10" in caption(tab) and pressed(tab) == ["0"]
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Space")
    assert pressed(tab) == []
    tab.uncheck("#details")
    assert caption(tab) == usual and map_on_screen(tab) == before
    roles = tab.eval_on_selector_all(".word", "words => words.map(w => w.getAttribute('role'))")
    assert roles == ["button"] * len(WORDS)


def test_the_script_draws_the_map_as_the_overlay_is_drawn(tab, folder):
    open_study(tab, folder)
    tab.check("#details")
    for t in (0, 4):
        tab.hover(f'.word[data-t="{t}"]')
        found = tab.eval_on_selector("canvas.map", PIXELS)
        drawn = np.array(found["data"], float).reshape(found["height"], found["width"], 4)
        expected = attention_map.overlay(STUDIES[0].a[t], found["height"], found["width"]).astype(float)
        assert np.abs(drawn[..., 3] - expected[..., 3]).max() <= 3  # a byte for each cell, and rounding
        seen, wanted = (rgba[..., :3] * rgba[..., 3:] / 255 for rgba in (drawn, expected))
        assert np.abs(seen - wanted).max() <= 8


def test_switch_and_slider_work_on_a_words_map_too(tab, folder):
    open_study(tab, folder)
    tab.click('.word[data-t="4"]')
    pinned = map_on_screen(tab)
    tab.fill("input[type=range]", "20")
    faint = map_on_screen(tab)
    tab.uncheck("#show-map")
    bare = map_on_screen(tab)
    assert len({pinned, faint, bare}) == 3
    tab.click('.word[data-t="3"]')  # whoever asks for a map sees it
    assert tab.is_checked("#show-map") and map_on_screen(tab) != bare


def test_a_mode_without_text_attention_shows_its_words_maps(tab, tmp_path):
    page = STUDIES[0]
    page = StudyPage("cap", page.image, None, page.words, None, None, page.labels, None, page.a, page.true_words)
    (path,) = write_pages(tmp_path, [page])
    tab.goto(path.as_uri())
    before = map_on_screen(tab)
    tab.click('.word[data-t="4"]')
    assert map_on_screen(tab) != before and caption(tab) == "Where the network looked at “effusion”."
    tab.keyboard.press("Escape")
    assert map_on_screen(tab) == before
    tab.goto((tmp_path / "index.html").as_uri() + "#how=missed")  # nothing is named or missed here
    assert tab.input_value("#how") == "either" and tab.inner_text("output") == "1 of 1 studies"


def shown(tab) -> list[str]:
    """The study ids that the list shows; checks that the count above it agrees."""
    ids = [text.split()[0] for text in tab.locator(".index th:visible").all_inner_texts()]
    assert tab.inner_text("output") == f"{len(ids) or 'none'} of {len(STUDIES)} studies"
    return ids


def test_the_index_filters_by_finding_and_verdict(tab, folder):
    tab.goto((folder / "index.html").as_uri())
    assert shown(tab) == ["CXR1", "CXR22", "CXR3", "other"]
    for finding, how, expected in (
        ("Effusion", "either", ["CXR1", "CXR22", "CXR3"]),
        ("Effusion", "true", ["CXR1", "CXR22"]),
        ("Effusion", "named", ["CXR1", "CXR3"]),
        ("Effusion", "right", ["CXR1"]),
        ("Effusion", "wrong", ["CXR3"]),
        ("Effusion", "missed", ["CXR22"]),
        ("", "wrong", ["CXR1", "CXR3"]),
        ("", "true", ["CXR1", "CXR22", "CXR3"]),
        ("Fibrosis", "named", ["CXR3"]),
        ("Fibrosis", "true", []),
        ("Hernia", "either", []),
    ):
        tab.select_option("#finding", finding)
        tab.select_option("#how", how)
        assert shown(tab) == expected, (finding, how)
        assert tab.inner_text("#finding option:checked").endswith(f"({len(expected)})")


def test_the_filter_lives_in_the_address(tab, folder):
    address = (folder / "index.html").as_uri()
    tab.goto(address)
    tab.select_option("#finding", "Effusion")
    tab.select_option("#how", "named")
    tab.type("#study", "cXr3")
    assert shown(tab) == ["CXR3"]
    kept = tab.url
    assert kept == f"{address}#finding=Effusion&how=named&study=cXr3"
    tab.click(".index th a:visible")
    assert tab.title() == "CXR3"
    tab.click(".home")  # back to the list as it was
    assert tab.url == kept and shown(tab) == ["CXR3"]
    tab.evaluate("location.hash = 'finding=Mass&how=nonsense'")
    tab.wait_for_function("document.querySelector('#finding').value === 'Mass'")
    assert shown(tab) == ["CXR1"] and tab.input_value("#how") == "either"
    tab.focus("button")
    tab.keyboard.press("Enter")
    assert len(shown(tab)) == 4 and tab.url == address


def test_the_filter_works_by_keyboard(tab, folder):
    tab.goto((folder / "index.html").as_uri())
    tab.keyboard.press("Tab")  # the link to the sheets
    tab.keyboard.press("Tab")
    tab.keyboard.type("Effus")
    tab.keyboard.press("Tab")
    tab.keyboard.type("missed")
    tab.keyboard.press("Tab")
    tab.keyboard.type("22")
    assert shown(tab) == ["CXR22"]


def test_the_list_of_new_images_filters_by_what_is_named(tab, tmp_path):
    new = [replace(each, labels=None) for each in STUDIES]
    write_pages(tmp_path, new)
    tab.goto((tmp_path / "index.html").as_uri())
    assert tab.locator("select").count() == 1 and shown(tab) == ["CXR1", "CXR22", "CXR3", "other"]
    tab.select_option("#finding", "Effusion")
    assert shown(tab) == ["CXR1", "CXR3"] and tab.url.endswith("#finding=Effusion")
    assert "Effusion (2)" in tab.inner_text("#finding") and "Mass (1)" in tab.inner_text("#finding")
    tab.click("th a >> nth=0")
    tab.click(".home")
    assert shown(tab) == ["CXR1", "CXR3"]
    tab.click("button")
    assert len(shown(tab)) == 4
    write_pages(tmp_path, [replace(each, thresholds=None) for each in new])
    tab.goto((tmp_path / "index.html").as_uri() + "#finding=Effusion")
    tab.reload()  # of the address, only what follows # had changed
    assert tab.locator("select").count() == 0 and len(shown(tab)) == 4
    tab.fill("#study", "22")
    assert shown(tab) == ["CXR22"]


def test_without_the_script_all_is_shown(browser, folder):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((folder / "index.html").as_uri() + "#finding=Hernia")
    assert tab.locator(".index tr:visible").count() == len(STUDIES)
    assert not tab.is_visible(".filters")
    open_study(tab, folder)
    assert tab.is_visible("img.map") and tab.locator(".report:visible").count() == 2
    assert not tab.is_visible("canvas") and not tab.is_visible(".hint")
    context.close()


def test_narrow_screens_do_not_scroll_sideways(tab, folder):
    for width in (320, 390):
        tab.set_viewport_size({"width": width, "height": 844})
        for path in sorted(folder.iterdir()):
            tab.goto(path.as_uri())
            assert tab.evaluate(NO_SIDEWAYS), (width, path.name[:20])
        open_study(tab, folder)
        top = tab.locator(".reports").bounding_box()["y"]
        tab.click('.word[data-t="4"]')
        assert tab.evaluate(NO_SIDEWAYS)
        assert tab.locator(".reports").bounding_box()["y"] == top  # nothing moves under the finger


def test_on_a_narrow_screen_a_word_and_its_map_are_seen_together(tab, folder):
    tab.set_viewport_size({"width": 390, "height": 844})
    open_study(tab, folder)
    tab.evaluate("scrollTo(0, 200)")
    assert tab.locator(".frame").bounding_box()["y"] >= 0
    tab.evaluate("scrollTo(0, 400)")  # the first words go under the picture
    tab.focus('.word[data-t="1"]')
    figure, word = (tab.locator(css).bounding_box() for css in (".picture", '.word[data-t="1"]'))
    assert word["y"] >= figure["y"] + figure["height"]  # not under the picture


def test_a_report_reads_as_text_and_the_details_show_it_as_the_network_has_it(tab, folder):
    open_study(tab, folder)
    written = ".reports .report >> nth=0 >> .words"
    assert tab.inner_text(written) == "Findings: Large effusion.\nImpression: Effusion."
    assert "a_ws" not in caption(tab) and "row" not in caption(tab)
    tab.check("#details")
    assert tab.inner_text(written) == "<START> findings : large effusion .\nimpression : effusion ."
    assert "cells" in caption(tab) and "(row " in caption(tab)


def test_on_a_narrow_screen_the_columns_keep_their_heads(tab, folder):
    tab.set_viewport_size({"width": 390, "height": 844})
    open_study(tab, folder)
    for head, column in (("Verdict", ".verdict"), ("Probability", "td.number:not(.share)")):
        title = tab.locator(f".labels thead th:has-text('{head}')").bounding_box()
        cell = tab.locator(f".labels tbody tr >> nth=2 >> {column}").bounding_box()
        assert abs(title["x"] + title["width"] - cell["x"] - cell["width"]) < 4, head
