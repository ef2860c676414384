"""Templates: every name is filled in, and values are put in as they are."""

import pytest

from tienet.pages import template


def test_every_name_is_replaced_and_a_value_is_not_read_as_a_template():
    html = template.fill("report.html", title="<b>$words</b>", words="", keys="key")
    assert "<h2><b>$words</b></h2>" in html and "$title" not in html and "\nkey\n" in html


def test_a_name_without_a_value_is_an_error():
    with pytest.raises(KeyError, match="keys"):
        template.fill("report.html", title="", words="")


def test_a_template_that_does_not_exist_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"nothing\.html"):
        template.read("nothing.html")
