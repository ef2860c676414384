"""The page of maps and boxes: what is drawn where, and that it needs no network."""

import re

import numpy as np

from tienet.pages.locations import LocatedCase, LocatedMap, render

BOX = np.array([0.25, 0.5, 0.75, 1.0])


def case(study_id="s1", finding="Pleural_Thickening", runs=("a", "b")):
    map_ = np.arange(16.0).reshape(4, 4) - 8
    maps = [LocatedMap(run, map_, np.array([0.125, 0.875]), BOX, "IoU 0.10 & more") for run in runs]
    return LocatedCase(study_id, finding, np.full((20, 20), 90, np.uint8), np.array([[0, 0, 0.1, 0.2]] * 2), maps)


def test_boxes_and_peaks_are_drawn_in_shares_of_the_image():
    page = render("x", [case()], 1, "table")
    assert page.count('class="true" x="0.00" y="0.00" width="10.00" height="20.00"') == 4  # two boxes under two maps
    assert page.count('class="found" x="25.00" y="50.00" width="50.00" height="50.00"') == 2
    assert page.count('class="peak" d="M10.50 87.50h4M12.50 85.50v4"') == 2
    assert page.count('<img class="map"') == 2


def test_each_image_is_in_the_page_once():
    page = render("x", [case(), case(finding="Mass"), case("s2", "Mass")], 3, "")
    assert re.findall(r"^\.(image-\d) \{ background-image: url\(data:image/png", page, re.MULTILINE) == [
        "image-0",
        "image-1",
    ]
    assert [page.count(f'"frame located image-{n}"') for n in (0, 1)] == [4, 2]


def test_findings_have_sections_and_the_page_says_what_it_leaves_out():
    page = render("x", [case(), case(finding="Mass"), case("s2", "Mass")], 3, "")
    assert re.findall(r"<h2>(.*)</h2>", page) == ["Pleural Thickening", "Mass", "Figures"]
    assert "All 3 cases" in page and "3 of 1,984 cases" in render("x", [case()] * 3, 1984, "")


def test_names_and_figures_are_text():
    page = render("<u>", [case("<em>", runs=("<del>",))], 1, "a < b")
    assert not re.search("<(u|em|del)>", page)
    assert all(
        text in page for text in ("&lt;u&gt;", "<h3>&lt;em&gt;</h3>", "&lt;del&gt;", "IoU 0.10 &amp; more", "a &lt; b")
    )


def test_it_needs_neither_network_nor_script():
    page = render("x", [case()], 1, "")
    assert "default-src 'none'" in page and "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_a_map_that_is_the_same_everywhere_is_drawn():
    flat = LocatedMap("a", np.ones((4, 4)), np.array([0.5, 0.5]), BOX, "")
    only = LocatedCase("s", "Mass", np.zeros((8, 8), np.uint8), BOX[None], [flat])
    with np.errstate(all="raise"):
        assert '<img class="map"' in render("x", [only], 1, "")
