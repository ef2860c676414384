"""Splits by hash, in folds, and from a file."""

import hashlib
import json
from collections import Counter

import pytest

from tienet.data.splits import Fold, by_hash, from_json, rule
from tienet.errors import InputError


def test_hash_is_stable_and_has_the_shares():
    # must never change: users compare runs
    assert " ".join(by_hash(str(n)) for n in range(1, 9)) == "train test train train test test train train"
    counts = Counter(by_hash(f"patient {n}") for n in range(20_000))
    for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert abs(counts[split] / 20_000 - share) < 0.01


@pytest.mark.parametrize("folds", [3, 5, 10, 17])
def test_every_study_is_in_the_test_split_of_one_fold(folds):
    groups = [f"patient {n}" for n in range(3000)]
    tested = Counter()
    for number in range(1, folds + 1):
        splits = list(map(Fold(number, folds).split, groups))
        shares = {split: count / len(groups) for split, count in Counter(splits).items()}
        expected = {"test": 1 / folds, "val": 0.1, "train": 0.9 - 1 / folds}
        assert shares == pytest.approx(expected, abs=0.03)
        tested.update(group for group, split in zip(groups, splits, strict=True) if split == "test")
    assert tested == dict.fromkeys(groups, 1)


def test_a_fold_is_cut_by_the_place_of_the_hash():
    """Of five: the test split is a fifth of the circle, validation the first half of the fifth that follows it."""
    for n in range(1, 400):
        place = int(hashlib.sha256(str(n).encode()).hexdigest()[:12], 16) / 16**12
        for number in range(1, 6):
            beyond = (place - (number - 1) / 5) % 1
            expected = "test" if beyond < 0.2 else "val" if beyond < 0.3 else "train"
            assert Fold(number, 5).split(str(n)) == expected
    assert all((Fold(5, 5).split(str(n)) == "test") == (by_hash(str(n)) == "test") for n in range(1, 400))
    # must never change: users compare runs
    assert " ".join(Fold(5, 5).split(str(n)) for n in range(1, 9)) == "train test train train test test train train"


@pytest.mark.parametrize(
    "text", ["fold=0/5", "fold=6/5", "fold=1/2", "fold=1/0", "fold=1", "fold=", "fold=1/5/2", "fold=-1/5", "fold=a/b",
             "fold=1.0/5", "fold=1/5 ", "fold=\u0661/5"]
)  # fmt: skip
def test_what_is_no_fold_is_refused(text):
    with pytest.raises(InputError) as error:
        rule(text)
    said = f"--split {text}: expected fold=K/N with N folds, 3 or more, and K from 1 to N, such as fold=1/5"
    assert str(error.value) == said


def test_a_rule_is_named(tmp_path):
    assert rule("hash") is by_hash
    assert rule("fold=2/3")("7") == Fold(2, 3).split("7")
    of_file = rule(str(write(tmp_path, {"train": ["CXR3"], "val": [], "test": []})))
    assert (of_file("3"), of_file("4")) == ("train", None)
    with pytest.raises(FileNotFoundError, match="--split folds does not exist; expected hash, fold=K/N or a JSON file"):
        rule("folds")


def write(tmp_path, value):
    path = tmp_path / "split.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_r2gen_file(tmp_path):
    parts = {
        "train": [{"id": "CXR2384_IM-0942", "report": "x"}, {"id": "CXR7"}],
        "val": [{"id": "CXR1_IM-0001-4001"}],
        "test": ["CXR3"],
    }
    expected = {"2384": "train", "7": "train", "1": "val", "3": "test"}
    assert from_json(write(tmp_path, parts)) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "not a JSON file (line 1, column 2)"),
        ("[" * 100_000, "not a JSON file (nested too deeply)"),
        ([], "its parts are not train, val and test"),
        ({"train": [], "test": []}, "its parts are not"),
        ({"train": [], "val": {}, "test": []}, "entry 0 of val has no id"),
        ({"train": [{"id": "CXR1"}, {"name": "CXR2"}], "val": [], "test": []}, "entry 1 of train has no id CXR<uid>"),
        ({"train": [{"id": "CXR1"}], "val": [], "test": [{"id": "CXR1_a\nb"}]}, r"'CXR1_a\nb' is in test and in train"),
        ({"train": [{"id": "CXR1"}], "val": [], "test": [{"id": "CXR1_IM-1"}]}, "'CXR1_IM-1' is in test and in train"),
    ],
)
def test_bad_files(tmp_path, value, said):
    with pytest.raises(InputError, match=r"--split .*split\.json") as error:
        from_json(write(tmp_path, value))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.json does not exist"):
        from_json(tmp_path / "gone.json")
    with pytest.raises(InputError, match=r"not a JSON file \(a folder\)"):
        from_json(tmp_path)
