"""Image files of a manifest: what is no image, and what is in two splits."""

from pathlib import Path

import pytest

from tienet.data import image_files

PNG = b"\x89PNG\r\n\x1a\n"


def image(path: Path, content: bytes = b"") -> Path:
    path.write_bytes(PNG + content)
    return path


def test_copies_within_a_split_are_no_problem(tmp_path):
    a, b = image(tmp_path / "a.png"), image(tmp_path / "b.png")
    found = image_files.check([a, b, None, a], ["train"] * 4)
    assert found == image_files.ImageCheck()


@pytest.mark.parametrize("size", [1, 2000, 100_000])
def test_a_copy_in_another_split_is_found_under_any_name(tmp_path, size):
    content = bytes(n % 251 for n in range(size))
    a, copy = image(tmp_path / "a.png", content), image(tmp_path / "z.jpg", content)
    other = image(tmp_path / "b.png", content[:-1] + b"\xff")
    found = image_files.check([None, a, other, copy, copy], ["val", "train", "train", "test", "test"])
    assert found.same_as == {3: 1} and not found.wrong


def test_the_same_file_in_three_splits_is_told_once_a_split(tmp_path):
    a = image(tmp_path / "a.png")
    assert image_files.check([a] * 5, ["val", "train", "val", "test", "train"]).same_as == {1: 0, 3: 0}


def test_pictures_that_differ_only_in_the_middle_are_different(tmp_path):
    content = bytearray(10_000)
    a = image(tmp_path / "a.png", bytes(content))
    content[5000] = 1
    b = image(tmp_path / "b.png", bytes(content))
    assert not image_files.check([a, b], ["train", "test"]).same_as


def test_what_is_wrong_with_a_file_is_told_once_for_all_its_studies(tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.png").touch()
    paths = [tmp_path / name for name in ("text.png", "empty.png", "gone.png", "", "text.png")]
    wrong = image_files.check(paths, ["train", "train", "train", "train", "test"]).wrong
    assert len(wrong) == 4
    for path, what in zip(paths, ("neither PNG nor JPEG", "is empty", "does not exist", "is not a file"), strict=False):
        assert what in wrong[path]


def test_copies_stay_where_they_are_tested(tmp_path):
    a, b, c = (image(tmp_path / f"{n}.png", bytes([n])) for n in range(3))
    other_a = image(tmp_path / "other.png", bytes([0]))
    images = [a, other_a, b, b, None, c, c, a, tmp_path / "gone.png"]
    splits = ["train", "test", "val", "train", "train", "train", "train", "val", "train"]
    assert image_files.find_copies(images, splits) == [0, 3, 7]
    assert image_files.find_copies(images[4:7], splits[4:7]) == []
