"""`tienet label` from its first command to an evaluation, in a browser; servers are killed on the way."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.conftest import ROOT
from tests.server.labelling.page_actions import finish, press, shown, wait_until
from tienet import cli
from tienet.commands.main import dispatch
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.hand_labels import sheet
from tienet.hand_labels.journal import read_entries
from tienet.hand_labels.source import Source, write_source
from tienet.labels import LABELS, NO_FINDING
from tienet.server.labelling.answers import KEYS

# The command; at the given write into the journal it is killed when half of the line is written.
CODE = """
import os, signal, sys
from tienet import cli
from tienet.commands.main import dispatch
from tienet.hand_labels import journal
at, count, write = int(sys.argv[1]), 0, os.write
def write_or_die(descriptor, content):
    global count
    count += 1
    if count == at:
        write(descriptor, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return write(descriptor, content)
journal._write_all = lambda descriptor, content: write_or_die(descriptor, content)
cli.run(lambda: dispatch(["label", *sys.argv[2:]]))
"""
STUDIES = 40


class Server:
    """The command in a process of its own, always at the same port."""

    def __init__(self, folder: Path, *words: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._words, self._log = words, folder / f"{words[words.index('--reader') + 1]}.log"
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self, kill_at: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(kill_at), *self._words, "--port", str(self.port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self._log.open("a"),
            text=True,
        )
        assert self.process.stdout.readline().startswith(self.address), self._log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self._log.read_text()
        return self._log.read_text()


@contextlib.contextmanager
def served(folder: Path, *words: str, kill_at: int = 0) -> Iterator[Server]:
    server = Server(folder, *words)
    server.start(kill_at)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Phantoms that no run of the tests has seen."""
    folder = tmp_path_factory.mktemp("label") / "ours"
    drawn = ["--out", str(folder), "--studies", "60", "--image-px", "64", "--seed", "7"]
    assert dispatch(["prepare", "phantom", *drawn]) == 0
    return folder


def answers_of(truth: dict[str, set[str]], reader: int) -> dict[str, dict[str, int]]:
    """What a reader is to answer: what is true, with slips of the reader's own."""
    random = np.random.default_rng(reader)
    found = {}
    for study, findings in truth.items():
        answers = dict.fromkeys(findings, 1)
        if random.random() < 0.3:
            answers[str(random.choice(LABELS[:-1]))] = int(random.choice([1, -1]))
        found[study] = answers
    return found


def label_one(tab, answers: dict[str, int]) -> str:
    """Label the study on the screen by keys, and go on; returns its id."""
    study = shown(tab)
    for label, answer in answers[study].items():
        press(tab, KEYS[label] if answer == 1 else f"Shift+{KEYS[label].upper()}")
    finish(tab)
    return study


def test_two_readers_label_forty_studies_and_a_third_decides(data, browser, runs, tmp_path, capsys):
    manifest = manifests.load(str(data))
    truth = {
        study: {LABELS[k] for k in np.flatnonzero(manifest.labels[n, :-1] == 1)}
        for n, study in enumerate(manifest.study_ids)
    }
    out = tmp_path / "labels"
    drawn = [str(data), "--out", str(out), "--studies", str(STUDIES), "--split", "all", "--balance"]
    wanted = {reader: answers_of(truth, n) for n, reader in enumerate(("anna", "ben"))}
    context = browser.new_context()
    with (
        served(tmp_path, *drawn, "--reader", "anna", kill_at=17) as of_anna,
        served(tmp_path, str(data), "--out", str(out), "--reader", "ben") as of_ben,
    ):
        tabs = {server: context.new_page() for server in (of_anna, of_ben)}
        for server, tab in tabs.items():
            tab.goto(server.address)
        orders = {"anna": [], "ben": []}
        restarted = threading.Event()

        def start_again() -> None:
            """As soon as it has been killed in the middle of a line."""
            assert of_anna.process.wait(60) == -signal.SIGKILL
            of_anna.start()
            restarted.set()

        threading.Thread(target=start_again, daemon=True).start()
        for n in range(STUDIES):
            if n == 25:  # between two clicks
                assert restarted.wait(0), "it was not killed in the middle of a line"
                of_anna.kill()
                tabs[of_anna].keyboard.press(KEYS[LABELS[0]])
                wait_until(tabs[of_anna], "document.querySelector('#error').textContent.includes('does not answer')")
                of_anna.start()
                press(tabs[of_anna], "u")
            for reader, server in (("anna", of_anna), ("ben", of_ben)):
                orders[reader].append(label_one(tabs[server], wanted[reader]))
        for tab in tabs.values():
            assert tab.inner_text("#all-done-title") == f"All {STUDIES} studies are finished"
        assert f"anna: {STUDIES} of {STUDIES} studies are finished" in of_anna.stop()
        of_ben.stop()

    # Nothing is lost, and nothing is there twice.
    sheets = {reader: sheet.read(out / f"{reader}.csv") for reader in wanted}
    for reader, found in sheets.items():
        assert found.study_ids == orders[reader] and len(set(orders[reader])) == STUDIES
        for study, row in zip(found.study_ids, found.answers, strict=True):
            expected = {label: wanted[reader][study].get(label, 0) for label in LABELS[:-1]}
            assert dict(zip(LABELS, row, strict=True)) | {NO_FINDING: 0} == expected | {NO_FINDING: 0}, study
        entries = read_entries(out / f"{reader}.jsonl")
        assert len({entry["id"] for entry in entries}) == len(entries)
        pressed = sum(map(len, (wanted[reader][study] for study in orders[reader])))
        assert len(entries) == pressed + STUDIES + (2 if reader == "anna" else 0)  # the answer that was taken back
    assert set(orders["anna"]) == set(orders["ben"]) and orders["anna"] != orders["ben"]

    agreed = [str(out / f"{reader}.csv") for reader in wanted]
    assert dispatch(["label", "--agree", *agreed, "--out", str(tmp_path / "agreement"), "--resamples", "50"]) == 0
    table = capsys.readouterr().out
    result = json.loads((tmp_path / "agreement" / "agreement.json").read_text())
    compared = result["pairs"][0] if "pairs" in result else result
    rows = {reader: dict(zip(found.study_ids, found.answers, strict=True)) for reader, found in sheets.items()}
    studies = sorted(rows["anna"])
    for k, label in enumerate(LABELS):
        both = [[rows[reader][study][k] for study in studies] for reader in rows]
        expected = cohen_kappa_score(*both) if len(set(both[0] + both[1])) > 1 else None
        assert compared["labels"][label]["kappa"] == (None if expected is None else pytest.approx(expected))
    assert "all findings" in table and (tmp_path / "agreement" / "differ.html").is_file()

    differ = {study: set(np.flatnonzero(rows["anna"][study] != rows["ben"][study])) for study in studies}
    differ = {study: labels for study, labels in differ.items() if labels}
    decided = tmp_path / "by-hand"
    with served(tmp_path, "--adjudicate", *agreed, "--reader", "carla", "--out", str(decided)) as server:
        tab = context.new_page()
        tab.goto(server.address)
        for _ in range(len(differ)):
            study = shown(tab)
            assert set(tab.evaluate("study.asked")) == {LABELS[k] for k in differ[study]}
            for k in differ[study]:
                there = LABELS[k] in truth[study] or (LABELS[k] == NO_FINDING and not truth[study])
                press(tab, *[KEYS[LABELS[k]]] * (1 if there else 2))
            finish(tab)
        assert "The decided data set is" in tab.inner_text("#result")
        assert "The decided data set is" in server.stop()
    context.close()

    found = manifests.load(str(decided))
    for n, study in enumerate(found.study_ids):
        expected = rows["anna"][study].copy()
        for k in differ.get(study, ()):
            expected[k] = LABELS[k] in truth[study] or (LABELS[k] == NO_FINDING and not truth[study])
        np.testing.assert_array_equal(found.labels[n], np.where(expected == -1, np.nan, expected))

    run, tables = str(runs["annotate-text"]), tmp_path / "tables"
    evaluated = ["--load", run, "--data", str(decided), "--out", str(tables), "--resamples", "20", "--pages", "0"]
    assert dispatch(["evaluate", *evaluated]) == 0
    assert "labelled by hand by anna and ben, kappa " in capsys.readouterr().err
    assert "by-hand: labelled by hand by anna and ben, kappa " in (tables / "table.txt").read_text()
    metrics = json.loads((tables / "metrics.json").read_text())
    assert metrics["studies"] == STUDIES and metrics["readers"]["decided_by"] == "carla"
    assert (
        dispatch(["label", "--judge", run, "--readers", *agreed, "--decided", str(decided), "--resamples", "20"]) == 0
    )
    assert "the mean reader" in capsys.readouterr().out


def refused(*words: str) -> str:
    with pytest.raises((InputError, FileNotFoundError, cli.UsageError, SystemExit)) as error:
        dispatch(["label", *map(str, words)])
    return str(error.value)


def test_the_second_reader_labels_what_was_drawn_for_the_first(data, tmp_path):
    from tienet.commands import label, label_studies

    parser = cli.Parser()
    label.add_arguments(parser)

    def drawn(*words: str) -> list[str]:
        args = parser.parse_args([str(data), "--out", str(tmp_path / "out"), *words])
        return label_studies.drawn_studies(args, manifests.load(str(data)))[0].study_ids

    first = drawn("--studies", "9", "--seed", "3", "--split", "all", "--balance", "Mass=0.3")
    assert len(first) == 9 and drawn() == first == drawn("--studies", "9", "--balance", "Mass=0.3")
    noted = json.loads((tmp_path / "out" / "labelling.json").read_text())
    assert (noted["studies"], noted["seed"], noted["split"], noted["balance"]) == (9, 3, None, ["Mass=0.3"])
    for words, message in (
        (["--studies", "10"], "--studies 10: the studies in .* were drawn with --studies 9"),
        (["--seed", "0"], "--seed 0: .* were drawn with --seed 3"),
        (["--split", "test"], "--split test: .* were drawn with --split all"),
        (["--balance"], "--balance .*: .* were drawn with --balance Mass=0.3"),
    ):
        with pytest.raises(InputError, match=message):
            drawn(*words)
    lines = (data / "manifest.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text(
        "\n".join(lines[:1] + [line.replace("images/", f"{data}/images/") for line in lines[1:40]])
    )
    args = parser.parse_args([str(tmp_path / "other.csv"), "--out", str(tmp_path / "out")])
    with pytest.raises(InputError, match="the data set has changed since its studies were drawn"):
        label_studies.drawn_studies(args, manifests.load(str(tmp_path / "other.csv")))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing given; expected one of DATA, --agree"),
        (["data", "--agree", "a.csv", "b.csv"], "DATA and --agree given"),
        (["data", "--reader", "anna"], "--out is missing"),
        (["data", "--out", "o"], "--reader is missing"),
        (["data", "--out", "o", "--reader", "../x"], "--reader '../x': expected 1 to 40"),
        (["data", "--out", "o", "--reader", "a", "--studies", "0"], "--studies 0: expected 1"),
        (["--agree", "a.csv", "b.csv", "--reader", "a"], "--reader goes with DATA and --adjudicate, not with --agree"),
        (["--judge", "run"], "--readers is missing"),
        (["--agree", "a.csv", "b.csv", "--resamples", "0"], "--resamples 0"),
        (["data", "--out", "o", "--reader", "a", "--port", "70000"], "--port 70000"),
        (["data", "--out", "o", "--reader", "a", "--host", "0.0.0.0"], "lets other computers in"),
    ],
)
def test_a_command_line_that_cannot_be_is_one_line(words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    said = refused(*words) + capsys.readouterr().err
    assert message in said
    assert not list(tmp_path.iterdir())


def test_what_is_in_the_way_is_told(data, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert "holds a run" in refused(data, "--reader", "anna", "--out", tmp_path, "--split", "all", "--port", "0")
    (tmp_path / "run.json").unlink()
    label = [data, "--reader", "anna", "--out", tmp_path, "--split", "all", "--port", "0"]
    for name, value, message in (
        ("studies", None, "studies is None"),
        ("balance", 3, "balance 3; put the file back"),
        ("seed", "x", "seed is 'x'"),
        ("fingerprint", None, "fingerprint is None"),
    ):
        fine = Source.of(manifests.load(str(data)), None, 0)
        write_source(tmp_path, fine, {"studies": 5, "balance": None, name: value})
        assert message in refused(*label)
    write_source(tmp_path, fine, {"studies": 5, "balance": None})
    assert "studies.csv" in refused(*label)
    assert "does not exist" in refused(tmp_path / "none", "--reader", "anna", "--out", tmp_path / "x", "--port", "0")
