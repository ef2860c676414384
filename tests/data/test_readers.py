"""The note on who labelled a data set by hand."""

import json

import pytest

from tienet.data import readers
from tienet.errors import InputError

OURS = readers.Readers("ours", ["anna", "ben"], "carla", 40, 600, 21, {"all findings": 0.8123}, [0.7, 0.9], [])


def test_what_is_written_is_read_and_said_in_a_sentence(tmp_path):
    assert readers.read(tmp_path) is None
    readers.write(tmp_path, OURS)
    assert readers.read(tmp_path) == OURS
    assert OURS.note() == (
        "labelled by hand by anna and ben, kappa 0.81 (95% 0.70 to 0.90) over all findings; carla decided the 21 "
        "labels on which they differed"
    )


def test_kappa_may_be_undefined_and_nobody_have_decided():
    same = readers.Readers("ours", ["anna", "ben"], None, 4, 60, 0, {"all findings": None}, [None, None], ["a", "b"])
    assert same.note() == (
        "labelled by hand by anna and ben, kappa undefined; the labels of a, b were shown meanwhile, so agreement with "
        "that is too high"
    )


@pytest.mark.parametrize("content", ["[]", "{}", '{"data": 1}', "{", json.dumps({**OURS.__dict__, "kappa": None})])
def test_another_file_of_this_name_is_refused(tmp_path, content):
    (tmp_path / "readers.json").write_text(content)
    with pytest.raises(InputError, match=r"readers\.json: not"):
        readers.read(tmp_path)
