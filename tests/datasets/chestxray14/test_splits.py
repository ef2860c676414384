"""NIH's lists, and the validation split by patient."""

from collections import Counter

import pandas as pd
import pytest

from tienet.datasets.chestxray14 import counts as nih_counts
from tienet.datasets.chestxray14.splits import assign, read_list, train_or_val
from tienet.errors import InputError


def patients(**of_image: str) -> pd.Series:
    return pd.Series(of_image)


def test_seven_to_one_and_stable():
    # must never change: users compare runs
    assert [train_or_val(str(n)) for n in range(1, 13)] == ["train"] * 8 + ["val"] + ["train"] * 3
    counts = Counter(train_or_val(f"patient {n}") for n in range(20_000))
    assert set(counts) == {"train", "val"} and abs(counts["val"] / 20_000 - 1 / 8) < 0.01


def test_a_patient_of_the_first_list_goes_where_the_hash_says_and_the_others_to_test():
    ids = {f"i{n}": str(n // 2) for n in range(400)}
    names = list(ids)
    split = assign(patients(**ids), names[:200], names[200:])
    assert split[200:] == ["test"] * 200
    assert split[:200] == [train_or_val(ids[name]) for name in names[:200]]
    assert set(split[:200]) == {"train", "val"} and split[:200:2] == split[1:200:2]


def test_lists_may_name_more_images_than_the_table_has():
    assert assign(patients(a="1"), ["b", "c"], ["d", "a"]) == ["test"]


@pytest.mark.parametrize(
    ("train_val", "test", "said"),
    [
        (["a", "b"], ["b", "c"], "image b is in --train-val-list and in --test-list"),
        (["a", "b", "c"], ["c", "b"], "2 images (the first is b) are in --train-val-list and in --test-list"),
        (["a"], ["c"], "image b is in --entry and in neither list"),
        (["a", "c"], ["b"], "patient 1 is in --train-val-list and in --test-list"),
    ],
)
def test_lists_that_contradict(train_val, test, said):
    with pytest.raises(InputError) as told:
        assign(patients(a="1", b="1", c="2"), train_val, test)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_swapped_lists():
    names = [str(n) for n in range(nih_counts.TEST_IMAGES + nih_counts.TRAIN_VAL_IMAGES)]
    with pytest.raises(InputError, match="swap it with --test-list"):
        assign(patients(), names[: nih_counts.TEST_IMAGES], names[nih_counts.TEST_IMAGES :])


def test_a_list_as_windows_and_as_unix_write_it(tmp_path):
    path = tmp_path / "list.txt"
    for text in ("1_0.png\n2_0.png", "1_0.png\r\n2_0.png\r\n\r\n", "\ufeff1_0.PNG \n images/2_0.jpg\n"):
        path.write_bytes(text.encode())
        assert read_list(path) == ["1_0", "2_0"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xff\xfe1\x00", "not text"),
        (b"1_0.png\n2_0.png,Mass\nx y.png\n", "2 of 3 lines are no image's file name, the first is line 2, '2_0.png,M"),
        (b"<html>" + b"x" * 500, "1 of 1 lines"),
        (b"1_0.png\n2_0.png\n1_0.jpg\n", "image 1_0 is there more than once"),
    ],
)
def test_a_file_that_is_no_list(tmp_path, content, said):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as told:
        read_list(path)
    message = str(told.value)
    assert str(path) in message and said in message and "\n" not in message and len(message) < 300


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.txt does not exist"):
        read_list(tmp_path / "gone.txt")
    with pytest.raises(InputError, match="is not a file"):
        read_list(tmp_path)
