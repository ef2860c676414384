"""The page over a session: several files, back to an earlier study, thresholds, text to copy, details, warnings."""

import pytest

from tests.server import fakes
from tests.server.conftest import serving
from tests.server.page_actions import ANNOTATE_WORDS, REPORT_WORDS, choose, drop, label
from tienet.server.app import create_app

NAMED = "[data-answer=report] .chips strong"


def current(tab) -> str:
    return tab.inner_text(".studies [aria-current] .name")


def all_answered(tab, count: int) -> None:
    tab.wait_for_selector(f".studies li:nth-child({count})")
    while tab.locator(".studies .state:has-text('reading')").count():
        tab.wait_for_timeout(20)


def test_several_files_are_studies_each_and_all_are_there_to_go_back_to(tab, xray):
    drop(tab, "a.png", xray[1], "b.png", "c.png")
    all_answered(tab, 3)
    assert current(tab) == "a.png" and tab.inner_text("#session-title") == "This session: 3 studies"
    label(tab, "Large effusion.")
    tab.focus(".studies [aria-current]")
    tab.keyboard.press("ArrowRight")
    assert current(tab) == "b.png" and tab.input_value("#report") == ""
    assert tab.locator(ANNOTATE_WORDS).count() == 0 and tab.inner_text("[data-answer=report] .of").startswith(
        "Of b.png"
    )
    tab.focus(".frame")
    tab.keyboard.press("+")
    tab.keyboard.press("Shift+ArrowLeft")
    tab.focus(".studies [aria-current]")
    tab.keyboard.press("Home")
    assert current(tab) == "a.png" and tab.input_value("#report") == "Large effusion."
    assert tab.locator(ANNOTATE_WORDS).count() == 2 and tab.inner_text(".zoom") == "100%"
    assert tab.inner_text("#status").startswith("a.png. image alone: ")
    tab.click(".studies button >> nth=1")
    assert tab.inner_text(".zoom") == "125%" and tab.inner_text(".grey") == "window 248, level 128"
    tab.click("#forget")
    assert tab.locator(".studies li").count() == 0 and not tab.is_visible("#study") and not tab.is_visible("#session")
    assert tab.inner_text("#status") == "No X-ray is loaded." and tab.get_attribute(".xray", "src") is None


def test_a_file_that_is_refused_is_one_of_the_studies_and_the_others_are_read(tab, xray):
    drop(tab, "a.png", xray[1])
    tab.evaluate("take([new File(['text'], 'bad.png'), study.file])")
    all_answered(tab, 3)
    assert tab.locator(".studies .state").all_inner_texts()[1] == "⚠ not read"
    assert not tab.is_visible("#study") and "is no PNG, JPEG or DICOM file" in tab.inner_text("#error")
    tab.click(".studies button >> nth=2")
    assert tab.is_visible("#study") and tab.inner_text("#error") == ""
    tab.click(".studies button >> nth=1")
    assert not tab.is_visible("#study") and tab.inner_text("#error").startswith("bad.png is no PNG")
    assert tab.refusals == [400]


def test_more_files_than_are_kept_are_left_out_and_this_is_said(tab, xray):
    tab.evaluate("for (let n = 0; n < MAX_STUDIES - 2; n++) begin(`${n}.png`, null, '')")
    drop(tab, "a.png", xray[1], "b.png", "c.png")
    tab.wait_for_selector(REPORT_WORDS)
    assert tab.locator(".studies li").count() == 50
    assert tab.inner_text("#status").endswith("1 file left out: 50 studies are kept at most.")
    drop(tab, "d.png", xray[1])
    assert tab.inner_text("#error") == "50 studies are kept at most; choose “Forget all” to go on"
    assert current(tab) == "a.png"


def test_the_slider_moves_all_thresholds(tab, xray):
    choose(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    before = tab.locator(NAMED).all_inner_texts()
    slider = "[data-answer=report] .shift input"
    tab.fill(slider, "-3")
    lower = tab.locator(NAMED).all_inner_texts()
    assert set(before) < set(lower) and "No Finding" not in lower
    assert "precision" not in tab.inner_text("[data-answer=report] .chips")
    assert tab.locator("[data-answer=report] tbody .number.faint").all_inner_texts()[:2] == ["4.7%", "4.7%"]
    assert tab.locator("[data-answer=report] .track s").first.get_attribute("style").startswith("left: 33.")
    assert "thresholds that you moved" in tab.inner_text("[data-answer=report]")
    assert tab.inner_text("#status").endswith("(at thresholds that you moved).")
    tab.fill(slider, "3")
    higher = tab.locator(NAMED).all_inner_texts()
    assert set(higher) < set(before) and tab.get_attribute(slider, "aria-valuetext") == "higher: less is named"
    tab.hover("[data-answer=report] .finding >> nth=1")  # the findings are there anew
    assert tab.inner_text("figcaption").startswith("Cardiomegaly")
    tab.click("[data-answer=report] .back")
    assert tab.locator(NAMED).all_inner_texts() == before and tab.evaluate("document.activeElement.type") == "range"


def test_no_finding_is_named_only_where_no_finding_is(tab):
    one = {"name": "Mass", "probability": 0.4, "threshold": 0.5, "precision": None, "recall": None, "named": False}
    none = {**one, "name": "No_Finding", "probability": 0.8, "named": True}
    unknown = {**one, "name": "Hernia", "threshold": None, "named": None}
    named = "(findings, by) => judged(findings, by).map(({named}) => named)"
    for by, expected in ((0, [False, True, None]), (-1, [True, False, None]), (3, [False, False, None])):
        assert tab.evaluate(f"([findings, by]) => ({named})(findings, by)", [[one, none, unknown], by]) == expected


def test_the_report_is_copied_as_text(tab, xray):
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    tab.click("[data-answer=report] .copy")
    tab.wait_for_selector("[data-answer=report] .copy-row [role=status]:has-text('Copied.')")
    text = tab.evaluate("navigator.clipboard.readText()")
    report, labels, note = text.strip().split("\n\n")
    assert report == "Findings: No effusion.\nImpression: Normal."
    assert labels.startswith("Labels: ") and labels.count("%") == tab.locator(NAMED).count()
    assert (
        note == f"By TieNet from {xray[0]}, not verified. Research software, not a medical device: not for diagnosis."
    )
    # Without HTTPS browsers have no clipboard for pages: then a selection is copied.
    tab.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
    label(tab, "Large effusion.")
    tab.click("[data-answer=annotate] .copy")
    tab.wait_for_selector("[data-answer=annotate] .copy-row [role=status]:has-text('Copied.')")
    tab.evaluate("delete navigator.clipboard")
    assert tab.evaluate("navigator.clipboard.readText()").startswith("Labels: ")


def test_the_details_show_words_and_numbers_as_the_network_has_them(tab, xray):
    choose(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    tab.check("#details")
    words = tab.locator(REPORT_WORDS).all_inner_texts()
    assert words == ["<START>", *["findings", ":", "no", "effusion", ".", "impression", ":", "normal", "."]]
    assert "(row " in tab.inner_text("figcaption") and "a_ws" in tab.inner_text("figcaption")
    tab.hover(f"{REPORT_WORDS} >> nth=4")
    assert "Word 5 of 10, g = " in tab.inner_text("figcaption")
    tab.hover("[data-answer=report] .finding >> nth=2")
    assert "in log-odds" in tab.inner_text("figcaption")
    drop(tab, "next.png", xray[1])
    tab.wait_for_selector("[data-answer=report] .of:has-text('next.png')")
    assert tab.is_checked("#details")  # it stays for the next X-ray
    tab.uncheck("#details")
    assert tab.locator(REPORT_WORDS).first.inner_text() == "Findings"


def test_what_is_wrong_with_a_file_stands_above_its_picture(browser, tmp_path):
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    with fakes.engine() as engine:
        engine.report.notes.append("toy: nobody can use its reports")
        with serving(create_app(engine)) as address:
            tab.goto(address)
            tab.wait_for_selector(".samples li")
            choose(tab, "lateral.dcm", fakes.dicom(tmp_path, ViewPosition="LL"))
            tab.wait_for_selector(REPORT_WORDS)
            warnings, picture = (tab.locator(css).bounding_box() for css in (".warnings", ".picture"))
            assert warnings["y"] + warnings["height"] <= picture["y"]
            assert tab.get_attribute(".warnings", "role") == "alert" and "lateral" in tab.inner_text(".warnings")
            assert "toy:" not in tab.inner_text(".warnings") and tab.inner_text(".notes").startswith("toy: nobody")
            assert tab.inner_text(".studies .state").startswith("⚠ ")
            choose(tab, "frontal.png", fakes.png(fakes.xray(90, 90)))
            tab.wait_for_selector("[data-answer=report] .of:has-text('frontal.png')")
            assert tab.inner_text(".warnings") == "" and not tab.is_visible(".warnings")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_narrow_card_the_columns_keep_their_heads(tab, xray, scheme):
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": 390, "height": 844})
    choose(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    table = "[data-answer=report] .labels"
    for column, head in ((2, "Probability"), (3, "Threshold")):
        title = tab.locator(f"{table} thead th:has-text('{head}')").bounding_box()
        cell = tab.locator(f"{table} tbody tr >> nth=3 >> td.number >> nth={column - 2}").bounding_box()
        assert title["width"] > 0 and abs(title["x"] - cell["x"]) < 20
