"""A table as HTML: it is whole, loads nothing, and has the figures of the text."""

from html.parser import HTMLParser

from tests.evaluation.paper.columns import MEANS, aucs, column, entry, modes, reports
from tienet.evaluation.paper.layout import table_text
from tienet.evaluation.paper.tables import table_1, table_2, write_tables
from tienet.labels import LABELS


class TableParser(HTMLParser):
    """For each table the number of columns of each row, the texts of all cells, tags that load something, open tags."""

    def __init__(self, text: str):
        super().__init__()
        self.widths: list[list[int]] = []
        self.rows: list[list[str]] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.loads += [f"{tag} {name}" for name in values if name in ("src", "href")]
        self.loads += [tag] if tag in ("script", "link", "img") else []
        if tag != "meta":
            self.open.append(tag)
        if tag == "table":
            self.widths.append([])
        if tag == "tr":
            self.widths[-1].append(0)
            self.rows.append([])
        if tag in ("td", "th"):
            self.widths[-1][-1] += int(values.get("colspan", 1))
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += text


def test_html_is_whole_loads_nothing_and_has_the_figures_of_the_text(tmp_path):
    pair = {key: entry(0.02) for key in MEANS}
    controls = {"tfidf_logistic": aucs(0.6), "constant_report": reports(0.3)}
    data = {"openi": [*modes(controls=controls), column("R", "r2", aucs(0.7, ("Hernia",)))], "phantom": modes()}
    one = table_1(data, {"openi": {("I+R", "R (r2)"): pair}})
    write_tables(tmp_path, one, table_2(data), ["R (runs/r): as the paper"])
    text = (tmp_path / "tables.html").read_text()
    page = TableParser(text)
    assert page.open == [] and page.loads == []
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    assert len(page.widths) == 5  # two tables on two data sets, and the paired differences
    assert all(len(set(widths)) == 1 for widths in page.widths)
    of_text = table_text(one).split("\n\nphantom, split")[0].splitlines()
    for name in (*LABELS, *MEANS.values()):
        words = [word for line in of_text if line.startswith(f"{name} ") for word in line.split()[1:]]
        assert " ".join(next(row for row in page.rows if row[0] == name)).split() == [name, *words]
    assert "<li>R (runs/r): as the paper</li>" in text


def test_html_escapes_what_users_name(tmp_path):
    name = "<script>&"
    columns = [column("R", f"{name}{i}", aucs(0.5)) for i in range(2)]
    pair = {(f"R ({name}0)", f"R ({name}1)"): {key: entry(0.0001, 0.0001) for key in MEANS}}
    write_tables(tmp_path, table_1({name: columns}, {name: pair}), None, [f"R ({name}): as the paper"])
    text = (tmp_path / "tables.html").read_text()
    assert "<script" not in text and "&lt;script&gt;&amp;0" in text
    assert "&lt;.001" in text
    assert TableParser(text).open == []
