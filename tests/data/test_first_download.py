"""The size and the sha256 of a file's first download."""

import hashlib

import pytest

from tienet.data import first_download
from tienet.errors import InputError


def test_the_first_file_is_kept_and_another_one_refused(tmp_path):
    path, there = tmp_path / "a.tgz", tmp_path / "part"
    first_download.compare_size("address", 7, path)  # nothing is known yet
    assert not first_download.is_known(path)
    there.write_bytes(b"first")
    expected = hashlib.sha256(b"first").hexdigest()
    for _ in range(2):
        assert first_download.compare("address", there, path) == expected == first_download.sha256_of(path)
    there.write_bytes(b"other")
    with pytest.raises(InputError, match=rf"address: sha256 \w+, but sha256 {expected} at the first download: damaged"):
        first_download.compare("address", there, path)
    there.write_bytes(b"longer")
    with pytest.raises(InputError, match=r"address: 6 bytes, but 5 bytes at the first download"):
        first_download.compare("address", there, path)
    assert first_download.sha256_of(path) == expected


@pytest.mark.parametrize("content", ["[]", "{}", '{"bytes": 1}', "x"])
def test_a_record_that_is_none_is_named(tmp_path, content):
    (tmp_path / "a.tgz.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.tgz\.json: not "):
        first_download.sha256_of(tmp_path / "a.tgz")
