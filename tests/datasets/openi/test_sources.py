"""`tienet prepare openi` with nothing given: NLM's archives from a server on this machine, and what goes wrong."""

import json
import re
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from tests.command_line import tienet
from tests.datasets.openi.nlm import archives, pack
from tests.file_server import File, Server, running, serving
from tienet.data import download
from tienet.data import manifest as manifests
from tienet.datasets.openi import sources
from tienet.datasets.openi.sources import IMAGES, REPORTS

GIVEN_UP = [0] * download.TRIES


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    """Both archives, with 60 drawn images."""
    return archives(60)


@pytest.fixture
def server(monkeypatch, packed) -> Iterator[Server]:
    for server in serving(monkeypatch):
        server.files |= {name: File(content) for name, content in packed.items()}
        monkeypatch.setenv(sources.BASE_URL_VARIABLE, f"{server.url}/")
        yield server


@pytest.fixture
def run(tmp_path, capsys) -> Callable:
    """Run the command; returns its status, standard output and the last line of standard error."""

    def run(*flags: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = tienet("prepare", "openi", "--out", tmp_path / "out", "--downloads", tmp_path / "kept", *flags)
        said, errors = capsys.readouterr()
        assert "Traceback" not in errors
        return status, said, errors.rstrip().rpartition("\n")[2]

    return run


@pytest.fixture
def table(tmp_path) -> Callable[[], bytes]:
    return lambda: (tmp_path / "out" / "manifest.csv").read_bytes()


def asked(server: Server) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in server.asked]


# ---- a good server ----


def test_from_nothing_to_the_manifest(server, run, tmp_path, packed, capsys):
    status, said, _ = run("--leave-free", "0.5")
    assert status == 0
    assert (
        "views: 45 frontal, 15 lateral, told from the reports' XML (no --projections)" in said
        and "labels: mesh" in said
    )
    m = manifests.load(str(tmp_path / "out" / "manifest.csv"))
    assert len(m) == 45 and m.study_ids[0] == "1_IM-0001-1001" and all(path.is_file() for path in m.images)
    assert {path.name for path in m.images} >= {"CXR1_1_IM-0001-1001.png", "CXR3_IM-0003-1001.png"}
    left_out = pd.read_csv(tmp_path / "out" / "left_out.csv")
    assert left_out.reason.tolist() == ["lateral view"] * 15
    for name, content in packed.items():
        record = json.loads((tmp_path / "kept" / f"{name}.json").read_text())
        assert record["bytes"] == len(content) and re.fullmatch("[0-9a-f]{64}", record["sha256"])
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == sorted(
        [*packed, *(f"{name}.json" for name in packed), "images"]
    )


def test_the_second_time_nothing_is_downloaded_or_unpacked(server, run, tmp_path, table):
    run()
    before, images = table(), {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "images").iterdir()}
    del server.asked[:]
    status, _, _ = run("--split", "fold=1/3")
    assert status == 0 and not server.asked and table() != before
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "images").iterdir()} == images


def test_the_archive_of_the_images_may_be_removed_when_it_is_unpacked(server, run, tmp_path, table):
    run()
    before = table()
    (tmp_path / "kept" / IMAGES).unlink()
    del server.asked[:]
    assert run()[0] == 0 and not server.asked and table() == before
    (tmp_path / "kept" / "images" / ".unpacked.json").unlink()
    assert run()[0] == 0 and ("GET", IMAGES) in asked(server) and table() == before


def test_the_disk_that_is_needed_is_said_first_and_too_little_of_it_refused(server, run, tmp_path, monkeypatch, packed):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(int(2.1 * len(packed[IMAGES]))))
    status, _, line = run()
    assert status == 2 and asked(server) == [("HEAD", REPORTS), ("HEAD", IMAGES)]
    assert f"{REPORTS} 0.0 MB, {IMAGES} 0.2 MB from {server.url}/; 0.2 MB for the images, unpacked" in line
    assert f"needed in {tmp_path / 'kept'}, where " in line and "free some space, or choose another --downloads" in line
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9))
    status, _, line = run("--leave-free", "1")
    assert status == 2 and "1 GB for what comes after" in line


# ---- a server with faults ----


def good(server: Server, packed: dict[str, bytes]) -> None:
    server.files |= {name: File(content) for name, content in packed.items()}


@pytest.fixture
def expected(server, run, table, tmp_path) -> bytes:
    """The manifest of a good server; nothing else is left of it."""
    run()
    content = table()
    for name in ("kept", "out"):
        shutil.rmtree(tmp_path / name)
    del server.asked[:]
    return content


def test_cut_off_in_the_middle_and_taken_up(server, run, table, tmp_path, packed, expected):
    server.files[IMAGES].cuts = [50_000, *GIVEN_UP]
    status, _, line = run()
    assert status == 2 and f"{server.url}/{IMAGES}: the download ended after 50,000 of" in line
    assert "the same command goes on after 50,000 bytes" in line and not (tmp_path / "out").exists()
    good(server, packed)
    del server.asked[:]
    assert run()[0] == 0 and table() == expected
    assert ("GET", IMAGES, "bytes=50000-") in server.asked and ("GET", REPORTS) not in asked(server)


def test_another_archive_has_come_to_the_server_meanwhile(server, run, table, tmp_path, packed, expected):
    """Nothing of the old one is in what is used."""
    server.files[IMAGES] = File(archives(52)[IMAGES], name='"0"', cuts=[50_000, *GIVEN_UP])
    assert run()[0] == 2
    good(server, packed)
    assert run()[0] == 0 and table() == expected


def test_a_corrupted_archive_is_found_before_it_is_used(server, run, table, tmp_path, packed, expected):
    content = bytearray(packed[IMAGES])
    content[len(content) // 2] ^= 1
    server.files[IMAGES] = File(bytes(content))
    status, _, line = run()
    assert status == 2 and f"{server.url}/{IMAGES}: what came is no whole .tgz archive with .png files" in line
    assert not (tmp_path / "kept" / IMAGES).exists() and not (tmp_path / "kept" / "images").exists()
    good(server, packed)
    assert run()[0] == 0 and table() == expected


def test_a_page_in_place_of_the_archive(server, run):
    server.files[REPORTS] = File(b"<html>Please sign in to the network</html>")
    status, _, line = run()
    assert status == 2 and "what came is no whole .tgz archive with .xml files, and is removed" in line


def test_slow_and_moved(server, run, table, packed, expected):
    with running() as other:
        for name in packed:
            other.files[f"new/{name}"] = File(packed[name], pause_s=0.01)
            server.files[name] = File(b"", moved_to=f"{other.url}/new/{name}")
        assert run()[0] == 0 and table() == expected


def test_no_server(run, monkeypatch, server):
    status, _, line = run("--url", "http://127.0.0.1:9")
    assert status == 2 and "http://127.0.0.1:9/NLMCXR_reports.tgz: no download" in line
    status, _, line = run("--url", "openi")
    assert status == 2 and "--url 'openi': expected an http or https address" in line
    for wrong in ("-1", "nan", "all"):
        assert f"{wrong!r}; expected GB, 0 or more" in run(f"--leave-free={wrong}")[2]


# ---- what is compared with the first download ----


def test_an_archive_that_changed_on_the_disk(server, run, tmp_path, packed):
    run()
    kept = tmp_path / "kept" / IMAGES
    other = pack({"CXR9_IM-0009-1001.png": b"x"})
    kept.write_bytes(other)
    status, _, line = run()
    expected = f"{kept}: {len(other):,} bytes, but {len(packed[IMAGES]):,} bytes at the first download"
    assert status == 2 and expected in line and f"remove {kept}" in line
    changed = bytearray(packed[IMAGES])
    changed[-1] ^= 1  # of the same size
    kept.write_bytes(changed)
    assert re.search(r"sha256 [0-9a-f]{64}, but sha256 [0-9a-f]{64} at the first download", run()[2])
    kept.unlink()
    (tmp_path / "kept" / "images" / ".unpacked.json").unlink()
    assert run()[0] == 0 and kept.read_bytes() == packed[IMAGES]


def test_another_archive_at_nlm_than_at_the_first_download(server, run, tmp_path):
    run()
    (tmp_path / "kept" / REPORTS).unlink()
    server.files[REPORTS] = File(archives(52)[REPORTS])
    status, _, line = run()
    assert status == 2 and f"{server.url}/{REPORTS}: " in line and "at the first download" in line
    assert ("GET", REPORTS) not in asked(server)[2 * len(sources._ENDINGS) :]
    (tmp_path / "kept" / f"{REPORTS}.json").unlink()
    assert run()[0] == 0


def test_a_record_that_is_none(server, run, tmp_path):
    run()
    record = tmp_path / "kept" / f"{REPORTS}.json"
    record.write_text("[]")
    status, _, line = run()
    assert status == 2 and f"{record}: not the size and sha256 of {REPORTS}; remove it" in line


# ---- by hand ----


def test_from_a_folder_nothing_is_downloaded(server, run, table, tmp_path, packed, expected):
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    for name, content in packed.items():
        (by_hand / name).write_bytes(content)
    assert run("--from", by_hand)[0] == 0 and not server.asked
    assert table() == expected and sorted(path.name for path in by_hand.iterdir()) == sorted(packed)


def test_from_a_folder_with_images_a_table_of_views_and_labels(server, run, tmp_path, packed):
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    (by_hand / REPORTS).write_bytes(packed[REPORTS])
    status, _, line = run("--from", by_hand)
    assert status == 2 and f"--from {by_hand}: there is no {IMAGES} or a folder images" in line
    assert f"get {server.url}/{IMAGES}" in line
    run("--downloads", by_hand)  # which unpacks the images there
    (by_hand / "indiana_projections.csv").write_text("uid,filename,projection\n3,CXR3_IM-0003-2001.png,Frontal\n")
    status, said, _ = run("--from", by_hand)
    m = manifests.load(str(tmp_path / "out" / "manifest.csv"))
    assert status == 0 and m.study_ids == ["3_IM-0003-2001"] and "views:" not in said


def test_from_a_folder_that_is_not_there_or_damaged(server, run, tmp_path, packed):
    assert "no such folder" in run("--from", tmp_path / "gone")[2]
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    (by_hand / REPORTS).write_bytes(packed[REPORTS])
    (by_hand / IMAGES).write_bytes(packed[IMAGES][:-20])
    status, _, line = run("--from", by_hand)
    assert status == 2 and f"{by_hand / IMAGES}: not a whole .tgz archive" in line
    assert not (tmp_path / "kept" / "images").exists()
