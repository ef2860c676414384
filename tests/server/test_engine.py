"""The networks of a server: real runs of every mode, opened once each, and the batch size that is chosen for them."""

import time
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tests.server import fakes
from tienet.checkpoint import run_folder
from tienet.data import image
from tienet.errors import InputError
from tienet.inference import pipeline
from tienet.predict import Annotator, Reporter
from tienet.server.app import create_app
from tienet.server.engine import Engine, find_batch_size

XRAY = fakes.xray(300, 200)
PNG = fakes.png(XRAY)


def counted(function: Callable, calls: list[str]) -> Callable:
    """The function, which notes its name at each call."""

    def call(*arguments):
        calls.append(function.__name__)
        return function(*arguments)

    return call


@pytest.mark.parametrize("mode", ["classify", "caption"])
def test_an_image_alone(runs, mode):
    flaw = run_folder.open_run(runs[mode]).writing_flaw
    with Engine.load([runs[mode]]) as engine, TestClient(create_app(engine)) as client:
        assert engine.report.notes == ([f"{runs[mode].name}: {flaw}"] if flaw else [])
        answer = client.post("/api/report", files={"image": ("x.png", PNG)}).json()
        assert client.post("/api/annotate", files={"report": (None, b"clear")}).status_code == 404
    assert answer["mode"] == mode
    assert (answer["report"] is None) == (mode == "classify")
    assert all((finding["probability"] is None) == (mode == "caption") for finding in answer["findings"])
    assert bool(answer["a"]) == (mode == "caption") and answer["a_ws"] is None


def test_a_report_alone(runs):
    with Engine.load([runs["annotate-text"]]) as engine, TestClient(create_app(engine)) as client:
        answer = client.post("/api/annotate", files={"report": (None, b"The lungs are clear.")}).json()
    assert [word["word"] for word in answer["words"]] == ["<START>", "the", "lungs", "are", "clear", "."]
    assert all(word["g"] is not None for word in answer["words"]) and answer["a"] is None
    assert all(finding["probability"] is not None for finding in answer["findings"])


def test_several_runs_of_one_mode_are_one_network(seeds):
    with Engine.load(seeds) as engine, TestClient(create_app(engine)) as client:
        answer = client.post("/api/annotate", files={"report": (None, b"The lungs are clear.")}).json()
        assert engine.annotate.name == f"{seeds[0].name}, {seeds[1].name}"
    with Annotator.load(seeds) as annotator:
        (expected,) = annotator.annotate(["The lungs are clear."])
    assert [found["probability"] for found in answer["findings"]] == [float(str(p)) for p in expected.probabilities]
    assert all(word["g"] is not None for word in answer["words"])


def test_a_report_in_other_words_gets_no_labels(runs):
    with Engine.load([runs["annotate-text"]]) as engine, TestClient(create_app(engine)) as client:
        for report in ("blah blah xyz qwerty", "Silueta cardiaca de tamaño normal. No se observa derrame.", "", "None"):
            answer = client.post("/api/annotate", files={"report": (None, report.encode())})
            assert answer.status_code == 422 and answer.json()["detail"].startswith("report: the "), report


def test_two_runs_that_do_the_same_are_refused_in_one_line(runs):
    for one, other in (("classify", "report"), ("annotate", "annotate-text")):
        with pytest.raises(InputError, match="give one of report, classify, caption and one of ann") as error:
            Engine.load([runs[one], runs[other]])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(("seconds", "expected"), [(lambda n: 0.02, 8), (lambda n: 0.01 * n, 1)])
def test_the_size_of_a_batch_is_what_is_fastest(seconds, expected):
    assert find_batch_size(lambda items: time.sleep(seconds(len(items))), (None, ""), 8) == expected


@pytest.mark.parametrize("modes", [["classify"], ["report", "annotate"]])
def test_each_run_is_opened_once(runs, modes, monkeypatch):
    calls = []
    for name in ("locate", "load_run"):
        monkeypatch.setattr(run_folder, name, counted(getattr(run_folder, name), calls))
    with Engine.load([runs[mode] for mode in modes]) as engine, TestClient(create_app(engine)) as client:
        for mode in modes:
            form = {"files": {"image": ("x.png", PNG)}} | ({"data": {"report": "clear"}} if mode == "annotate" else {})
            kind = "annotate" if mode == "annotate" else "report"
            assert client.post(f"/api/{kind}", **form).status_code == 200
    assert sorted(calls) == sorted(["locate", "load_run"] * len(modes))


def test_an_uploaded_image_is_resized_once_and_gives_the_numbers_of_the_image_itself(runs, monkeypatch):
    with Reporter.load(runs["classify"]) as reporter:
        (expected,) = reporter.report([XRAY])
    calls = []
    for module in (image, pipeline):
        monkeypatch.setattr(module, "resize", counted(module.resize, calls))
    with Engine.load([runs["classify"]]) as engine, TestClient(create_app(engine)) as client:
        calls.clear()  # of the example by which the batch size is chosen
        findings = client.post("/api/report", files={"image": ("x.png", PNG)}).json()["findings"]
    assert calls == ["resize"]
    assert [finding["probability"] for finding in findings] == [float(str(p)) for p in expected.probabilities]
