"""Downloads from a server on this machine: whole, cut off, slow, moved, changed meanwhile, and without an end."""

import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.file_server import File, Server, running, serving
from tienet.data import download
from tienet.errors import InputError

CONTENT = np.random.default_rng(0).bytes(100_000)
OTHER = CONTENT[::-1]


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    yield from serving(monkeypatch)


def get(server: Server, path: Path) -> bytes:
    download.download(f"{server.url}/f", path, lambda _: None)
    assert [name.name for name in path.parent.iterdir()] == [path.name]  # no part, state or lock is left
    return path.read_bytes()


def failed(server: Server, path: Path) -> str:
    with pytest.raises(InputError) as told:
        get(server, path)
    assert not path.exists() and "\n" not in str(told.value) and str(told.value).startswith(f"{server.url}/f: ")
    return str(told.value)


@pytest.mark.parametrize("how", ["end", "reset", "stall"])
def test_a_connection_that_fails_is_taken_up_where_it_was(server, tmp_path, how):
    server.files["f"] = File(CONTENT, cuts=[40_000, 20_000], how=how)
    assert get(server, tmp_path / "f") == CONTENT
    starts = [int(re.search(r"\d+", wanted)[0]) for _, _, wanted in server.asked[1:]]
    assert len(starts) == 2 and 0 < starts[0] <= starts[1] <= 60_000
    if how == "end":
        assert starts == [40_000, 60_000]


def test_a_download_that_was_given_up_goes_on_the_next_time(server, tmp_path):
    file = server.files["f"] = File(CONTENT, cuts=[30_000] + [0] * download.TRIES)
    said = failed(server, tmp_path / "f")
    assert "ended after 30,000 of 100,000 bytes" in said and "goes on after 30,000 bytes" in said
    file.cuts.clear()
    del server.asked[:]
    assert get(server, tmp_path / "f") == CONTENT
    assert server.asked == [("GET", "f", "bytes=30000-")]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 30_000), max_size=4), ranges=st.booleans(), named=st.booleans(), changed=st.booleans()
)
def test_whatever_the_server_does_no_two_versions_are_glued(server, tmp_path, cuts, ranges, named, changed):
    folder = tmp_path / "d"
    shutil.rmtree(folder, ignore_errors=True)
    file = server.files["f"] = File(
        CONTENT, name='"1"' if named else "", cuts=cuts[:1] + [0] * download.TRIES, ranges=ranges
    )
    if cuts:
        failed(server, folder / "f")
    file.cuts = cuts[1:]
    if changed:  # the other version has the same size
        file.content, file.name = OTHER, '"2"' if named else ""
    assert get(server, folder / "f") == (OTHER if changed else CONTENT)


def test_a_server_that_gives_parts_of_another_version_is_not_believed(server, tmp_path):
    """It ignores If-Range, so that the part that comes is of the new version."""
    file = server.files["f"] = File(CONTENT, cuts=[30_000] + [0] * download.TRIES)
    failed(server, tmp_path / "f")
    server.files["f"] = File(OTHER, name='"2"', believes=file.name)
    assert get(server, tmp_path / "f") == OTHER
    assert [wanted for _, _, wanted in server.asked[-2:]] == ["bytes=30000-", None]


def test_what_came_from_another_address_is_not_gone_on_from(server, tmp_path):
    server.files["f"] = File(CONTENT, cuts=[30_000] + [0] * download.TRIES)
    failed(server, tmp_path / "f")
    server.files["g"] = File(OTHER)  # by chance of the same size and ETag
    download.download(f"{server.url}/g", tmp_path / "f", lambda _: None)
    assert (tmp_path / "f").read_bytes() == OTHER


def test_a_file_that_has_become_shorter(server, tmp_path):
    file = server.files["f"] = File(CONTENT, cuts=[30_000] + [0] * download.TRIES)
    failed(server, tmp_path / "f")
    file.content, file.cuts = CONTENT[:10_000], []
    assert get(server, tmp_path / "f") == CONTENT[:10_000]


def test_a_file_that_has_moved(server, tmp_path):
    with running() as other:
        other.files["g"] = File(CONTENT, cuts=[50_000])
        server.files["f"] = File(b"", moved_to=f"{other.url}/g")
        assert download.size_of(f"{server.url}/f") == len(CONTENT)
        assert get(server, tmp_path / "f") == CONTENT
        assert other.asked[-1] == ("GET", "g", "bytes=50000-")


def test_https_does_not_lead_to_http():
    request = urllib.request.Request("https://example.org/f")
    with pytest.raises(urllib.error.URLError, match=r"leads to http://example\.org/g, which is not https"):
        download._Redirects().redirect_request(request, None, 301, "", {}, "http://example.org/g")


def test_a_server_that_is_busy_is_asked_again_and_one_without_the_file_is_not(server, tmp_path):
    server.files["f"] = File(CONTENT, status=[503, 429])
    assert get(server, tmp_path / "f") == CONTENT
    del server.files["f"], server.asked[:]
    (tmp_path / "f").unlink()
    assert "404 Not Found" in failed(server, tmp_path / "f") and len(server.asked) == 1


def test_a_slow_server_and_one_that_does_not_say_how_long_the_file_is(server, tmp_path):
    server.files["f"] = File(CONTENT, pause_s=0.02)
    assert get(server, tmp_path / "f") == CONTENT and len(server.asked) == 1
    server.files["f"] = File(CONTENT, sized=False)
    assert download.size_of(f"{server.url}/f") is None
    assert get(server, tmp_path / "f") == CONTENT


def test_a_file_that_does_not_pass_is_removed(server, tmp_path):
    server.files["f"] = File(CONTENT)
    (tmp_path / "f").write_text("old")

    def check(path: Path) -> None:
        assert path.read_bytes() == CONTENT
        raise InputError("damaged")

    with pytest.raises(InputError, match="damaged"):
        download.download(f"{server.url}/f", tmp_path / "f", check)
    assert [path.name for path in tmp_path.iterdir()] == ["f"] and (tmp_path / "f").read_text() == "old"


def test_two_processes_do_not_write_into_each_other(server, tmp_path):
    server.files["f"] = File(CONTENT, pause_s=0.02)
    url = f"{server.url}/f"
    threads = [threading.Thread(target=download.download, args=(url, tmp_path / "f", lambda _: None)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "f").read_bytes() == CONTENT
