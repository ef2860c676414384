"""Names of images from other systems become the same parts."""

import unicodedata

import pytest

from tienet.data.image_names import parts, plain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a"),
        ("p1/a.DCM", "p1/a"),
        (r"p1\a.jpeg", "p1/a"),
        (r"C:\films\p1\a.png", "/films/p1/a"),
        (r"\\server\share\a.png", "/server/share/a"),
        ("/films//p1/./a.png", "/films/p1/a"),
        ("./p1/../p2/a", "p2/a"),
        ("../a", "a"),
        ("1.2.840.1", "1.2.840.1"),
        ("a.dcm.png", "a.dcm"),
        ("a.v2", "a.v2"),
        ("A", "A"),
        ("study1/", "study1"),
        ("C:a.png", "C:a"),
        ("", ""),
        ("/", ""),
        (".png", ""),
    ],
)
def test_a_name_has_the_same_parts_on_every_system(name, expected):
    assert plain(name) == expected == plain(expected, has_ending=False)
    assert parts(name) == tuple(part for part in expected.split("/") if part)


def test_an_accent_is_one_character_or_two():
    name = "Müller/Łoś_é.png"
    assert parts(unicodedata.normalize("NFD", name)) == parts(name) == ("Müller", "Łoś_é")


def test_bytes_that_are_no_utf8_stay_apart():
    assert parts(b"r\xf6ntgen.png".decode("utf-8", "surrogateescape")) == ("r\udcf6ntgen",)
