"""The page as a film viewer: zoom, pan, window and level, by mouse, fingers, keys and buttons; maps of findings."""

import numpy as np
import pytest

from tests.server import fakes
from tests.server.page_actions import PIXELS, REPORT_WORDS, choose

FILM = "(({zoom, x, y, width, level, inverted}) => [zoom, x, y, width, level, inverted])(study.film)"
WHOLE = [1, 0, 0, 256, 128, False]
GREY = """() => {
  const canvas = document.querySelector("canvas.windowed");
  const at = (y) => canvas.getContext("2d").getImageData(20, y, 1, 1).data[0];
  return canvas.hidden ? null : Array.from({length: 256}, (_, y) => at(y));
}"""
PINCH = """([from, to]) => {
  const frame = document.querySelector(".frame");
  const box = frame.getBoundingClientRect();
  frame.setPointerCapture = () => {};
  const send = (kind, id, x) => frame.dispatchEvent(new PointerEvent(kind, {pointerId: id, pointerType: "touch",
    button: 0, bubbles: true, clientX: box.left + x * box.width, clientY: box.top + box.height / 2}));
  send("pointerdown", 1, 0.5 - from / 2); send("pointerdown", 2, 0.5 + from / 2);
  send("pointermove", 1, 0.5 - to / 2); send("pointermove", 2, 0.5 + to / 2);
  send("pointerup", 1, 0); send("pointerup", 2, 0);
}"""


@pytest.fixture
def film(tab):
    """The page with a picture whose row y has the grey level y, about so, as it comes as a JPEG."""
    choose(tab, "ramp.png", fakes.png(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 256, axis=1)))
    tab.wait_for_selector(REPORT_WORDS)
    return tab


def drag(tab, across: float, down: float, key: str | None = None) -> None:
    """Drag from the middle of the picture by shares of its sides."""
    box = tab.locator(".frame").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if key:
        tab.keyboard.down(key)
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + across * box["width"], y + down * box["height"], steps=3)
    tab.mouse.up()
    if key:
        tab.keyboard.up(key)


def test_dragging_windows_the_delivered_picture_and_reset_gives_it_back(film):
    assert film.evaluate(GREY) is None and film.evaluate(FILM) == WHOLE and film.is_disabled(".reset")
    drag(film, -0.25, 0.125)
    zoom, x, y, width, level, inverted = film.evaluate(FILM)
    assert (width, level) == (pytest.approx(128, abs=2), pytest.approx(160, abs=2)) and (zoom, x, y) == (1, 0, 0)
    grey = np.array(film.evaluate(GREY))
    expected = np.clip(255 * (np.arange(256) - level + width / 2) / width, 0, 255)
    assert np.abs(grey - expected).max() < 8  # of the JPEG
    assert film.inner_text(".grey") == f"window {round(width)}, level {round(level)}"
    film.focus(".frame")
    film.keyboard.press("i")
    np.testing.assert_array_equal(film.evaluate(GREY), 255 - grey)
    film.click(".reset")
    assert film.evaluate(GREY) is None and film.evaluate(FILM) == WHOLE and not film.is_visible(".grey")


def test_zoom_keeps_what_is_under_the_pointer_and_panning_stops_at_the_edge(film):
    box = film.locator(".frame").bounding_box()
    film.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    film.mouse.wheel(0, -400)
    while film.evaluate("study.film.zoom") == 1:
        film.wait_for_timeout(20)
    zoom, x, y, *_ = film.evaluate(FILM)
    assert zoom == pytest.approx(np.exp(0.8), rel=0.01)
    assert (0.25 - x) / zoom == pytest.approx(0.25, abs=0.01) and (0.5 - y) / zoom == pytest.approx(0.5, abs=0.01)
    shown = film.locator(".xray").bounding_box()
    assert shown["width"] == pytest.approx(zoom * box["width"], rel=0.01)
    drag(film, 0.1, 0, "Shift")  # the other tool
    assert film.evaluate(FILM)[1] == pytest.approx(x + 0.1, abs=0.01) and film.evaluate(FILM)[3] == 256
    film.check(".drag input[value=move]")
    drag(film, 0.45, 0.45)
    drag(film, 0.45, 0.45)
    assert film.evaluate(FILM)[1:3] == [0, 0]
    film.dblclick(".frame")
    assert film.evaluate(FILM) == WHOLE


def test_wheel_over_the_whole_picture_scrolls_the_page_down(film):
    film.hover(".frame")
    film.mouse.wheel(0, 200)
    while film.evaluate("scrollY") == 0:
        film.wait_for_timeout(20)
    assert film.evaluate("study.film.zoom") == 1


def test_two_fingers_pinch(film):
    film.evaluate(PINCH, [0.2, 0.6])
    zoom, x, y, width, *_ = film.evaluate(FILM)
    assert zoom == pytest.approx(3) and width == 256
    assert (0.5 - x) / zoom == pytest.approx(0.5, abs=0.02) and (0.5 - y) / zoom == pytest.approx(0.5, abs=0.02)
    film.evaluate(PINCH, [0.6, 0.1])
    assert film.evaluate("study.film.zoom") == 1


def test_keys_and_sliders_do_what_the_mouse_does(film):
    film.focus(".frame")
    for key in ("+", "+", "ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Shift+ArrowUp"):
        film.keyboard.press(key)
    assert film.evaluate(FILM) == [1.5625, pytest.approx(-0.38125), pytest.approx(-0.38125), 248, 120, False]
    assert film.inner_text(".zoom") == "156%"
    film.keyboard.press("0")
    assert film.evaluate(FILM) == [1, 0, 0, 248, 120, False]
    film.click(".adjust summary")
    film.fill(".window-width", "100")
    film.fill(".window-level", "90")
    film.click(".invert")
    assert film.evaluate(FILM) == [1, 0, 0, 100, 90, True] and film.get_attribute(".invert", "aria-pressed") == "true"
    film.click(".zoom-in")
    film.focus(".frame")
    film.keyboard.press("r")
    assert film.evaluate(FILM) == WHOLE


def test_a_finding_has_a_map_of_what_speaks_for_it_and_against_it(film):
    whole = film.evaluate(PIXELS)
    film.hover("[data-answer=report] .finding >> nth=1")
    found = film.evaluate("(({answers}) => answers.report.findings[1].map.flat())(study)")
    assert film.evaluate(PIXELS) not in (None, whole) and min(found) < 0 < max(found)
    colours = film.evaluate(
        """() => { const canvas = document.querySelector("canvas.map");
        const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const of = (n) => { const x = n % 4, y = Math.floor(n / 4), i = 4 * ((8 * y + 4) * canvas.width + 8 * x + 4);
          return [...all.slice(i, i + 4)]; };
        return Array.from({length: 16}, (_, n) => of(n)); }"""
    )
    for value, (red, _, blue, opacity) in zip(found, colours, strict=True):
        if opacity > 60 and abs(value) > 0.5:
            assert (red > blue) == (value > 0)
    factor = float(f"{np.exp(sum(found)):.2g}")
    said = film.inner_text("figcaption")
    assert said.startswith("Cardiomegaly: warm places speak for it, blue ones against it. In all the image multiplies")
    assert float(said.rsplit(" ", 1)[1].rstrip(".")) == pytest.approx(factor, rel=0.06)
    assert film.inner_text(".scale").split() == ["against", "for"]
    film.mouse.move(2, 2)
    assert film.evaluate(PIXELS) == whole and film.inner_text(".scale").split() == ["0", "peak"]
    film.focus("[data-answer=report] .finding >> nth=0")
    film.keyboard.press("ArrowDown")
    film.keyboard.press("Enter")
    assert film.get_attribute("[data-answer=report] .finding >> nth=1", "aria-pressed") == "true"
    film.keyboard.press("Escape")
    assert film.evaluate(PIXELS) == whole
