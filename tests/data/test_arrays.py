"""Arrays in damaged files: one line, whatever NumPy raises."""

import io

import numpy as np
import pytest

from tienet.data import arrays
from tienet.errors import InputError


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


GOOD = npy(np.ones((2, 3)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD[:20],
        GOOD[:-1],
        b"\x80\x04K\x01.",  # a pickle
        GOOD.replace(b"(2, 3), }", b"(2, 3,   "),
        GOOD.replace(b"(2, 3), }", b"((((((((("),
        GOOD.replace(b"(2, 3)", b"(-2,) "),
        GOOD.replace(b"'<f8'", b"'|O8'"),
        GOOD.replace(b"'<f8'", b"'\xff\xff\xff'"),
        npy(np.array(["text"])),
        npy(np.zeros(2, "c16")),
        npy(np.zeros(2, [("a", "f4")])),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(InputError) as told:
        arrays.load(path, "put it back")
    assert str(told.value) == f"{path}: not a NumPy array of numbers, or a damaged one; put it back"


def test_an_array_is_loaded_and_its_numbers_are_finite(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(GOOD)
    np.testing.assert_array_equal(arrays.load(path, ""), np.ones((2, 3)))
    path.write_bytes(npy(np.array([1, np.inf])))
    with pytest.raises(InputError, match="has a number that is not finite; put it back"):
        arrays.load(path, "put it back")
    with pytest.raises(FileNotFoundError):
        arrays.load(tmp_path / "gone.npy", "")
