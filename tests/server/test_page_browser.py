"""The page in a real browser: files, words and their maps, both answers, the downloaded page, no other address."""

import pytest

from tests.server import fakes
from tests.server.conftest import serving
from tests.server.page_actions import (
    ANNOTATE,
    ANNOTATE_WORDS,
    NO_SIDEWAYS,
    PIXELS,
    REPORT_WORDS,
    SAMPLE,
    choose,
    drop,
    label,
)
from tienet.server.app import create_app

TOKEN = "correct-horse-7"


def restore_text(route) -> None:
    """Answer with the page as some browsers show it when it is loaded again: with what was in the report's box."""
    page = route.fetch()
    route.fulfill(response=page, body=page.text().replace("</textarea>", "Text of a patient before</textarea>"))


def test_a_dropped_xray_gets_labels_and_a_report(tab, xray):
    drop(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    assert tab.inner_text("[data-answer=report] .words") == "Findings: No effusion.\nImpression: Normal."
    assert tab.locator("[data-answer=report] tbody tr").count() == 15
    assert tab.locator("[data-answer=report] .track s").count() == 14  # one threshold is not known
    named = tab.locator("[data-answer=report] tr.named th").all_inner_texts()
    assert named and all(name.startswith("✓ ") for name in named)
    assert tab.locator("[data-answer=report] .chips li").count() == len(named)
    assert tab.inner_text("#status").startswith(xray[0])
    assert "Paste a report" in tab.inner_text("[data-answer=annotate]")
    assert tab.evaluate("document.querySelector('.xray').naturalWidth") > 100
    assert "not a medical device" in tab.inner_text("header")


def test_pointing_at_a_word_changes_the_map(tab, xray):
    choose(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    whole, caption = tab.evaluate(PIXELS), tab.inner_text("figcaption")
    assert whole and caption == "Where the network looked while writing the report, all words together."
    tab.hover(f"{REPORT_WORDS} >> nth=3")
    word = tab.evaluate(PIXELS)
    assert word != whole and tab.inner_text("figcaption") == "Where the network looked at “effusion”."
    tab.mouse.move(2, 2)
    assert tab.evaluate(PIXELS) == whole and tab.inner_text("figcaption") == caption
    tab.click(f"{REPORT_WORDS} >> nth=3")
    tab.mouse.move(2, 2)
    assert tab.evaluate(PIXELS) == word
    tab.keyboard.press("Escape")
    assert tab.evaluate(PIXELS) == whole
    tab.uncheck("#show-map")
    assert tab.evaluate(PIXELS) is None
    tab.check("#show-map")
    tab.fill("#opacity", "20")
    assert tab.evaluate("getComputedStyle(document.querySelector('canvas.map')).opacity") == "0.2"


def test_all_of_it_goes_by_keyboard(tab):
    tab.focus(".samples button >> nth=1")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(REPORT_WORDS)
    tab.wait_for_selector(ANNOTATE_WORDS)  # the sample came with its report
    tab.focus(".zoom-in")
    seen = []
    for _ in range(13):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate("(e => e.className || e.name || e.localName)(document.activeElement)"))
    kinds = ["drag", "frame", "summary", "", "", "", "whose", "word", "input", "finding", "copy", "word", "input"]
    assert all(kind in one for kind, one in zip(kinds, seen, strict=True)), seen
    tab.focus(f"{REPORT_WORDS} >> nth=0")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    assert tab.get_attribute(f"{REPORT_WORDS} >> nth=1", "aria-pressed") == "true"
    assert tab.inner_text("figcaption") == "Where the network looked at “:”."
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Space")
    assert tab.get_attribute(f"{REPORT_WORDS} >> nth=1", "aria-pressed") == "false"
    unnamed = "els => els.filter(e => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).length"
    assert tab.eval_on_selector_all("input, button, textarea, a", unnamed) == 0


def test_a_pasted_report_gives_the_second_answer_beside_the_first(tab, xray):
    assert tab.is_disabled("#annotate")
    tab.fill("#report", "Large effusion.")
    assert tab.is_disabled("#annotate")
    tab.fill("#report", "")
    choose(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    alone = tab.evaluate(PIXELS)
    tab.fill("#report", "Large effusion.")
    tab.click("#annotate")
    tab.wait_for_selector(ANNOTATE_WORDS)
    assert tab.locator(ANNOTATE_WORDS).all_inner_texts() == ["Large", "effusion."]
    assert tab.locator(REPORT_WORDS).count() == 9
    both = tab.evaluate(PIXELS)
    assert both != alone and tab.is_checked(".whose input[value=annotate]")
    tab.check(".whose input[value=report]")
    assert tab.evaluate(PIXELS) == alone
    boxes = [tab.locator(f"[data-answer={kind}]").bounding_box() for kind in ("report", "annotate")]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


def test_a_new_xray_clears_the_report_which_can_be_put_back_until_the_next_change(tab, xray):
    choose(tab, "first.png", xray[1])
    label(tab, "Large effusion.")
    of = "[data-answer=annotate] .of"
    assert tab.inner_text(of).startswith("Of first.png (")
    assert tab.inner_text(of).endswith("the report “Large effusion.” (15 characters)")
    assert tab.inner_text("[data-answer=report] .of").startswith("Of first.png (")
    drop(tab, "second.png", xray[1], "third.png")
    tab.wait_for_selector("[data-answer=report] .of:has-text('second.png')")
    assert tab.input_value("#report") == "" and tab.locator(ANNOTATE_WORDS).count() == 0
    assert tab.inner_text("#status").startswith("second.png. image alone: ")
    assert tab.locator(".studies button").count() == 3
    tab.focus("#put-back")
    tab.keyboard.press("Enter")
    assert tab.input_value("#report") == "Large effusion." and tab.locator("#put-back").count() == 0
    assert tab.evaluate("document.activeElement.id") == "report"
    assert tab.locator(ANNOTATE_WORDS).count() == 0 and "with second.png until you" in tab.inner_text("#status")
    tab.keyboard.press("Control+Enter")
    tab.wait_for_selector(f"{of}:has-text('second.png')")
    tab.click("#samples summary")
    tab.click(".samples button >> nth=1")  # it comes with a report of its own
    tab.wait_for_selector(f"{of}:has-text('drawn-')")
    assert tab.is_visible("#put-back")
    tab.fill("#report", "")
    assert tab.locator("#put-back").count() == 0
    tab.route(tab.url, restore_text)
    tab.reload()
    tab.wait_for_selector(".samples li")
    assert tab.input_value("#report") == ""
    tab.fill("#report", "No effusion")  # before there is any X-ray: it goes with the first one
    choose(tab, "first.png", xray[1])
    tab.wait_for_selector(f"{of}:has-text('No effusion')")


def test_a_changed_text_greys_the_labels_until_they_are_made_again(tab, xray):
    choose(tab, *xray)
    label(tab, "Large effusion.")
    old, pane = "[data-answer=annotate] .old", "[data-answer=annotate]"
    assert tab.locator(old).count() == 0
    tab.type("#report", " No")
    assert tab.evaluate(f"getComputedStyle(document.querySelector('{old}')).filter") == "grayscale(1)"
    assert tab.inner_text(f"{pane} .warned").startswith("The report was changed.")
    assert tab.inner_text(f"{pane} h2") == "From the image and the report, before the report was changed"
    assert tab.inner_text("figcaption").startswith("Before the report was changed: Where the network looked")
    assert "image and report: not read again since the report was changed" in tab.inner_text("#status")
    assert "“Large effusion.”" in tab.inner_text(f"{pane} .of")
    for _ in " No":
        tab.press("#report", "Backspace")
    assert tab.locator(old).count() == 0 and "not read again" not in tab.inner_text("#status")
    label(tab, "clear " * (fakes.MAX_WORDS + 9))
    assert tab.locator(old).count() == 0
    assert tab.inner_text(f"{pane} .cut").startswith(f"Cut: the first {fakes.MAX_WORDS} words were read")
    tab.fill("#report", "x" * 100_001)
    tab.click("#annotate")
    assert tab.inner_text("#error") == "The report has 100,001 characters; at most 100,000 are read"
    assert tab.locator(old).count() == 1


def test_an_answer_or_a_sample_that_comes_late_is_not_shown(tab, xray):
    held = []
    tab.route(ANNOTATE, lambda route: held.append(route))
    choose(tab, "first.png", xray[1])
    tab.fill("#report", "Large effusion.")
    with tab.expect_request(ANNOTATE):
        tab.click("#annotate")
    with tab.expect_event("requestfailed"):  # it is given up
        tab.fill("#report", "No effusion.")
    with tab.expect_request(ANNOTATE):
        tab.click("#annotate")
    choose(tab, "second.png", xray[1])
    tab.wait_for_selector("[data-answer=report] .of:has-text('second.png')")
    with tab.expect_response(ANNOTATE):
        held[1].continue_()
    tab.wait_for_selector(".studies button:not([aria-current]):not(:has-text('reading'))")
    assert tab.locator(ANNOTATE_WORDS).count() == 0 and tab.input_value("#report") == ""
    assert len(held) == 2 and tab.inner_text("#status").startswith("second.png. image alone: ")
    tab.click(".studies button >> nth=0")  # where it belongs it is shown
    assert tab.input_value("#report") == "No effusion." and tab.locator(ANNOTATE_WORDS).count() == 2
    tab.click("#samples summary")
    tab.route(SAMPLE, lambda route: held.append(route))
    with tab.expect_request(SAMPLE):
        tab.click(".samples button >> nth=0")
    choose(tab, "third.png", xray[1])
    with tab.expect_response(SAMPLE):
        held[2].continue_()
    tab.wait_for_selector("[data-answer=report] .of:has-text('third.png')")
    assert tab.inner_text("#status").startswith("third.png. ") and tab.input_value("#report") == ""
    # Also one that is there before it can be given up is of the text that it was asked for, not of that in the box.
    tab.evaluate("study.labelled = 'asked'; study.answers.annotate = study.answers.report; display()")
    assert tab.is_visible("[data-answer=annotate].stale")


def test_a_refused_file_leaves_nothing_of_the_one_before(tab, xray):
    assert "at most 64 MB" in tab.inner_text("#file-kinds")
    refusals = (
        ("chest.png", b"this is a text file", "is no PNG, JPEG or DICOM file, whatever its name says; choose an X-ray"),
        ("large.png", bytes(3 << 19), "has 2 MB; at most 1 MB are read"),
    )
    for name, content, said in refusals:
        choose(tab, "good.png", xray[1])
        label(tab, "Large effusion.")
        tab.evaluate("models.upload_bytes = 2 ** 20")
        choose(tab, name, content)
        tab.wait_for_selector("#error:not(:empty)")
        assert tab.inner_text("#error") == f"{name} {said}"
        assert tab.inner_text("#status") == "No X-ray is loaded." and not tab.is_visible("#study")
        assert tab.input_value("#report") == "" and not tab.is_visible("#save") and tab.is_visible("#put-back")
        tab.click("#put-back")
        assert tab.is_disabled("#annotate")  # there is no X-ray that the report could be read with
    assert tab.refusals == [400]
    choose(tab, *xray)
    tab.wait_for_selector(REPORT_WORDS)
    assert tab.inner_text("#error") == "" and tab.input_value("#report") == ""


def test_a_name_and_a_report_are_text_and_no_html(tab):
    choose(tab, "<img src=x onerror=alert(1)>.png", fakes.png(fakes.xray(90, 90)))
    tab.wait_for_selector(REPORT_WORDS)
    tab.fill("#report", "<script>alert(1)</script> <b>x</b>")
    tab.click("#annotate")
    tab.wait_for_selector(ANNOTATE_WORDS)
    assert tab.locator("[data-answer] script, .words b, #status img").count() == 0
    assert "<script>alert(1)</script>" in tab.inner_text("[data-answer=annotate] .words")


def test_the_downloaded_page_works_without_a_server(tab, xray, tmp_path):
    choose(tab, "</script><b>ü.png", xray[1])
    tab.wait_for_selector(REPORT_WORDS)
    tab.fill("#report", "Large </script> effusion")
    tab.click("#annotate")
    tab.wait_for_selector(ANNOTATE_WORDS)
    whole = tab.evaluate(PIXELS)
    with tab.expect_download() as download:
        tab.click("#save")
    path = tmp_path / "page.html"
    download.value.save_as(path)
    tab.context.set_offline(True)
    tab.goto(path.as_uri())
    assert tab.evaluate(PIXELS) == whole and tab.evaluate("document.querySelector('.xray').naturalWidth") > 100
    assert tab.locator(REPORT_WORDS).count() == 9 and tab.locator(ANNOTATE_WORDS).count() == 3
    tab.hover(f"{REPORT_WORDS} >> nth=3")
    assert tab.evaluate(PIXELS) != whole
    assert "not a medical device" in tab.inner_text("header") and tab.title().endswith("ü.png")
    assert "http:" not in path.read_text() and "https:" not in path.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_does_not_scroll_sideways(tab, xray, address, scheme):
    tab.emulate_media(color_scheme=scheme)
    for width in (390, 320):
        tab.set_viewport_size({"width": width, "height": 844})
        tab.goto(address)
        tab.click(".samples button >> nth=0")
        tab.wait_for_selector(REPORT_WORDS)
        tab.wait_for_selector(ANNOTATE_WORDS)
        assert tab.evaluate(NO_SIDEWAYS), width
        session = tab.locator("#session").bounding_box()
        assert 0 <= session["y"] < 20, width  # the result is in view
        tab.click(f"{REPORT_WORDS} >> nth=4")
        picture, word = (tab.locator(css).bounding_box() for css in (".picture", f"{REPORT_WORDS} >> nth=4"))
        assert picture["y"] >= 0 and picture["y"] + picture["height"] <= word["y"] < 844  # seen together
        tab.goto(f"{address}/api")
        tab.wait_for_selector("#docs[aria-busy=false] section")
        assert tab.evaluate(NO_SIDEWAYS), width
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 24)"
    assert dark == (scheme == "dark")


def test_only_reports_only_images_and_no_server(browser, xray):
    context = browser.new_context()
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    with fakes.engine(annotate=False) as engine, serving(create_app(engine)) as address:
        tab.goto(address)
        tab.wait_for_selector(".samples li")
        choose(tab, *xray)
        tab.wait_for_selector(REPORT_WORDS)
        picture, answer = (tab.locator(css).bounding_box() for css in (".picture", "[data-answer=report]"))
        assert not tab.is_visible("[data-answer=annotate]") and abs(picture["width"] - answer["width"]) < 2
        assert tab.is_disabled("#report") and "without a run of mode annotate" in tab.inner_text("#annotate-missing")
    choose(tab, *xray)
    tab.wait_for_selector("#error:not(:empty)")
    assert "does not answer" in tab.inner_text("#error")
    with fakes.engine(report=False) as engine, serving(create_app(engine)) as address:
        tab.goto(address)
        tab.wait_for_selector(".samples li")
        choose(tab, *xray)
        tab.wait_for_selector(".xray")
        assert "without a run of mode report" in tab.inner_text("[data-answer=report]")
        tab.fill("#report", "Effusion")
        tab.keyboard.press("Control+Enter")
        tab.wait_for_selector(ANNOTATE_WORDS)
    context.close()


def test_classify_and_caption_show_what_they_have(browser, xray):
    context = browser.new_context()
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    with fakes.engine_of(fakes.FakeClassifier(), None) as engine, serving(create_app(engine)) as address:
        tab.goto(address)
        tab.wait_for_selector(".samples li")
        choose(tab, *xray)
        tab.wait_for_selector("[data-answer=report] .labels")
        assert tab.locator(".word").count() == 0 and tab.is_visible(".xray")
        assert (
            tab.evaluate(PIXELS) is None
            and tab.inner_text("figcaption") == "Choose a word or a finding to see its map."
        )
        tab.hover("[data-answer=report] .finding >> nth=1")
        assert tab.evaluate(PIXELS) and tab.inner_text("figcaption").startswith(
            "Cardiomegaly: warm places speak for it"
        )
        assert "Preliminary report" not in tab.inner_text("[data-answer=report]")
    with fakes.engine_of(fakes.FakeCaptioner(), None) as engine, serving(create_app(engine)) as address:
        tab.goto(address)
        tab.wait_for_selector(".samples li")
        choose(tab, *xray)
        tab.wait_for_selector(REPORT_WORDS)
        assert tab.locator(".labels, .chips").count() == 0
        assert tab.inner_text("#status").endswith("image alone: a report, no labels.")
        assert tab.evaluate(PIXELS) is None and tab.locator(".finding").count() == 0
        tab.hover(f"{REPORT_WORDS} >> nth=3")
        assert tab.evaluate(PIXELS) and tab.inner_text("figcaption") == "Where the network looked at “effusion”."
    context.close()


def test_annotate_text_is_a_box_for_a_report(browser, xray, tmp_path):
    context = browser.new_context(accept_downloads=True)
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    with fakes.engine_of(None, fakes.FakeTextAnnotator()) as engine, serving(create_app(engine)) as address:
        tab.goto(address)
        tab.wait_for_selector("#xray", state="hidden")
        assert tab.inner_text("#report-title") == "Report" and tab.is_disabled("#annotate")
        drop(tab, *xray)
        assert tab.inner_text("#error") == "This server reads reports alone; paste one"
        tab.fill("#report", "Large effusion")
        tab.click("#annotate")
        tab.wait_for_selector(ANNOTATE_WORDS)
        assert tab.inner_text("[data-answer=annotate] h2") == "From the report alone"
        assert tab.locator("[data-answer=annotate] tbody tr").count() == 15
        assert not tab.is_visible(".picture") and not tab.is_visible("[data-answer=report]")
        assert tab.inner_text("#status").startswith("report alone: ")
        with tab.expect_download() as download:
            tab.click("#save")
        download.value.save_as(tmp_path / "page.html")
        tab.goto((tmp_path / "page.html").as_uri())
        assert tab.locator(ANNOTATE_WORDS).count() == 2 and not tab.is_visible("[data-answer=report]")
        assert tab.inner_text("[data-answer=annotate] h2") == "From the report alone"
    context.close()


def test_annotate_text_beside_a_network_for_images(browser, xray):
    context = browser.new_context()
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    networks = fakes.FakeReporter(), fakes.FakeTextAnnotator()
    with fakes.engine_of(*networks) as engine, serving(create_app(engine)) as address:
        tab.goto(address)
        tab.wait_for_selector(".samples li")
        tab.fill("#report", "Large effusion")
        tab.click("#annotate")  # before there is any image
        tab.wait_for_selector(ANNOTATE_WORDS)
        assert tab.inner_text("[data-answer=report] .found") == "Choose an X-ray above."
        assert tab.inner_text("[data-answer=annotate] .of") == "Of the report “Large effusion” (14 characters)"
        choose(tab, "chest.png", b"this is a text file")
        tab.wait_for_selector("#error:not(:empty)")
        label(tab, "No effusion")
        assert tab.inner_text("#status").startswith("report alone: ")  # and no file that was read
        choose(tab, *xray)
        tab.wait_for_selector(REPORT_WORDS)
        assert tab.locator(ANNOTATE_WORDS).count() == 0 and tab.input_value("#report") == ""
        label(tab, "No effusion")
        assert tab.is_visible(".xray") and tab.locator("[data-answer=annotate] .word[role]").count() == 0
        assert tab.locator("[data-answer=report] .word[role]").count() == 9
        assert "report alone: " in tab.inner_text("#status")
    context.close()


def test_the_token_is_asked_for_once(browser, engine):
    context = browser.new_context()
    tab = context.new_page()
    with serving(create_app(engine, token=TOKEN)) as address:
        tab.goto(address)
        assert tab.inner_text("[role=alert]") == ""
        tab.fill("#token", "wrong")
        tab.click("button")
        assert "That token is wrong" in tab.inner_text("[role=alert]")
        tab.fill("#token", TOKEN)
        tab.click("button")
        tab.wait_for_selector(".samples li")
        assert tab.url == f"{address}/" and tab.evaluate("document.cookie") == ""
        tab.reload()
        tab.wait_for_selector(".samples li")
    context.close()


def test_the_api_shows_its_description_where_a_request_can_be_tried(tab, address, xray):
    tab.goto(f"{address}/api")
    tab.wait_for_selector("#docs[aria-busy=false] section")
    text = tab.inner_text("main")
    for part in ("POST /api/report", "POST /api/annotate", "GET /api/samples/{name}", "413", "503", "a_ws"):
        assert part in text
    tab.click("a[href='#post-api-annotate']")
    card = "#post-api-annotate"
    tab.click(f"{card} summary")
    form = f"{card} .try"
    tab.set_input_files(f"{form} input[type=file]", {"name": "it's.png", "mimeType": "image/png", "buffer": xray[1]})
    tab.fill(f"{form} textarea", "Large effusion.")
    assert tab.is_checked(f"{form} input[type=checkbox] >> nth=0")
    tab.keyboard.press("Tab")
    tab.click(f"{form} button")
    tab.wait_for_selector(f"{form} [role=status]:has-text('200')")
    command, answer = tab.locator(f"{form} pre").all_inner_texts()
    assert "--form 'image=@it'\\''s.png' --form-string 'report=Large effusion.'" in command
    assert command.endswith(f"'{address}/api/annotate?maps=true&picture=false'")
    assert '"mode": "annotate"' in answer and "... (4 in all)" not in answer and '"picture": null' in answer
    tab.click("#get-api-samples-name-thumbnail summary")
    tab.fill("#get-api-samples-name-thumbnail input[type=text]", "no such")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#get-api-samples-name-thumbnail [role=status]:has-text('404')")
    assert "no sample" in tab.inner_text("#get-api-samples-name-thumbnail .try")
    name = tab.evaluate("fetch('/api/samples').then((response) => response.json()).then(([first]) => first.name)")
    tab.fill("#get-api-samples-name-thumbnail input[type=text]", name)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#get-api-samples-name-thumbnail img")
    unnamed = "els => els.filter(e => !(e.labels?.length || e.textContent.trim())).length"
    assert tab.eval_on_selector_all("input, button, textarea, summary", unnamed) == 0
