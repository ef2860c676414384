"""The tables of labels on the page: which columns they have, and what their cells say."""

from tests.datasets.description.pages import page_of
from tests.datasets.description.toy_sets import rows
from tienet.labels import LABELS


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
