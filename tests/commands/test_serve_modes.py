"""tienet serve with real runs of the modes that have only a part: each answers with what it has."""

import cv2
import pytest

pytest.importorskip("fastapi", reason="needs fastapi")

from fastapi.testclient import TestClient

from tienet.errors import InputError
from tienet.server.app import create_app
from tienet.server.engine import Engine


@pytest.mark.parametrize("mode", ["classify", "caption"])
def test_an_image_alone(runs, phantom, mode):
    content = cv2.imencode(".png", cv2.imread(str(phantom.images[0]), cv2.IMREAD_GRAYSCALE))[1].tobytes()
    with Engine.load([runs[mode]]) as engine, TestClient(create_app(engine)) as client:
        answer = client.post("/api/report", files={"image": ("x.png", content)}).json()
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


def test_two_runs_that_do_the_same_are_refused_in_one_line(runs):
    for one, other in (("classify", "report"), ("annotate", "annotate-text")):
        with pytest.raises(InputError, match="give one of report, classify, caption and one of ann") as error:
            Engine.load([runs[one], runs[other]])
        assert "\n" not in str(error.value)
