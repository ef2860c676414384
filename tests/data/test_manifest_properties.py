"""Whatever the file holds, the reader gives a data set or an InputError that names the place."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tienet.data import manifest as manifests
from tienet.data.splits import SPLITS
from tienet.errors import InputError
from tienet.labels import LABELS

HEADER = ",".join(manifests.COLUMNS)
CELL = st.sampled_from(
    ["", "1", "0", "1.0", "x", "train", "val", "test", "s1", "p1", "a,b", 'q"q', "é\n", " 1 ", "nan"]
)
PARTS = settings(max_examples=200, deadline=None, derandomize=True)


def result_of(path):
    try:
        return manifests.load(str(path))
    except InputError as error:
        assert str(path) in str(error)
        return None


@PARTS
@given(content=st.binary(max_size=400))
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("m") / "any.csv"
    for start in (b"", HEADER.encode() + b"\n"):
        path.write_bytes(start + content)
        result_of(path)


@PARTS
@given(rows=st.lists(st.lists(CELL, min_size=len(manifests.COLUMNS), max_size=len(manifests.COLUMNS)), max_size=4))
def test_any_cells_load_only_if_they_keep_the_contract(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("m") / "any.csv"
    pd.DataFrame(rows, columns=list(manifests.COLUMNS), dtype=str).to_csv(path, index=False)
    m = result_of(path)
    if m is not None:
        assert len(m) == len(rows) == len(set(m.study_ids)) and set(m.splits) <= set(SPLITS)
        assert np.isin(m.labels[~np.isnan(m.labels)], (0, 1)).all()
        assert all(image or report.strip() for image, report in zip(m.images, m.reports, strict=True))


@PARTS
@given(data=st.data())
def test_what_is_written_is_what_is_read_in_any_order_of_rows(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("m")
    n = data.draw(st.integers(1, 8))
    table = pd.DataFrame({"study_id": [f"s{k}" for k in range(n)], "patient_id": [f"p{k // 2}" for k in range(n)]})
    table["image"], table["report"] = "", [data.draw(st.text(min_size=1, max_size=20)) + "." for _ in range(n)]
    table["report"] = table.report.str.replace("\0", "").str.encode("utf-8", "ignore").str.decode("utf-8")
    splits = [data.draw(st.sampled_from(SPLITS)) for _ in range(n)]
    table["split"] = [splits[k // 2] for k in range(n)]
    known = [data.draw(st.integers(0, 2 ** len(LABELS) - 1)) for _ in range(n)]  # bit k: is label k known?
    for k, label in enumerate(LABELS):
        table[label] = [1.0 if bits >> k & 1 else np.nan for bits in known]
    shuffled = table.iloc[data.draw(st.permutations(range(n)))]
    manifests.write(folder / "one.csv", shuffled)
    m = manifests.load(str(folder / "one.csv"))
    assert m.study_ids == shuffled.study_id.tolist() and m.reports == shuffled.report.tolist()
    np.testing.assert_array_equal(m.labels, shuffled[list(LABELS)].to_numpy(np.float32))
