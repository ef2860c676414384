"""tienet report --out: what was stopped goes on and ends as if it had not been; only what is still true is kept."""

import csv
import json
import os
import shutil
import signal
from contextlib import contextmanager
from threading import Thread

import numpy as np
import pytest

from tests import needs
from tests.commands.predictions import prediction_with
from tests.light_run import light_run
from tienet import progress
from tienet.commands import flags
from tienet.commands.main import dispatch
from tienet.commands.report_job import MAX_BATCH
from tienet.commands.report_journal import NAME
from tienet.data import manifest as manifests
from tienet.data.image import write_png
from tienet.interruption import Interrupted
from tienet.labels import LABELS, K
from tienet.predict import Reporter

N = 2 * MAX_BATCH + 3


class FakeReporter:
    """A network whose numbers depend on all images of a batch, as those of a real one do in their last digits.

    Attributes:
        seen: The number of images of each batch.
        stop: What is done before the batch of this number; by default nothing.
    """

    def __init__(self):
        self.seen, self.stop = [], {}

    def report(self, images, maps):
        self.stop.get(len(self.seen), lambda: None)()
        self.seen.append(len(images))
        mean = np.mean([image.mean() for image in images]) / 255
        values = [np.linspace(mean, image.mean() / 255, K, dtype=np.float32) for image in images]
        threshold = np.full(K, 0.5, np.float32)
        return [
            prediction_with(probabilities=value, thresholds=threshold, labels=np.float32(value > 0.5), report=None,
                            log_probability=None, words=[], a_ws=np.ones((2, 2)) if maps else None,
                            image_distance=2.0 if image.mean() > 200 else 0.5)
            for value, image in zip(values, images, strict=True)
        ]  # fmt: skip


@pytest.fixture
def network(monkeypatch) -> FakeReporter:
    """The network in the place of the run's."""
    fake = FakeReporter()

    @contextmanager
    def load(*_):
        yield fake

    monkeypatch.setattr(Reporter, "load", load)
    monkeypatch.setattr(flags, "start_tensorflow", lambda: None)
    return fake


@pytest.fixture
def load(data_root, tmp_path):
    return light_run(tmp_path / "run", manifests.load("phantom", data_root), "classify", data="phantom")


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(N):
        write_png(folder / f"{n:02}.png", np.full((40, 40), 5 + 12 * n, np.uint8))
    return folder


def run(load, *words) -> int:
    return dispatch(["report", "--load", str(load), "--gpu", "cpu", *map(str, words)])


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stop_at(network, batch, *words, error=RuntimeError):
    """Run the command up to a batch; what it does there ends it."""

    def end():
        raise error

    network.stop = {len(network.seen) + batch: end}
    with pytest.raises(error):
        run(*words)
    network.stop = {}


@pytest.mark.parametrize("torn", [b"", b'{"key": ["x', b"\0\0\0\n", b'{"key": ["x"]}\n[]\n7\n'])
def test_a_stopped_folder_ends_like_one_that_was_not(network, load, images, tmp_path, capsys, torn):
    (images / "05x.png").write_text("no image")
    assert run(load, images, "--out", tmp_path / "whole") == 1
    network.seen.clear()
    out = tmp_path / "out"
    stop_at(network, 1, load, "--json", images, "--out", out)
    first = capsys.readouterr().out.splitlines()[-(MAX_BATCH - 1) :]
    assert not (out / "index.html").exists() and len(list(out.glob("study-*.html"))) == MAX_BATCH - 1
    with (out / NAME).open("ab") as file:
        file.write(torn)
    assert run(load, "--json", images, "--out", out) == 1
    said = capsys.readouterr()
    assert network.seen == [MAX_BATCH - 1, MAX_BATCH, N - 2 * MAX_BATCH + 1]  # nothing twice
    assert (
        f"{MAX_BATCH - 1} of {N + 1} were there already and are not printed again; {out}/report.jsonl has" in said.err
    )
    assert f"1 of {N + 1} could not be read\n" in said.err
    assert (out / "report.jsonl").read_text().splitlines() == first + said.out.splitlines()
    assert contents(out) == contents(tmp_path / "whole")


def test_a_kill_within_a_batch_changes_no_number(network, load, images, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run(load, images, "--out", whole) == 0
    shutil.copytree(whole, out)
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    (out / NAME).write_bytes(b"".join(lines[: 1 + MAX_BATCH + 3]))
    for page in sorted(out.glob("study-*"))[MAX_BATCH + 4 :]:  # one more page than the journal has lines
        page.unlink()
    network.seen.clear()
    assert run(load, images, "--out", out) == 0
    assert network.seen == [MAX_BATCH, N - 2 * MAX_BATCH]
    assert contents(out) == contents(whole)


def test_what_is_done_is_not_done_again(network, load, images, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(load, images, "--out", out) == 0
    before, seen = contents(out), len(network.seen)
    capsys.readouterr()
    assert run(load, images, "--out", out) == 0
    said = capsys.readouterr()
    assert len(network.seen) == seen and contents(out) == before
    assert f"{N} of {N} were there already" in said.err and ".png" not in said.out
    assert run(load, images, "--json") == 0  # without a folder all are printed
    assert len(capsys.readouterr().out.splitlines()) == N


def test_a_changed_image_a_lost_page_and_a_new_name_are_done_anew(network, load, images, tmp_path):
    out = tmp_path / "out"
    run(load, images, "--out", out)
    before = contents(out)
    times = (images / "01.png").stat()
    write_png(images / "01.png", np.full((40, 40), 99, np.uint8))
    os.utime(images / "01.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    page = out / "study-09.html"
    page.write_text(page.read_text()[:-1])
    (images / "18.png").rename(images / "99.png")
    network.seen.clear()
    assert run(load, images, "--out", out) == 0
    assert network.seen == [MAX_BATCH, MAX_BATCH, N - 2 * MAX_BATCH] and not (out / "study-18.html").exists()
    assert run(load, images, "--out", tmp_path / "new") == 0
    after, new = contents(out), contents(tmp_path / "new")
    anew = {"study-01.html", "study-09.html", "study-99.html"}
    assert after.keys() == new.keys() and {name: after[name] for name in anew} == {name: new[name] for name in anew}
    kept = {name for name in after if name.startswith("study-")} - anew
    assert len(kept) == N - 3 and all(after[name] == before[name] for name in kept)


def test_pages_of_the_same_name_stay_those_of_their_images(network, load, tmp_path):
    for folder, grey in (("a", 20), ("b", 90), ("c", 250)):
        (tmp_path / folder).mkdir()
        write_png(tmp_path / folder / "x.png", np.full((40, 40), grey, np.uint8))
    of_a, of_b, of_c = (tmp_path / folder / "x.png" for folder in "abc")
    assert run(load, of_b, of_c, "--out", tmp_path / "out") == 0
    assert run(load, of_a, of_b, of_c, "--out", tmp_path / "out") == 0  # each has another number now
    assert run(load, of_a, of_b, of_c, "--out", tmp_path / "new") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "new")
    lines = [json.loads(line) for line in (tmp_path / "out" / "report.jsonl").read_text().splitlines()]
    assert [line["image"] for line in lines] == [str(of_a), str(of_b), str(of_c)]


def test_images_of_other_kinds_are_counted_and_the_exit_status_says_that_some_were_not_read(
    network, load, images, capsys
):
    for name in ("a.tif", "b.TIF", "c.bmp", "README.txt", "SHA256SUMS", "list.csv", ".hidden.tif"):
        (images / name).write_text("II*")
    assert run(load, images) == 1 and sum(network.seen) == N
    said = capsys.readouterr().err
    note = f"note: {images}: image files that were left out: 1 x .bmp, 2 x .tif; convert them to PNG, JPEG or DICOM\n"
    assert note in said and "passed over" not in said


def test_two_images_of_one_name_are_named_and_counted_as_what_they_are(network, load, images, capsys):
    shutil.copy(images / "01.png", images / "01.jpg")
    assert run(load, images) == 1
    said = capsys.readouterr().err
    first, second = images / "01.jpg", images / "01.png"
    assert f"passed over: {second}: has the same name as {first} without the ending; rename one of them\n" in said
    assert f"passed over: 1 of {N + 1}: 1 x image of a name that is there already\n" in said


@pytest.mark.parametrize("piped", [False, True])
def test_what_is_passed_over_of_a_table_is_named_by_its_row(network, load, images, tmp_path, capsys, piped):
    table = tmp_path / "t.csv"
    rows = ["A,in/01.png", "A,in/02.png", ",in/03.png", "B,in/none.png", "C,"]
    text = "\n".join(["study_id,image", *rows])
    if piped:
        os.mkfifo(table)
        Thread(target=table.write_text, args=[text], daemon=True).start()
        place = "at an earlier row"
    else:
        table.write_text(text)
        place = "at row 2"
    cwd = "." if piped else str(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert run(load, table) == 1 and sum(network.seen) == 1
    said = capsys.readouterr().err
    for message in (
        f"row 3, A: 'A' is there already, {place}",
        "row 4: column study_id is empty",
        f"row 5, B: {os.path.normpath(cwd + '/in/none.png')} does not exist",
        "row 6, C: column image is empty",
    ):
        assert f"passed over: {table}, {message}\n" in said
    kinds = ("study_id that is there already", "no study_id", "image that does not exist", "no image")
    assert f"passed over: 4 of 5: {'; '.join(f'1 x {kind}' for kind in kinds)}\n" in said


def test_a_pipe_that_breaks_off_is_one_more_that_cannot_be_read(network, load, images, tmp_path, capsys):
    table = tmp_path / "t.csv"
    os.mkfifo(table)
    text = f'study_id,image\nA,{images}/01.png\nB,"x"y\n'
    Thread(target=table.write_text, args=[text], daemon=True).start()
    assert run(load, table) == 1
    assert f"passed over: {table}, row 3: not CSV" in capsys.readouterr().err


def test_an_image_has_the_same_study_id_by_itself_as_in_its_folder(network, load, images, capsys):
    (images / "00.png").rename(images / "a  b\udcf6.PNG")
    files = sorted(images.iterdir())
    names = []
    for given in ([images], files):
        assert run(load, "--json", *given) == 0
        names.append([json.loads(line)["study_id"] for line in capsys.readouterr().out.splitlines()])
    assert names[0] == names[1] == [*(f"{n:02}" for n in range(1, N)), "a b\\udcf6"]


def test_another_run_does_all_anew(network, load, images, data_root, tmp_path, capsys):
    other = light_run(tmp_path / "other", manifests.load("phantom", data_root), "classify", data="phantom")
    out = tmp_path / "out"
    run(load, images, "--out", out)
    network.seen.clear()
    assert run(other, images, "--out", out) == 0
    assert sum(network.seen) == N and f"note: {out}: holds results of another run" in capsys.readouterr().err
    assert run(other, images, "--out", tmp_path / "new") == 0
    assert contents(out) == contents(tmp_path / "new")
    (prefix,) = (other / "checkpoints").glob("*.index")
    prefix.write_bytes(prefix.read_bytes()[::-1])  # the same folder, but another checkpoint
    network.seen.clear()
    assert run(other, images, "--out", out) == 0 and sum(network.seen) == N


def test_other_settings_do_all_anew(network, images, data_root, tmp_path):
    load = light_run(tmp_path / "writer", manifests.load("phantom", data_root), "caption", data="phantom")
    run(load, images, "--out", tmp_path / "out")
    for words, done in (
        (["--max-written", "9"], N),
        (["--max-written", "9"], 0),
        (["--decode", "sample", "--decode-seed", "1"], N),
        (["--decode", "greedy"], N),
        ([], 0),
    ):
        network.seen.clear()
        assert run(load, images, "--out", tmp_path / "out", *words) == 0 and sum(network.seen) == done, words


def test_a_signal_ends_it_between_two_batches(network, load, images, tmp_path, capsys):
    out = tmp_path / "out"
    network.stop = {1: lambda: os.kill(os.getpid(), signal.SIGINT)}
    with pytest.raises(Interrupted) as stopped:
        run(load, images, "--out", out)
    assert stopped.value.status == 130
    assert f"{out}: {2 * MAX_BATCH} of {N} images; the same command goes on\n" in capsys.readouterr().err
    assert len((out / NAME).read_text().splitlines()) == 1 + 2 * MAX_BATCH
    network.stop = {}
    assert run(load, images, "--out", out) == 0 and network.seen[2:] == [N - 2 * MAX_BATCH]


def test_progress_counts_what_was_there(network, load, images, tmp_path, capsys, monkeypatch):
    for name in ("FIRST_S", "LONGEST_S"):
        monkeypatch.setattr(progress, name, 0)
    stop_at(network, 1, load, images, "--out", tmp_path / "out")
    capsys.readouterr()
    assert run(load, images, "--out", tmp_path / "out") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("report: ")]
    assert lines[0].startswith(f"report: {2 * MAX_BATCH}/{N} images") and f"{N}/{N} images" in lines[1]
    assert run(load, images / "01.png", "--out", tmp_path / "one") == 0 and run(load, images) == 0
    assert "report: " not in capsys.readouterr().err


def test_pages_outlive_a_command_that_can_read_nothing(network, load, images, tmp_path):
    out = tmp_path / "out"
    run(load, images, "--out", out)
    before = contents(out)
    assert run(load, tmp_path / "none.png", "--out", out) == 2
    assert contents(out) == before


def test_documents_have_a_table_and_go_on(network, load, images, tmp_path, capsys):
    needs.need_fhir_resources()
    (images / "01x.png").write_text("no image")
    out = tmp_path / "out"
    words = (load, "--format", "fhir", images, "--out", out)
    stop_at(network, 1, *words)
    stopped = contents(out)
    assert run(*words) == 1
    done = contents(out)
    assert all(done[name] == content for name, content in stopped.items() if name != NAME)
    with (out / "documents.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == sorted(map(str, images.iterdir()))
    assert [bool(row["passed_over"]) for row in rows] == [row["image"].endswith("01x.png") for row in rows]
    named = {row["document"]: row["named"] for row in rows if row["document"]}
    assert named.keys() == {path.name for path in out.glob("*.fhir.json")} and len(named) == N
    assert rows[-1]["named"].split(";") == list(LABELS) and "unlike the training images" in rows[-1]["notes"]
    assert rows[0]["named"] == "" and rows[0]["notes"] == ""
    assert f"{out}/documents.csv\n" in capsys.readouterr().out
    seen = len(network.seen)
    assert run(*words) == 1 and contents(out) == done and len(network.seen) == seen
