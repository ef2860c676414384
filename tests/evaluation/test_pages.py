"""Study pages: what they show, that they need no network, and that no text becomes markup."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from tienet.evaluation import pages
from tienet.evaluation.pages import StudyPage
from tienet.labels import LABELS, K

NAN = np.nan
NASTY = '<script>alert("x")</script>&\'$style'


class Tags(HTMLParser):
    """Every start tag with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == [], f"unclosed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str, **attributes: str) -> list[dict]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]


@pytest.fixture
def page() -> StudyPage:
    probabilities, labels = np.full(K, 0.1), np.zeros(K)
    for name, probability, label in (
        ("Edema", 0.9, 1),
        ("Mass", 0.8, 0),
        ("Nodule", 0.2, 1),
        ("Hernia", 0.7, NAN),
    ):
        probabilities[LABELS.index(name)], labels[LABELS.index(name)] = probability, label
    a_ws = np.full((4, 4), 0.1)
    a_ws[1, 2] = 0.5
    return StudyPage(
        study_id="CXR1",
        image=np.arange(32 * 32, dtype=np.uint16).astype(np.uint8).reshape(32, 32),
        a_ws=a_ws,
        words=["findings", ":", "edema", ".", "impression", ":", "edema", "."],
        g=np.array([0, 0.01, 0.4, 0, 0.02, 0, 0.2, 0.0]),
        probabilities=probabilities,
        labels=labels,
        thresholds=np.full(K, 0.5),
    )


def decode(uri: str) -> np.ndarray:
    png = np.frombuffer(base64.b64decode(uri.removeprefix("data:image/png;base64,")), np.uint8)
    return cv2.imdecode(png, cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize(
    ("probability", "label", "threshold", "verdict"),
    [
        (0.5, 1, 0.5, pages.RIGHT),  # reaching the threshold is enough
        (0.5, 0, 0.5, pages.WRONG),
        (0.49, 1, 0.5, pages.MISSED),
        (0.49, 0, 0.5, pages.ABSENT),
        (0.6, NAN, 0.5, pages.NAMED_UNKNOWN),
        (0.4, NAN, 0.5, pages.UNKNOWN),
        (0.9, 1, NAN, pages.UNJUDGED),
    ],
)
def test_verdicts(probability, label, threshold, verdict):
    assert pages.judge(probability, label, threshold) == verdict


def test_marks_and_colours_differ():
    judged = (pages.RIGHT, pages.WRONG, pages.MISSED)
    assert len({verdict.mark for verdict in judged}) == len({verdict.css for verdict in judged}) == 3


def test_labels_are_judged_with_bars_and_ticks(page):
    html = pages.render(page)
    rows = re.findall(r'<tr class="(\w+)"><th scope="row">([^<]+)</th>(.*?)</tr>', html)
    assert [name for _, name, _ in rows] == [name.replace("_", " ") for name in LABELS]
    css = {name: kind for kind, name, _ in rows}
    assert (css["Edema"], css["Mass"], css["Nodule"]) == ("right", "wrong", "missed")
    assert (css["Hernia"], css["Fibrosis"]) == ("unknown", "absent")
    edema = next(rest for _, name, rest in rows if name == "Edema")
    assert "width:90.00%" in edema and "left:50.00%" in edema and "0.900" in edema and "✓" in edema
    chips = re.findall(r'<li class="(\w+)">.*?<strong>(.*?)</strong>', html)
    assert chips == [("wrong", "Mass"), ("missed", "Nodule"), ("right", "Edema"), ("unknown", "Hernia")]


def test_words_are_shaded_relative_to_the_largest(page):
    words = Tags(pages.render(page)).all("span", class_="word")
    assert [word["style"] for word in words][:3] == ["--g:0.000", "--g:0.025", "--g:1.000"]
    assert words[6]["style"] == "--g:0.500" and words[6]["title"] == "g = 0.2000"
    assert [word["data-t"] for word in words] == [str(t) for t in range(8)]


def test_image_is_unchanged_and_the_map_lies_over_it(page):
    html = pages.render(page)
    image, map_ = (decode(found["src"]) for found in Tags(html).all("img"))
    np.testing.assert_array_equal(image, page.image)
    np.testing.assert_array_equal(map_[..., [2, 1, 0, 3]], pages.overlay(page.a_ws, 32, 32))  # cv2 reads BGRA
    assert "It sums to 2.00" in html and "(row 2, column 3) holds 25.0%" in html


def test_overlay_peaks_where_the_map_does():
    a_ws = np.zeros((16, 16), np.float32)
    a_ws[3, 10] = 2.0
    rgba = pages.overlay(a_ws, 256, 256)
    assert rgba.shape == (256, 256, 4) and rgba.dtype == np.uint8
    row, column = np.unravel_index(rgba[..., 3].argmax(), (256, 256))
    assert abs(row - (3 * 16 + 7.5)) <= 1 and abs(column - (10 * 16 + 7.5)) <= 1
    assert rgba[..., 3].max() == 255
    assert (rgba[100:, :100, 3] == 0).all()  # no attention: the image is seen as it is
    np.testing.assert_array_equal(pages.overlay(5 * a_ws, 256, 256), rgba)
    # red before blue: RGBA, and inferno's top is a pale yellow
    top = rgba[row, column]
    assert top[0] > 240 and top[2] < 180


def test_overlay_of_nothing_is_transparent():
    assert (pages.overlay(np.zeros((4, 4)), 8, 8)[..., 3] == 0).all()


def test_pages_need_no_network(page):
    for html in (pages.render(page, home="index.html"), pages.render(replace(page, image=None, a_ws=None))):
        found = Tags(html)
        for tag, attributes in found.tags:
            assert tag not in ("link", "iframe", "object", "base", "form")
            assert (attributes.get("src") or "data:").startswith("data:")
            assert attributes.get("href") in (None, "index.html")
        assert not re.search(r"https?:|url\(|@import|fetch\(", re.sub(r"base64,[^\"]*", "", html))
        policy = found.all("meta", **{"http-equiv": "Content-Security-Policy"})
        assert "default-src 'none'" in policy[0]["content"]
        assert "not a medical device" in found.text


def test_the_map_can_be_switched_off_without_the_script(page):
    html = re.sub(r"<script>.*?</script>", "", pages.render(page), flags=re.DOTALL)
    assert Tags(html).all("input", type="checkbox", id="show-map")
    assert "#show-map:not(:checked) ~ .frame .map" in html
    assert "hidden" in Tags(html).all("label", class_="opacity")[0]  # a slider that would do nothing is not shown


def test_text_never_becomes_markup(page, tmp_path):
    nasty = replace(page, study_id=NASTY, words=[NASTY, 'x" onmouseover="y'], g=np.ones(2))
    found = Tags(pages.render(nasty))
    assert len(found.all("script")) == 1
    assert not any("onmouseover" in attributes for _, attributes in found.tags)
    assert found.text.count(NASTY) == 3  # title, heading, word
    pages.write_pages(tmp_path, [nasty])
    index = Tags((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert index.all("script") == [] and NASTY in index.text


def test_modes_without_image_or_map(page):
    text_only = Tags(pages.render(replace(page, image=None, a_ws=None)))
    assert text_only.all("figure") == [] and text_only.all("img") == []
    no_map = Tags(pages.render(replace(page, a_ws=None)))
    assert len(no_map.all("img")) == 1 and no_map.all("input") == []


def test_empty_report_and_no_attention(page):
    html = pages.render(replace(page, words=[], g=np.zeros(0)))
    assert "empty report" in html
    html = pages.render(replace(page, g=np.zeros(8), a_ws=np.zeros((4, 4))))
    assert "--g:0.000" in html and "nan" not in html.lower()
    assert "is 0 everywhere" in html


def test_missing_threshold_has_no_tick(page):
    html = pages.render(replace(page, thresholds=np.full(K, NAN)))
    assert "<s style" not in html and html.count("no threshold</td>") == K


def test_files_are_safe_unique_and_listed(page, tmp_path):
    ids = ["../../up", "..", "a/b", "a_b", "A_B", "a_b-2", "", "naïve", "x" * 300, "index", ".."]
    folder = tmp_path / "pages"
    written = pages.write_pages(folder, (replace(page, study_id=study) for study in ids))
    assert len({path.name.lower() for path in written}) == len(ids)
    assert all(path.parent == folder and path.is_file() for path in written)
    assert all(re.fullmatch(r"study-[A-Za-z0-9._-]*\.html", path.name) for path in written)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*(p.name for p in written), "index.html"])
    assert list(tmp_path.iterdir()) == [folder]
    index = Tags((folder / "index.html").read_text(encoding="utf-8"))
    links = [found["href"] for found in index.all("a")]
    assert links == [path.name for path in written for _ in range(2)]  # thumbnail and name
    assert decode(index.all("img")[0]["src"]).shape == (96, 96)
    for study, path in zip(ids, written, strict=True):
        assert study in Tags(path.read_text(encoding="utf-8")).text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": np.zeros((8, 8), np.float32)}, "image must be uint8"),
        ({"image": np.zeros((8, 8, 1), np.uint8)}, "image must be uint8"),
        ({"image": None}, "a_ws needs the image"),
        ({"a_ws": np.zeros(16)}, "a_ws must be"),
        ({"g": np.zeros(3)}, "for 8 words"),
        ({"labels": np.zeros(14)}, "labels must be"),
        ({"probabilities": np.full(K, NAN)}, "must not be NaN"),
    ],
)
def test_wrong_shapes_are_refused(page, changes, said):
    with pytest.raises(ValueError, match=said):
        replace(page, **changes)
