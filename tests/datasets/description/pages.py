"""The page of a toy data set, in parsed form."""

import re
from html.parser import HTMLParser

from tests.datasets.description.toy_sets import load_set
from tienet.datasets.description.page import render
from tienet.datasets.description.summary import summarize


class Elements(HTMLParser):
    """The tags and attributes of a page, and its text outside of <style>."""

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


def page_of(folder, table=None, seed=0, max_images=5000, **columns) -> Elements:
    return Elements(render(summarize(load_set(folder, table, **columns), max_images, seed, progress=False), seed))
