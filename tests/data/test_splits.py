"""Splits by hash and from a file."""

import json
from collections import Counter

import pytest

from tienet.data.splits import by_hash, from_json
from tienet.errors import InputError


def test_hash_is_stable_and_has_the_shares():
    # must never change: users compare runs
    assert " ".join(by_hash(str(n)) for n in range(1, 9)) == "train test train train test test train train"
    counts = Counter(by_hash(f"patient {n}") for n in range(20_000))
    for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert abs(counts[split] / 20_000 - share) < 0.01


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
