"""The page: one file, no network, everything escaped, what is known and what is not."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.datasets.description.toy_sets import NASTY, load_set, rows
from tienet.datasets.description import sample_cards
from tienet.datasets.description.page import render
from tienet.datasets.description.summary import summarize
from tienet.labels import LABELS, NO_FINDING


class Elements(HTMLParser):
    """Tags, attributes, and the text outside of <style>."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags[-1:] != [("style", {})]:
            self.words.append(data)


def page_of(folder, table=None, seed=0, most=5000, **columns) -> Elements:
    return Elements(render(summarize(load_set(folder, table, **columns), most, seed, progress=False), seed))


def test_one_file_that_needs_no_network(tmp_path):
    page = page_of(tmp_path / "toy")
    sources = [value for _, has in page.tags for name, value in has.items() if name in ("src", "href")]
    assert sources and all(value.startswith(("data:image/jpeg;base64,", "#")) for value in sources)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert any("default-src 'none'" in has.get("content", "") for _, has in page.tags)


def test_each_link_has_its_section(tmp_path):
    page = page_of(tmp_path / "toy")
    links = [has["href"][1:] for tag, has in page.tags if tag == "a"]
    assert len(links) > 7 and links == [has["id"] for tag, has in page.tags if tag == "section"]


def test_text_from_the_data_set_is_escaped_and_kept(tmp_path):
    view = "<img src=x onerror=alert(2)>"
    page = page_of(tmp_path / "to<y>", view=[view] * 6, **{"<b>": ["x"] * 6})
    assert NASTY.strip() in "".join(page.words)
    assert view in page.text and "s<3>" in page.text and "to<y>" in page.text
    assert not {"script", "b"} & {tag for tag, _ in page.tags}
    assert not any("onerror" in has for _, has in page.tags)


def test_every_drawn_study_has_its_picture_labels_and_report(tmp_path):
    page = page_of(tmp_path / "toy")
    assert [tag for tag, _ in page.tags].count("img") == 5
    assert "5 studies to look at" in page.text
    assert "Effusion" in page.text and "no label" in page.text and "1 unknown" in page.text and "no report" in page.text


def test_a_broken_picture_says_so_in_its_place_and_in_the_list(tmp_path):
    manifest = load_set(tmp_path / "toy")
    manifest.images[0].write_bytes(manifest.images[0].read_bytes()[:25])
    manifest.images[1].unlink()
    page = Elements(render(summarize(manifest, 5000, 0, progress=False), 0))
    assert [tag for tag, _ in page.tags].count("img") == 3
    assert "Broken headers: 2 files" in page.text and "i0.png: truncated PNG header" in page.text
    assert "i1.png does not exist" in page.text


def test_a_sample_of_the_images_is_said_to_be_one(tmp_path):
    assert "Headers of 2 of 5 image files were read: a random sample" in page_of(tmp_path / "toy", most=2).text


def test_unknown_labels_have_columns_only_where_there_are_some(tmp_path):
    assert "of unknown, of all of the split" in page_of(tmp_path / "some").text
    known = rows()
    known[list(LABELS)] = known[list(LABELS)].fillna(0.0)
    page = page_of(tmp_path / "none", known)
    assert "No label is unknown" in page.text and page.words.count("unknown") == 0


def test_shares_of_pairs_are_told_on_each_cell(tmp_path):
    page = page_of(tmp_path / "toy")
    titles = [has["title"] for tag, has in page.tags if tag == "td" and "title" in has]
    assert len(titles) == len(LABELS) ** 2
    assert "Effusion and Edema: 1 study, 50.0% of the 2 with Effusion" in titles
    assert "Effusion and Hernia: 0 studies" in titles  # Hernia is never known


def test_a_data_set_without_images_reports_or_labels_has_a_page(tmp_path):
    table = rows()
    table["image"] = ""
    table["report"] = "same"
    page = page_of(tmp_path / "texts", table)
    assert "No study has an image." in page.text and "No image." in page.text and "6 times (100.0%)" in page.text
    table = rows()[:1].assign(report="", split="test")
    table[list(LABELS)] = np.nan
    page = page_of(tmp_path / "one", table)
    assert "no label is known" in page.text and "0 reports, 0 distinct; 1 study has none." in page.text


def test_no_finding_is_the_first_sample(tmp_path):
    page = page_of(tmp_path / "toy")
    after = page.text[page.text.index("studies to look at Drawn") :]
    assert after.index("s5") < after.index(NO_FINDING.replace("_", " "), 80) < after.index("Effusion")


@pytest.mark.parametrize("length", [sample_cards.MAX_CHARACTERS, sample_cards.MAX_CHARACTERS + 1234])
def test_a_very_long_report_is_cut_and_says_so(length):
    shown = sample_cards.report_html("x" * length)
    assert shown.count("x") == sample_cards.MAX_CHARACTERS
    assert ("1,234 characters more" in shown) == (length > sample_cards.MAX_CHARACTERS)
