"""The table of what was left out, and how it is counted."""

import os

from tienet.datasets import left_out

ROWS = [("a.png", "train", "gone"), ("b.png", "test", "gone"), ("c.png", "train", "gone"), ("d.png", "", "odd")]


def test_reasons_are_counted_by_split():
    table = left_out.table(ROWS)
    assert list(table.columns) == ["image", "split", "reason"]
    assert left_out.reasons(table) == "3 x gone (train 2, test 1); 1 x odd"
    assert left_out.reasons(left_out.table([("1", "gone")], ("uid", "reason"))) == "1 x gone"


def test_splits_come_in_their_order_and_then_the_most_frequent_of_the_others():
    names = ["test", "b", "train", "a", "test", "a"]
    assert left_out.counts(left_out.table([(name, name, "x") for name in names]).split) == "train 1, test 2, a 2, b 1"


def test_the_line_names_the_file_that_is_written(tmp_path):
    table = left_out.table(ROWS)
    left_out.write(tmp_path, table)
    assert (tmp_path / "left_out.csv").read_text().splitlines()[:2] == ["image,split,reason", "a.png,train,gone"]
    assert left_out.line(tmp_path, table).startswith(f"left out, each named in {tmp_path / 'left_out.csv'}: 3 x gone")
    assert left_out.line(tmp_path, table[:0]) is None


def test_names_that_are_not_utf8_can_be_written(tmp_path):
    left_out.write(tmp_path, left_out.table([(os.fsdecode(b"r\xf6.png"), "", "gone")]))
    assert (tmp_path / "left_out.csv").read_text(encoding="utf-8").splitlines()[1] == r"r\xf6.png,,gone"
