"""The labelling page in a real browser: keys alone, two tabs, a server that is away, a screen reader's names."""

import pytest

from tests.server.conftest import serving
from tests.server.labelling.conftest import app_of, desk_of, questions
from tests.server.labelling.page_actions import answers, finish, press, shown, wait_until
from tienet.hand_labels.desk import DECIDING, Question
from tienet.hand_labels.journal import read_entries
from tienet.labels import LABELS, NO_FINDING, readable
from tienet.server.labelling.answers import KEYS

NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture
def open_tab(browser):
    """Opens tabs that fail the test where a script fails, or a request goes to another address."""
    contexts, errors, requests, addresses = [], [], [], []

    def open_it(address: str, **options):
        context = browser.new_context(viewport={"width": 1300, "height": 900}, **options)
        contexts.append(context)
        addresses.append(address)
        tab = context.new_page()
        tab.set_default_timeout(10_000)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(address)
        return tab

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((*addresses, "data:", "blob:"))] == []


def test_a_study_is_labelled_by_keys(open_tab, address, desk):
    tab = open_tab(address)
    assert shown(tab) == "s0"
    assert tab.inner_text("#report") == "Findings: text 0 ."
    press(tab, KEYS["Effusion"], f"Shift+{KEYS['Mass'].upper()}", KEYS["Edema"], KEYS["Edema"])
    assert answers(tab) == {"Effusion": 1, "Mass": -1, "Edema": 0}
    assert tab.inner_text("#status") == "Kept: Edema not there."
    assert tab.locator("[data-label=Effusion] input:checked").get_attribute("value") == "1"
    assert tab.locator("[data-label=Nodule] input:checked").count() == 0
    finish(tab)
    assert shown(tab) == "s1" and tab.inner_text("#far") == "1 of 4 finished"
    assert "min left" in tab.inner_text("#left")
    assert desk.state(0).done and desk.state(0).seconds > 0


def test_every_key_answers_its_label(open_tab, address):
    tab = open_tab(address)
    shown(tab)
    for label in LABELS[:-1]:
        press(tab, KEYS[label])
        assert answers(tab)[label] == 1
    press(tab, KEYS[NO_FINDING])
    assert tab.inner_text("#error") == "Atelectasis is there, and No Finding says that there is no finding"
    assert NO_FINDING not in answers(tab)
    press(tab, KEYS["Mass"])
    assert tab.inner_text("#error") == "" and answers(tab)["Mass"] == 0


def test_back_skip_and_undo(open_tab, address, desk):
    tab = open_tab(address)
    shown(tab)
    press(tab, KEYS["Mass"])
    finish(tab)
    tab.keyboard.press("w")
    wait_until(tab, "study?.saved.study === 's2'")
    tab.keyboard.press("b")
    wait_until(tab, "study?.saved.study === 's1'")
    press(tab, KEYS["Edema"], "u")
    assert shown(tab) == "s1" and answers(tab) == {}
    press(tab, "u")
    assert shown(tab) == "s0" and not desk.state(0).done and answers(tab) == {"Mass": 1}
    press(tab, "u")
    assert shown(tab) == "s0" and answers(tab) == {}
    press(tab, "u")
    wait_until(tab, "document.querySelector('#error').textContent === 'there is nothing to take back'")
    tab.fill("#goto", "4")
    tab.press("#goto", "Enter")
    assert shown(tab) == "s3" and tab.inner_text("#no-image") == "There is no image."
    assert tab.inner_text("#report") == "There is no report."


def test_a_study_that_comes_too_late_is_not_shown(open_tab, address):
    tab = open_tab(address)
    shown(tab)
    held = []
    tab.route("**/api/studies/1", lambda route: held.append(route), times=1)
    tab.evaluate("void show(1)")
    while not held:
        tab.evaluate("0")
    tab.evaluate("void show(2)")
    assert shown(tab) == "s2"
    held[0].continue_()
    tab.wait_for_timeout(200)
    assert shown(tab) == "s2" and tab.inner_text("#report") == "Findings: text 2 ."


def test_no_study_is_finished_that_is_not_on_the_screen(open_tab, address, desk):
    tab = open_tab(address)
    shown(tab)
    for _ in range(6):
        tab.keyboard.press("Enter")  # faster than the next study can come
    shown(tab)
    finished = desk.finished()
    assert finished[0] and sum(finished) < 4
    tab.route("**/image", lambda _: None)  # a picture that does not come
    tab.keyboard.press("w")
    wait_until(tab, "Boolean(study && !pictured && study.image)")
    before = desk.finished()
    tab.keyboard.press("Enter")
    assert tab.inner_text("#status") == "The picture is not there yet." and desk.finished() == before


def test_all_are_finished_and_the_last_can_be_opened_again(open_tab, address, desk):
    tab = open_tab(address)
    for _ in range(4):
        shown(tab)
        finish(tab)
    assert tab.inner_text("#all-done-title") == "All 4 studies are finished"
    assert "anna.csv" in tab.inner_text("#result") and all(desk.finished())
    tab.reload()
    wait_until(tab, "document.querySelector('#far').textContent === '4 of 4 finished'")
    tab.goto(address)
    wait_until(tab, "!document.querySelector('#all-done').hidden")
    press(tab, "u")
    assert shown(tab) == "s3" and desk.finished() == [True, True, True, False]


def test_two_tabs_lose_nothing(open_tab, address, desk):
    one, other = open_tab(address), open_tab(address)
    assert shown(one) == shown(other) == "s0"
    press(one, KEYS["Mass"])
    held = []
    other.route("**/answers", lambda route: held.append(route), times=1)
    other.keyboard.press(KEYS["Hernia"])
    wait_until(other, "isKeeping()")
    other.keyboard.press("Enter")  # while the answer before it is on its way
    while not held:
        other.evaluate("0")
    held[0].continue_()
    wait_until(other, "document.querySelector('#error').textContent.startsWith('Another tab')")
    other.keyboard.press("Enter")  # before there was time to see what the other has answered
    assert shown(other) == "s0" and answers(other) == {"Mass": 1, "Hernia": 1}
    assert not desk.state(0).done and desk.state(0).answers == {"Mass": 1, "Hernia": 1}
    wait_until(other, "performance.now() - changedAt >= TO_LOOK_MS")
    finish(other)
    assert desk.state(0).done and desk.state(0).answers == {"Mass": 1, "Hernia": 1}


def test_a_study_that_another_tab_has_changed_is_not_finished_unseen(open_tab, address, desk):
    one, other = open_tab(address), open_tab(address)
    assert shown(one) == shown(other) == "s0"
    press(one, KEYS["Mass"])
    other.keyboard.press("Enter")
    wait_until(other, "document.querySelector('#error').textContent.startsWith('Another tab')")
    assert shown(other) == "s0" and answers(other) == {"Mass": 1} and not desk.state(0).done
    assert other.locator("[data-label=Mass] input:checked").get_attribute("value") == "1"


def test_answers_wait_while_the_server_is_away(open_tab, tmp_path):
    """It is stopped, and started again at the same address, as after a kill; the page has not been loaded again."""
    asked = questions(tmp_path / "images")
    with desk_of(tmp_path, asked) as desk, app_of(desk) as app, serving(app) as address:
        tab = open_tab(address)
        shown(tab)
        tab.route("**/answers", lambda route: route.abort())
        tab.evaluate("0")
        tab.keyboard.press(KEYS["Mass"])
        tab.keyboard.press(KEYS["Edema"])
        wait_until(tab, "document.querySelector('#error').textContent.startsWith('The server does not answer')")
        assert tab.locator(".pending").count() == 2 and answers(tab) == {}
        assert read_entries(tmp_path / "anna.jsonl") == []
        lost = []

        def lose_the_reply(route) -> None:
            lost.append(route.fetch().status)
            route.abort()

        tab.unroute("**/answers")
        tab.route("**/answers", lose_the_reply, times=1)
        wait_until(tab, "!isKeeping()", 15)
        assert lost == [200] and tab.inner_text("#error") == ""
        assert answers(tab) == {"Mass": 1, "Edema": 1} and tab.locator(".pending").count() == 0
        assert [entry["set"] for entry in read_entries(tmp_path / "anna.jsonl")] == [{"Mass": 1}, {"Edema": 1}]


def test_who_decides_answers_what_differs_with_both_answers_beside_it(open_tab, tmp_path):
    asked = [Question("s0", "p0", None, "text", ("Mass", "Edema"), {"Mass": (1, 0), "Edema": (-1, 1)}, {"Hernia": 0})]
    with (
        desk_of(tmp_path, asked, DECIDING, givers=("ben", "carla")) as desk,
        app_of(desk) as app,
        serving(app) as address,
    ):
        tab = open_tab(address)
        shown(tab)
        assert tab.inner_text("[data-label=Mass] .given").split() == ["ben:", "there", "carla:", "not", "there"]
        assert tab.locator("[data-label]").count() == 2 and "not there, both" in tab.text_content(".settled")
        press(tab, KEYS["Hernia"])
        assert tab.inner_text("#status") == "Hernia is not asked of this study."
        press(tab, KEYS["Mass"], "Enter")
        wait_until(tab, "document.querySelector('#error').textContent === 'not answered yet: Edema'")
        press(tab, f"Shift+{KEYS['Edema'].upper()}")
        finish(tab)
        assert tab.inner_text("#all-done-title") == "The study is finished" and desk.state(0).answers["Edema"] == -1


def test_a_networks_labels_are_shown_where_this_is_wanted(open_tab, tmp_path):
    asked = [Question("s0", "p0", None, "text", assist={"Mass": (0.25, True), "Edema": (0.001, None)})]
    with desk_of(tmp_path, asked, assist="a-run") as desk, app_of(desk) as app, serving(app) as address:
        tab = open_tab(address)
        shown(tab)
        assert tab.inner_text("[data-label=Mass] .assist") == "network 25%, named"
        assert tab.inner_text("[data-label=Edema] .assist") == "network 0.1%"
        assert "labels of a-run are shown, which is noted" in tab.inner_text("#task")
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_390_px_nothing_goes_out_of_the_page_and_the_keys_work(open_tab, address, scheme):
    tab = open_tab(address, color_scheme=scheme)
    tab.set_viewport_size({"width": 390, "height": 844})
    shown(tab)
    assert tab.evaluate(NO_SIDEWAYS)
    colours = tab.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert colours[0] != colours[1]
    tab.click("[data-label=Mass] label >> nth=2")
    press(tab)
    assert answers(tab) == {"Mass": -1}
    picture = tab.locator(".picture").bounding_box()
    assert picture["height"] < 844 / 2  # the labels are in view beside it


def test_all_controls_have_names_and_can_be_reached_by_tab(open_tab, address):
    tab = open_tab(address)
    shown(tab)
    snapshot = tab.locator("body").aria_snapshot()
    for label in LABELS:
        assert f'radiogroup "{readable(label)}"' in snapshot
    states = [f'radio "{state}"' for state in ("there", "not there", "cannot tell")]
    steps = [f'button "{step}"' for step in ("Finish, next Enter", "Undo u", "Back b", "Skip w", "zoom in", "Reset")]
    others = ['spinbutton "go to"', 'progressbar "0 of 4 finished"', 'img "X-ray of study s0"', 'heading "Report"']
    for name in (*states, *steps, *others):
        assert name in snapshot, name
    assert 'button ""' not in snapshot and "- button\n" not in snapshot
    reached = set()
    for _ in range(40):
        tab.keyboard.press("Tab")
        reached.add(
            tab.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.className")
        )
    assert {"frame", "undo", "skip", "finish", "goto", *LABELS} <= reached


def test_the_picture_is_zoomed_and_windowed_by_keys_from_anywhere(open_tab, address):
    tab = open_tab(address)
    shown(tab)
    tab.keyboard.press("+")
    tab.keyboard.press("i")
    assert tab.inner_text(".zoom") == "125%" and tab.inner_text(".grey").endswith("inverted")
    tab.keyboard.press("r")
    assert tab.inner_text(".zoom") == "100%" and not tab.is_visible(".grey")
    assert answers(tab) == {}
