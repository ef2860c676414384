"""Pseudonyms: they need the salt, stay with it, and the salt is kept where only its owner reads it."""

import stat

import pytest

from tests.datasets.folder.toy_folder import SALT, load, png
from tienet.datasets.folder.pseudonyms import DIGITS, Pseudonyms, read_salt
from tienet.errors import InputError


def test_ids_need_the_salt_and_stay_with_it(run, source, tmp_path):
    png(source / "a.png")
    runs = [("1", SALT), ("2", SALT), ("3", "another long salt"), ("4", None), ("5", None), ("4", None)]
    ids = [load(run(out=tmp_path / name, salt=salt)[1]).study_ids for name, salt in runs]
    assert ids[0] == ids[1] and ids[3] == ids[5] and len({*map(tuple, ids)}) == 4
    assert stat.S_IMODE((tmp_path / "4/.salt").stat().st_mode) == 0o600
    assert not (tmp_path / "1/.salt").exists()


def test_a_name_has_another_pseudonym_for_each_kind_and_each_salt():
    made = [Pseudonyms(salt).of(kind, "4") for salt in (b"one", b"two") for kind in ("image", "patient")]
    assert len(set(made)) == 4 and all(len(name) == DIGITS and int(name, 16) >= 0 for name in made)


def test_a_damaged_salt_is_refused_and_left_as_it_is(tmp_path):
    assert read_salt(tmp_path, None) == read_salt(tmp_path, None)
    (tmp_path / ".salt").write_text("cut")
    with pytest.raises(InputError, match="is damaged; expected 64 hexadecimal digits"):
        read_salt(tmp_path, None)
    assert (tmp_path / ".salt").read_text() == "cut"
