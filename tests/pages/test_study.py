"""Study pages: what they show, that they need no network, and that no text becomes markup."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from tienet.labels import LABELS, K
from tienet.pages import attention_map
from tienet.pages.pages_folder import write_pages
from tienet.pages.probability import AXIS, place
from tienet.pages.study import Origin, StudyPage, render

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


def test_labels_have_verdicts_bars_and_ticks(page):
    html = render(page)
    rows = re.findall(r'<tr class="(\w+)"><th scope="row">([^<]+)</th>(.*?)</tr>', html)
    assert [name for _, name, _ in rows] == [name.replace("_", " ") for name in LABELS]
    css = {name: kind for kind, name, _ in rows}
    assert (css["Edema"], css["Mass"], css["Nodule"]) == ("right", "wrong", "missed")
    assert (css["Hernia"], css["Fibrosis"]) == ("unknown", "absent")
    edema = next(rest for _, name, rest in rows if name == "Edema")
    assert f"width:{100 * place(0.9):.2f}%" in edema and "left:50.00%" in edema and ">90%<" in edema and "✓" in edema
    marks = re.findall(r'<span style="left:([\d.]+)%">([\d.]+)%</span>', html)
    assert [(float(at), float(mark)) for at, mark in marks] == [(round(100 * place(p), 2), 100 * p) for p in AXIS]
    chips = re.findall(r'<li class="(\w+)">.*?<strong>(.*?)</strong>', html)
    assert chips == [("wrong", "Mass"), ("missed", "Nodule"), ("right", "Edema"), ("unknown", "Hernia")]


def test_words_are_shaded_relative_to_the_largest(page):
    words = Tags(render(page)).all("span", class_="word")
    assert [word["style"] for word in words][:3] == ["--g:0.000", "--g:0.025", "--g:1.000"]
    assert words[6]["style"] == "--g:0.500" and words[6]["title"] == "g = 0.2000"
    assert [word["data-t"] for word in words] == [str(t) for t in range(8)]


def test_image_is_unchanged_and_the_map_lies_over_it(page):
    html = render(page)
    image, map_ = (decode(found["src"]) for found in Tags(html).all("img"))
    np.testing.assert_array_equal(image, page.image)
    np.testing.assert_array_equal(map_[..., [2, 1, 0, 3]], attention_map.overlay(page.a_ws, 32, 32))  # cv2 reads BGRA
    assert "It sums to 2.00" in html and "(row 2, column 3) holds 25.0%" in html


def test_pages_need_no_network(page, tmp_path):
    write_pages(tmp_path, [page])
    index = (tmp_path / "index.html").read_text(encoding="utf-8").replace("study-CXR1.html", "index.html")
    with_maps = replace(page, a=np.full((8, 4, 4), 1 / 16))
    for html in (render(with_maps, "index.html"), render(replace(page, image=None, a_ws=None)), index):
        found = Tags(html)
        for tag, attributes in found.tags:
            assert tag not in ("link", "iframe", "object", "base", "form")
            assert (attributes.get("src") or "data:").startswith("data:")
            assert attributes.get("href") in (None, "index.html", "cases.html")
        assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp|import\(", re.sub(r"base64,[^\"]*", "", html))
        policy = found.all("meta", **{"http-equiv": "Content-Security-Policy"})
        assert "default-src 'none'" in policy[0]["content"]
        assert "not a medical device" in found.text


def test_the_map_can_be_switched_off_without_the_script(page):
    html = re.sub(r"<script>.*?</script>", "", render(page), flags=re.DOTALL)
    assert Tags(html).all("input", type="checkbox", id="show-map")
    assert "#show-map:not(:checked) ~ .frame .map" in html
    assert "hidden" in Tags(html).all("label", class_="opacity")[0]  # a slider that would do nothing is not shown


def test_text_never_becomes_markup(page, tmp_path):
    nasty = replace(page, study_id=NASTY, words=[NASTY, 'x" onmouseover="y'], g=np.ones(2))
    nasty = replace(nasty, a=np.full((2, 4, 4), 1 / 16), true_words=[NASTY])
    found = Tags(render(nasty))
    assert len(found.all("script")) == 1
    assert not any("onmouseover" in attributes for _, attributes in found.tags)
    assert found.text.lower().count(NASTY.lower()) == 5  # title, heading, word as text and as it is, true word
    write_pages(tmp_path, [nasty])
    index = Tags((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(index.all("script")) == 1 and NASTY in index.text


def test_modes_without_image_or_map(page):
    text_only = Tags(render(replace(page, image=None, a_ws=None)))
    assert text_only.all("figure") == [] and text_only.all("img") == []
    no_map = Tags(render(replace(page, a_ws=None)))
    assert len(no_map.all("img")) == 1 and [found["id"] for found in no_map.all("input")] == ["details"]


def test_empty_report_and_no_attention(page):
    html = render(replace(page, words=[], g=np.zeros(0)))
    assert "empty report" in html
    html = render(replace(page, words=[], g=np.zeros(0), a=np.zeros((0, 4, 4))))
    assert "<canvas" not in html and "own map" not in html
    html = render(replace(page, g=np.zeros(8), a_ws=np.zeros((4, 4))))
    assert "--g:0.000" in html and "nan" not in html.lower()
    assert "is 0 everywhere" in html


def test_missing_threshold_has_no_tick(page):
    html = render(replace(page, thresholds=np.full(K, NAN)))
    assert "<s style" not in html and html.count("no threshold</td>") == K


def test_files_are_safe_unique_and_listed(page, tmp_path):
    ids = ["../../up", "..", "a/b", "a_b", "A_B", "a_b-2", "", "naïve", "x" * 300, "index", ".."]
    folder = tmp_path / "pages"
    written = write_pages(folder, (replace(page, study_id=study) for study in ids))
    assert len({path.name.lower() for path in written}) == len(ids)
    assert all(path.parent == folder and path.is_file() for path in written)
    assert all(re.fullmatch(r"study-[A-Za-z0-9._-]*\.html", path.name) for path in written)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(path.name for path in written), "index.html", "cases.html"]
    )
    assert list(tmp_path.iterdir()) == [folder]
    index = Tags((folder / "index.html").read_text(encoding="utf-8"))
    links = [found["href"] for found in index.all("a")]
    assert links == ["cases.html", *(path.name for path in written for _ in range(2))]  # thumbnail and name
    assert decode(index.all("img")[0]["src"]).shape == (96, 96)
    for study, path in zip(ids, written, strict=True):
        assert study in Tags(path.read_text(encoding="utf-8")).text


def test_words_carry_their_maps_and_what_is_said_of_them(page):
    a = np.random.default_rng(0).random((8, 4, 4))
    a /= a.sum(axis=(1, 2), keepdims=True)
    found = Tags(render(replace(page, a=a)))
    (canvas,) = found.all("canvas")
    assert (canvas["data-rows"], canvas["data-columns"]) == ("4", "4") and "hidden" in canvas
    levels = np.frombuffer(base64.b64decode(canvas["data-maps"]), np.uint8).reshape(8, 4, 4)
    np.testing.assert_array_equal(levels, attention_map.levels(a))
    captions = [word["data-caption"] for word in found.all("span", class_="word")]
    numbers = [word["data-numbers"] for word in found.all("span", class_="word")]
    assert captions[2] == "Where the network looked at “edema”."
    assert numbers[2] == f"Word 3 of 8, g = 0.400: {attention_map.word_caption(a[2])}"
    assert all(attention_map.word_caption(a_t) in said for a_t, said in zip(a, numbers, strict=True))
    assert "hidden" in found.all("p", class_="key hint")[0]  # it tells of what only the script can do


def test_a_page_without_word_maps_has_none(page):
    html = render(page)
    assert Tags(html).all("canvas") == [] and "data-caption=" not in html and "own map" not in html


def headings(html: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", html)


def test_a_written_report_stands_beside_the_true_one(page):
    html = render(replace(page, true_words=["no", "edema", ".", "impression", ":", "normal"]))
    assert headings(html) == ["Written report", "True report", "Labels"]
    written, true = re.findall('<p class="words">(.*?)</p>', html, re.DOTALL)
    assert written.count('class="word"') == 8
    assert true == "No edema.<br>Impression: Normal"
    assert re.sub("<[^>]*>", "", re.sub('<span class="token">.*?</span>|<br>', "", written)) == (
        "Findings: Edema.Impression: Edema."
    )
    assert re.findall('<span class="token">([^ ]+?)</span>', written) == page.words
    assert headings(render(page)) == ["Report", "Labels"]


def test_start_is_for_the_details(page):
    html = render(replace(page, words=["<START>", *page.words[1:]]))
    assert '<span class="word unread" data-t="0"' in html and html.count('class="word"') == 7
    assert 'id="details"' in html and 'id="details"' not in render(replace(page, words=[], g=np.zeros(0), a_ws=None))


def test_an_empty_true_report_is_still_a_true_report(page):
    html = render(replace(page, true_words=[]))
    assert headings(html)[:2] == ["Written report", "True report"] and html.count("empty report") == 1


def test_a_mode_that_does_not_classify(page):
    caption = replace(
        page, a_ws=None, g=None, probabilities=None, thresholds=None, a=np.full((8, 4, 4), 1 / 16), true_words=["x"]
    )
    for labels in (page.labels, None):
        html = render(replace(caption, labels=labels))
        found = Tags(html)
        assert headings(html) == ["Written report", "True report"]
        assert found.all("table") == [] and found.all("ul") == [] and found.all("i", class_="shades") == []
        words = found.all("span", class_="word")
        assert len(words) == 8
        assert all("style" not in word and word["data-caption"].startswith("Where") for word in words)
        assert len(found.all("img")) == 1 and "hidden" in found.all("input", id="show-map")[0]


def test_a_mode_without_a_report_shows_none(page):
    html = render(replace(page, a_ws=None, words=[], g=None))
    assert headings(html) == ["Labels"] and "empty report" not in html and len(Tags(html).all("img")) == 1


def test_unknown_truth_and_thresholds_may_be_none(page):
    as_nan = replace(page, labels=np.full(K, NAN), thresholds=np.full(K, NAN))
    assert render(replace(page, labels=None, thresholds=None)) == render(as_nan)


def columns(html: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]*>(.*?)</th>', html)


def visible(html: str) -> str:
    """The HTML without style sheets and scripts."""
    return re.sub(r"<(style|script).*?</\1>", "", html, flags=re.DOTALL)


def test_a_page_of_a_new_image_says_nothing_of_right_and_wrong(page, tmp_path):
    assert columns(render(page)) == ["Label", "Probability", "Truth", "Verdict"]
    new = replace(page, labels=None)
    html = visible(render(new))
    assert columns(html) == ["Label", "Probability", "Named"]
    for word in ("truth", "verdict</th>", "unknown", "not true", "right<", "missed", "✗", "✓"):
        assert word not in html.lower(), word
    assert re.findall(r'<li class="named">.*?<strong>(.*?)</strong></li>', html) == ["Mass", "Edema", "Hernia"]
    rows = re.findall(r'<tr class="(\w+)"><th scope="row">([^<]+)</th>.*?<td class="verdict">(.*?)</td></tr>', html)
    assert [name for css, name, cell in rows if css == "named" and "yes" in cell] == ["Mass", "Edema", "Hernia"]
    assert sum(cell.endswith(" no") for _, _, cell in rows) == K - 3 and "its threshold" in html

    write_pages(tmp_path, [new, replace(new, study_id="b")])
    index = Tags(visible((tmp_path / "index.html").read_text(encoding="utf-8")))
    assert [found["id"] for found in index.all("select")] == ["finding"]
    assert [option["value"] for option in index.all("option")] == ["", *LABELS]
    assert index.all("p", class_="key marks") == []
    for word in ("true", "right", "wrong", "missed", "truth"):
        assert word not in index.text.lower(), word
    assert all(row["data-codes"].count("n") == 3 for row in index.all("tr"))


def test_a_new_image_without_thresholds_or_labels(page, tmp_path):
    new = replace(page, labels=None, thresholds=None)
    html = visible(render(new))
    assert columns(html) == ["Label", "Probability"] and "no label is named" in html and "its threshold." not in html
    unlabelled = replace(new, study_id="b", probabilities=None)
    write_pages(tmp_path, [new, unlabelled])
    index = Tags((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert index.all("select") == [] and len(index.all("input", id="study")) == 1


def test_one_study_with_a_truth_brings_the_whole_filter(page, tmp_path):
    write_pages(tmp_path, [replace(page, labels=None), replace(page, study_id="b")])
    index = Tags((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert [found["id"] for found in index.all("select")] == ["finding", "how"]
    assert index.all("p", class_="key marks")


def test_a_page_stays_small():
    rng = np.random.default_rng(0)
    a = rng.random((80, 16, 16))
    a /= a.sum(axis=(1, 2), keepdims=True)
    noise = rng.integers(0, 256, (256, 256), dtype=np.uint8)
    grey = cv2.GaussianBlur(noise, (0, 0), 1.0)  # compresses no better than a chest X-ray of this size
    words = ["cardiomegaly"] * 80
    numbers = np.full(K, 0.5)
    html = render(StudyPage("x", grey, a.sum(0), words, np.ones(80), numbers, numbers, numbers, a, words))
    assert len(html.encode()) < 250_000


def test_the_index_says_of_each_study_what_the_filter_needs(page, tmp_path):
    unclassified = replace(page, study_id="b", probabilities=None, thresholds=None)
    write_pages(tmp_path, [page, unclassified])
    index = Tags((tmp_path / "index.html").read_text(encoding="utf-8"))
    of = [dict(zip(LABELS, row["data-codes"], strict=True)) for row in index.all("tr")]
    assert [of[0][name] for name in ("Edema", "Mass", "Nodule", "Hernia", "Fibrosis")] == ["r", "w", "m", "n", "-"]
    assert [of[1][name] for name in ("Edema", "Mass", "Nodule", "Hernia", "Fibrosis")] == ["t", "-", "t", "-", "-"]
    options = [option["value"] for option in index.all("option")]
    assert options == ["", *LABELS, "either", "true", "named", "right", "wrong", "missed"]
    assert "hidden" in index.all("div", class_="filters")[0]  # without the script it would do nothing
    assert not any("hidden" in row for row in index.all("tr"))
    write_pages(tmp_path, [unclassified])
    index = Tags((tmp_path / "index.html").read_text(encoding="utf-8"))
    usable = [option["value"] for option in index.all("option") if "disabled" not in option]
    assert usable == ["", *LABELS, "either", "true"]


def test_pages_of_an_earlier_call_are_removed_and_nothing_else(page, tmp_path):
    write_pages(tmp_path, [replace(page, study_id=study) for study in ("a", "b", "c")])
    others = ["notes.html", "study.html", "study-a.txt", "mystudy-a.html", "study-a b.html", "study-a.html.bak"]
    for name in others:
        (tmp_path / name).write_text("kept")
    (tmp_path / "study-folder.html").mkdir()
    write_pages(tmp_path, [replace(page, study_id="b")])
    kept = sorted([*others, "study-folder.html", "study-b.html", "index.html", "cases.html"])
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_a_failed_call_removes_nothing(page, tmp_path):
    write_pages(tmp_path, [replace(page, study_id=study) for study in ("a", "b")])

    def failing():
        yield replace(page, study_id="a")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_pages(tmp_path, failing())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cases.html",
        "index.html",
        "study-a.html",
        "study-b.html",
    ]


def test_no_study_at_all_gives_an_empty_list(tmp_path):
    assert write_pages(tmp_path / "new", []) == []
    assert "<tr" not in (tmp_path / "new" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": np.zeros((8, 8), np.float32)}, "image must be uint8"),
        ({"image": np.zeros((8, 8, 1), np.uint8)}, "image must be uint8"),
        ({"image": None}, "a_ws needs the image"),
        ({"a_ws": np.zeros(16)}, "a_ws must be"),
        ({"a_ws": np.full((4, 4), NAN)}, "a_ws must be at least 0"),
        ({"a": np.full((7, 4, 4), 1 / 16)}, r"a must be \[T, D, D\] for 8 words"),
        ({"a": np.full((8, 16), 1 / 16)}, r"a must be \[T, D, D\] for 8 words"),
        ({"a": np.full((8, 4, 4), -1.0)}, "a must be at least 0"),
        ({"image": None, "a_ws": None, "a": np.full((8, 4, 4), 1 / 16)}, "a needs the image"),
        ({"g": np.zeros(3)}, "for 8 words"),
        ({"labels": np.zeros(14)}, "labels must be"),
        ({"thresholds": np.zeros((1, K))}, "thresholds must be"),
        ({"probabilities": np.full(K, NAN)}, "must not be NaN"),
    ],
)
def test_wrong_shapes_are_refused(page, changes, said):
    with pytest.raises(ValueError, match=said):
        replace(page, **changes)


def test_a_report_that_was_read_up_to_a_limit_says_so(page):
    read = render(replace(page, true_words=None, written=False, cut_at=8))
    assert "[...]" in read and "Only its first 8 words were read." in read
    assert "[...]" not in render(replace(page, true_words=None, written=False))


def test_findings_stand_beside_the_sentences_that_they_come_from(page):
    origins = [Origin("Pleural_Thickening", "A & B.", 0.123, None), Origin("Mass", NASTY, 0.9, 0.75)]
    text = render(replace(page, true_words=None, written=False, origins=origins))
    read = Tags(text).text
    assert "Where the findings come from" in read
    assert "Pleural Thickening“A & B.” without it 12%" in re.sub(r"\n", "", read)
    assert f"“{NASTY}” told more than once; this sentence alone gives 75%" in read
    assert "<script>alert" not in text
    for nothing in (None, []):
        assert "Where the findings" not in render(replace(page, true_words=None, written=False, origins=nothing))
