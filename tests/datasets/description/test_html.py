"""The elements of the page's sections: what is text is escaped, and each section can be linked to."""

import pytest

from tienet.datasets.description import html


def test_links_name_the_sections_as_their_titles_do():
    sections = [html.section("Labels & pairs", "<b>in HTML</b>"), html.section("Views", "")]
    assert sections[0] == '<section id="labels-pairs">\n<h2>Labels &amp; pairs</h2>\n<b>in HTML</b>\n</section>'
    assert html.links([*sections, "<p>no section</p>"]).splitlines() == [
        '<a href="#labels-pairs">Labels &amp; pairs</a>',
        '<a href="#views">Views</a>',
    ]


def test_plain_text_is_escaped_in_paragraphs_and_tables():
    assert html.paragraphs(["a < b", "c"]) == "<p>a &lt; b</p>\n<p>c</p>"
    table = html.table('"sizes"', [["<x>", "1", "&"]], head=["name", "<n>", "m"])
    assert '<tr><th scope="row">&lt;x&gt;</th><td>1</td><td>&amp;</td></tr>' in table
    assert '<th scope="col">&lt;n&gt;</th>' in table and 'aria-label="&quot;sizes&quot;"' in table


def test_a_table_without_a_head_has_none():
    assert "<thead>" not in html.table("sizes", [["x", "1"]])


def test_templates_are_those_of_this_package():
    assert ".scroll" in html.read("describe.css")
    with pytest.raises(KeyError):
        html.fill("describe.html")
