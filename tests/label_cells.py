"""Names of labels and cells of label tables, as hypothesis strategies, and a way to have such a table read."""

import csv
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st

from tienet.labels import LABELS

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
