"""Which image a name is that of: all parts of a path must agree, and what is not clear is refused."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tienet.data import image_names
from tienet.datasets.folder.matching import Film, difference, match
from tienet.errors import InputError

IMAGES = Path("/data/img")


def film(name: str, *, ids: Sequence[str] = (), patient: str = "") -> Film:
    """The film of IMAGES/name."""
    return Film.of(IMAGES / name, image_names.ENDING.sub("", name), ids=ids, patient=patient)


def matched(names: Sequence[str], films: Sequence[Film], beside: bool = False) -> list[str | None]:
    return match(map(image_names.plain, names), films, "t.csv", beside).name_of


def refused(names: Sequence[str], films: Sequence[Film]) -> str:
    with pytest.raises(InputError) as told:
        matched(names, films)
    message = str(told.value)
    assert message.startswith("t.csv: ") and "\n" not in message
    return message


def test_a_path_never_matches_by_its_file_name_alone():
    films = [film("patient00001/frontal.png"), film("patient00003/second.png")]
    names = ["patient00002/frontal.png", "patient00003/second.png"]
    assert matched(names, films) == [None, "patient00003/second"]
    assert matched([r"C:\x\patient00002\frontal.png", "/y/patient00003/frontal.png"], films) == [None, None]
    assert matched(["patient00002/frontal.png"], [film("frontal.png")]) == [None]


def test_the_longest_path_counts():
    films = [film("a/1.png"), film("b/1.png")]
    assert matched(["1.png", "b/1.png"], films) == ["1", "b/1"]
    assert matched(["img/a/1.png", "a/1.jpg", "/data/img/b/1"], films) == ["img/a/1", "/data/img/b/1"]


def test_a_bare_name_of_two_files_is_refused_and_both_are_named():
    message = refused(["1.png", "2.png"], [film("a/1.png"), film("b/1.dcm"), film("2.png")])
    assert "'1' is the name of 2 images, such as /data/img/a/1.png and /data/img/b/1.dcm" in message
    assert "write the path" in message
    assert "2 images" in refused(["x/1.png"], [film("a/x/1.png"), film("b/x/1.png")])
    assert "2 images" in refused(["1.png"], [film("1.png"), film("b/1.png")])


def test_a_text_beside_its_image_is_no_other_images():
    films = [film("a/1.png"), film("b/a/1.png"), film("2.png")]
    assert matched(["a/1", "2"], films, beside=True) == ["a/1", None, "2"]
    assert matched(["s5"], [film("s5.png"), film("s5/lat.png")], beside=True) == ["s5", None]


def test_the_name_of_a_folder_is_that_of_all_its_images():
    films = [film("p1/s5/a.png"), film("p1/s5/b.png"), film("c.png")]
    assert matched(["s5"], films) == ["s5", "s5", None]
    assert matched(["p1/s5", "img"], films) == ["p1/s5", "p1/s5", None]
    assert matched(["p2/s5"], films) == [None, None, None]
    assert matched(["s5"], [film("s5/s5.png"), film("s5/lat.png")]) == ["s5", "s5"]
    assert "'s5' is the name of 2 images" in refused(["s5"], [film("p1/s5/a.png"), film("p2/s5/a.png")])


def test_uids_and_accession_numbers():
    one = film("x/1", ids=["1.2.1", "1.2.9", "ACC/4"], patient="P1")
    two = film("x/2", ids=["1.2.2", "1.2.9", "ACC/4"], patient="P1")
    assert matched(["1.2.9"], [one, two]) == ["1.2.9", "1.2.9"]
    assert matched(["ACC/4", "1.2.2"], [one, two]) == ["ACC/4", "1.2.2"]
    assert matched(["P1/study/1.2.2.dcm"], [one, two]) == [None, "P1/study/1.2.2"]


def test_an_accession_number_of_two_patients_is_refused():
    films = [film(f"x/{n}", ids=[f"1.2.{n}", f"1.3.{n}", "77"], patient=f"P{n}") for n in (1, 2)]
    assert "'77' is the name of 2 images" in refused(["77"], films)
    other = film("x/77.dcm", ids=["1.2.3", "1.3.3", ""], patient="P3")
    assert "'77' is the name of 2 images" in refused(["77"], [films[0], other])


def test_copies_of_one_dicom_image_are_one_image():
    films = [film(f"{folder}/1.dcm", ids=["1.2.1", "1.2.9", ""]) for folder in ("a", "b")]
    assert matched(["1.dcm"], films) == ["1", "1"]


def test_a_second_ending_does_not_count_unless_another_file_has_the_name():
    assert matched(["a.dcm", "b.dcm.png"], [film("a.dcm.png"), film("b.dcm.png")]) == ["a", "b.dcm"]
    assert matched(["a"], [film("a.dcm.png"), film("a.dcm")]) == [None, "a"]


def test_the_folder_of_another_machine_takes_the_place_of_the_images_folder():
    films = [film(f"p{n}/film{n}.png") for n in (1, 2)]
    names = [rf"C:\xrays\p{n}\film{n}.png" for n in (1, 2, 3)]
    matches = match(map(image_names.plain, names), films, "t.csv")
    assert matches.root == ("xrays",) and matches.name_of == ["/xrays/p1/film1", "/xrays/p2/film2"]
    names = [f"/mnt/set/p{n}/frontal.png" for n in (1, 2, 3)]
    assert matched(names, [film("p1/frontal.png"), film("p2/frontal.png")]) == ["/mnt/set/p1/frontal",
                                                                                 "/mnt/set/p2/frontal"]  # fmt: skip


def test_it_may_hold_the_images_in_one_folder_of_it():
    films = [film(f"train/p{n}/study1/frontal.png") for n in (1, 2)]
    names = [rf"D:\CheXpert\train\p{n}\study1\frontal.png" for n in (1, 2, 3)]
    matches = match(map(image_names.plain, names), films, "t.csv")
    assert matches.root == ("CheXpert",) and None not in matches.name_of
    assert matched([rf"D:\x\p2\s1\{n}.png" for n in "ab"], [film("s1/a.png"), film("s1/b.png")]) == [None, None]
    assert matched([rf"D:\Doe\s1\{n}.png" for n in "ab"], [film("s1/a.png"), film("s1/b.png")]) == [None, None]


def test_a_folder_that_may_be_another_patients_does_not():
    films = [film("study1/frontal.png"), film("study2/frontal.png")]
    other = [rf"C:\xrays\patient00002\study{n}\frontal.png" for n in (1, 2)]
    assert matched(other, films) == [None, None]
    assert matched(other[:1], films) == [None, None]
    assert matched([r"C:\xrays\p1\frontal.png", r"D:\disk\p2\frontal.png"], [film("p1/frontal.png")]) == [None]
    assert matched([r"C:\xrays\1.png", r"C:\xrays\2.png"], [film("1.png"), film("2.png")]) == [None, None]
    relative = ["patient2/study1/frontal.png", "patient2/study2/frontal.png"]
    assert matched(relative, films) == [None, None]


@pytest.mark.parametrize(
    ("name", "file", "what"),
    [
        ("patient00002/frontal.png", "patient00001/frontal.png", "the folder"),
        ("1.tif", "1.png", "the ending"),
        ("1", "00000001.png", "leading zeros"),
        ("CXR_01.png", "CXR_1.png", "leading zeros"),
        ("Film.png", "film.png", "upper and lower case"),
        ("Mueller 1.png", "Mueller_1.png", "how they are spelt"),
        ("Muller.png", "Müller.png", "how they are spelt"),
    ],
)
def test_it_is_said_which_part_differs(name, file, what):
    said = difference([image_names.plain("other.png"), image_names.plain(name)], [film("else.png"), film(file)])
    assert said.endswith(f"and the file /data/img/{file} differ in {said.rpartition(' differ in ')[2]}")
    assert f"differ in {what}" in said and repr(image_names.plain(name)) in said


def test_names_that_are_like_no_file_are_shown():
    assert difference(["7"], [film("a.png")]) == "the first name is '7', the first file /data/img/a.png"


def test_names_of_any_length_take_little_time():
    films = [film("a.png"), film("p1/b.png")]
    long = [f"/{n}" + "/a" * 30_000 + f"/{n}.png" for n in range(2)]
    deep = ["/x" + "/a" * 30_000 + f"/p{n}/c.png" for n in range(2)]
    began = time.process_time()
    assert matched(long, films) == matched(deep, films) == [None, None]
    assert "the first name is" in difference(["x" + ".a" * 30_000 + "!", "y" + ".a" * 30_000], films)
    assert time.process_time() - began < 2
