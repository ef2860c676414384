"""What holds of the label parsers for any spelling, order and cell."""

import csv
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tienet.datasets.chestxray14.tables import read_entries
from tienet.datasets.openi import mesh
from tienet.datasets.openi.prepare import read_labels
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING, canonical

steady = settings(derandomize=True, max_examples=60, deadline=None)

labels = st.sampled_from(LABELS)
cells = st.text(max_size=12) | st.sampled_from(
    ["1", "0", "", " 1 ", "1.0", "-1", "2", "nan", "Mass", "mass|Edema", "|"]
)
values = st.sampled_from(["1", "0", "", "1.0", "0.0", " 1 "])


@st.composite
def spellings(draw: Callable, of: Sequence[str] = LABELS) -> tuple[str, str]:
    """(a label, a way to write it): any case, words parted by space, hyphen, underscore or nothing, spaces around."""
    label = draw(st.sampled_from(of))
    written = label.replace("_", draw(st.sampled_from(["_", " ", "-", "", " _ "])))
    cased = draw(st.sampled_from([str.lower, str.upper, str.title, str.swapcase, str]))(written)
    return label, draw(st.sampled_from(["", " ", "\t"])) + cased + draw(st.sampled_from(["", " ", "_"]))


def read(parse: Callable[[Path], object], rows: Sequence[Sequence[str]]) -> object:
    """What a parser makes of a CSV file of these rows."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(text.getvalue().encode(errors="replace"))
        return parse(path)


# ---- canonical ----


@steady
@given(spellings())
def test_every_spelling_is_its_label(spelling):
    label, written = spelling
    assert canonical(written) == label


@steady
@given(st.text(max_size=30))
def test_any_name_is_a_label_or_none_and_a_label_is_itself(name):
    label = canonical(name)
    assert label is None or (label in LABELS and canonical(label) == label)


@steady
@given(labels, st.text(alphabet="abcxyz0189", min_size=1, max_size=5))
def test_a_longer_name_is_no_label(label, more):
    assert canonical(label + more) is None


# ---- NIH's Finding Labels ----

HEADER = ["Image Index", "Finding Labels", "Patient ID"]


@steady
@given(st.lists(st.lists(spellings(), min_size=1, max_size=6), min_size=1, max_size=5))
def test_listed_labels_are_those_that_stand_between_the_bars(listed):
    rows = [[f"{n}.png", "|".join(written for _, written in cell), "7"] for n, cell in enumerate(listed)]
    entries = read(read_entries, [HEADER, *rows])
    for n, cell in enumerate(listed):
        assert {label for label in LABELS if entries[label].iloc[n] == 1} == {label for label, _ in cell}
    assert set(np.unique(entries[list(LABELS)])) <= {0.0, 1.0}


@steady
@given(st.lists(labels, min_size=1, max_size=6), st.randoms())
def test_order_and_repetition_of_listed_labels_do_not_matter(listed, random):
    shuffled = [*listed, listed[0]]
    random.shuffle(shuffled)
    entries = read(read_entries, [HEADER, *[[f"{n}.png", "|".join(names), "7"] for n, names in
                                            enumerate((listed, shuffled))]])  # fmt: skip
    assert (entries[list(LABELS)].iloc[0] == entries[list(LABELS)].iloc[1]).all()


@steady
@given(cells)
def test_any_listed_cell_is_read_or_refused_by_its_row(cell):
    names = cell.replace("\ufeff", "").strip().split("|")
    try:
        entries = read(read_entries, [HEADER, ["1.png", "Mass", "7"], ["2.png", cell, "7"]])
    except InputError as error:
        assert "row " in str(error)
        assert "\0" in cell or not all(canonical(name) for name in names)
    else:
        assert {label for label in LABELS if entries[label].iloc[1] == 1} == {canonical(name) for name in names}


# ---- a label file of OpenI ----


@st.composite
def label_files(draw: Callable) -> tuple[list[str], list[list[str]]]:
    """Header (filename and the 14 findings in any order, with a column of its own) and up to four rows."""
    findings = draw(st.permutations(FINDINGS))
    header = ["filename", *findings, "remark"]
    count = draw(st.integers(1, 4))
    rows = [[f"CXR{n}", *draw(st.lists(values, min_size=14, max_size=14)), "x"] for n in range(count)]
    order = draw(st.permutations(range(len(header))))
    return [header[k] for k in order], [[row[k] for k in order] for row in rows]


@steady
@given(label_files())
def test_a_label_file_is_read_by_its_header(file):
    header, rows = file
    labels_of = read(read_labels, [header, *rows])
    assert list(labels_of) == [str(n) for n in range(len(rows))]
    for n, row in enumerate(rows):
        of_report = labels_of[str(n)]
        assert tuple(of_report) == LABELS
        cell_of = dict(zip(header, row, strict=True))
        expected = [float(cell_of[name]) if cell_of[name].strip() else np.nan for name in FINDINGS]
        np.testing.assert_array_equal([of_report[name] for name in FINDINGS], expected)
        # No_Finding by its words: no if one is there, yes if none is, else unknown
        none = 0.0 if 1.0 in expected else (1.0 if all(value == 0 for value in expected) else np.nan)
        np.testing.assert_array_equal(of_report[NO_FINDING], none)


@steady
@given(cells, st.sampled_from(FINDINGS))
def test_any_cell_of_a_label_file_is_1_0_unknown_or_refused_by_row_and_column(cell, finding):
    row = ["CXR1", *[cell if name == finding else "0" for name in FINDINGS]]
    try:
        labels_of = read(read_labels, [["filename", *FINDINGS], ["CXR0", *["1"] * 14], row])
    except InputError as error:
        assert "row 3" in str(error)
        assert "\0" in cell or f"column {finding}: " in str(error)
        assert cell.strip() not in ("1", "0", "", "1.0", "0.0")
    else:
        assert labels_of["1"][finding] in (0.0, 1.0) or not cell.strip()


@steady
@given(st.text(max_size=12))
def test_any_name_in_a_label_file_is_a_report_or_refused(name):
    try:
        labels_of = read(read_labels, [["filename", *FINDINGS], ["CXR0", *["0"] * 14], [name, *["1"] * 14]])
    except InputError as error:
        assert "row 3" in str(error)
        assert "\0" in name or name.strip().removeprefix("CXR") in ("", "0")
    else:
        assert len(labels_of) == 2 and labels_of["0"][NO_FINDING] == 1


# ---- MeSH majors ----

headings = [rule for rules in mesh.RULES.values() for rule in rules]
majors = st.lists(st.sampled_from([*headings, "normal", "Spine/degenerative", "Thickening/bronchi", "Mass"]) |
                  st.text(max_size=10), max_size=6)  # fmt: skip


def found(of: Sequence[str]) -> set[str]:
    labels_of = mesh.findings(of)
    return {name for name in FINDINGS if labels_of and labels_of[name]}


@steady
@given(majors)
def test_majors_give_all_15_labels_or_none_at_all(some):
    labels_of = mesh.findings(some)
    if labels_of is None:
        indexed = [major for major in some if major.strip()]
        assert not indexed or any("no indexing" in major.lower() for major in indexed)
        return
    assert tuple(labels_of) == LABELS and set(labels_of.values()) <= {0, 1}
    assert labels_of[NO_FINDING] == (0 if any(labels_of[name] for name in FINDINGS) else 1)


@steady
@given(majors, st.randoms())
def test_order_case_repetition_and_space_do_not_matter(some, random):
    some = [major for major in some if major.isascii()]
    other = [f" {major.upper()} ".replace("/", " / ") for major in [*some, *some[:1]]]
    random.shuffle(other)
    assert mesh.findings(other) == mesh.findings(some)


@steady
@given(majors, majors)
def test_each_major_counts_by_itself(some, more):
    assert found([*some, *more]) == found(some) | found(more)


@steady
@given(st.sampled_from([(finding, rule) for finding, rules in mesh.RULES.items() for rule in rules]),
       st.lists(st.sampled_from(["left", "mild", "apex", "bilateral", "pleura"]), max_size=4))  # fmt: skip
def test_a_rule_fits_whatever_qualifiers_stand_beside_its_own(rule, qualifiers):
    finding, wanted = rule
    heading, *needed = wanted.split("/")
    assert finding in found(["/".join([heading, *qualifiers, *needed])])


@steady
@given(majors, st.sampled_from([*LABELS, "all"]))
def test_the_majors_to_look_at_are_some_of_the_reports(some, label):
    matter = mesh.relevant_majors(label, some)
    assert set(matter) <= set(some) and (matter or not some)
    if label in found(some):
        assert all(label in found([major]) for major in matter)
