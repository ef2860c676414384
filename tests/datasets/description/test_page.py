"""The page: one file, no network, everything escaped, what is known and what is not."""

import numpy as np

from tests.datasets.description.pages import Elements, page_of
from tests.datasets.description.toy_sets import NASTY, load_set, rows
from tienet.datasets.description.page import render
from tienet.datasets.description.summary import summarize
from tienet.labels import LABELS


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


def test_a_broken_picture_says_so_in_its_place_and_in_the_list(tmp_path):
    manifest = load_set(tmp_path / "toy")
    manifest.images[0].write_bytes(manifest.images[0].read_bytes()[:25])
    manifest.images[1].unlink()
    page = Elements(render(summarize(manifest, 5000, 0, progress=False), 0))
    assert [tag for tag, _ in page.tags].count("img") == 3
    assert "Broken headers: 2 files" in page.text and "i0.png: truncated PNG header" in page.text
    assert "i1.png does not exist" in page.text


def test_a_sample_of_the_images_is_said_to_be_one(tmp_path):
    assert "Headers of 2 of 5 image files were read: a random sample" in page_of(tmp_path / "toy", max_images=2).text


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
