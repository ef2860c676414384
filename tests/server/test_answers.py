"""What the API answers: a prediction, value by value, and null for what a mode does not have."""

import base64
import hashlib
import json

import cv2
import numpy as np
from fastapi.testclient import TestClient

from tests.commands.predictions import prediction_with
from tests.server import fakes
from tienet.data import image
from tienet.labels import LABELS, K
from tienet.server.answers import Answer
from tienet.server.app import create_app
from tienet.server.engine import Engine, ServedNetwork

CHEST = fakes.xray()
FILE = {"image": ("chest.png", fakes.png(CHEST))}


def test_a_report_holds_what_the_network_gave(client):
    answer = client.post("/api/report?picture=true", files=FILE).json()
    expected = fakes.FakeReporter().report([image.resize(CHEST, fakes.PX)])[0]
    found = {finding["name"]: finding for finding in answer["findings"]}
    assert list(found) == list(LABELS)
    np.testing.assert_allclose([found[name]["probability"] for name in LABELS], expected.probabilities, atol=1e-7)
    assert [found[name]["named"] for name in LABELS if name != "Hernia"] == [
        bool(named) for name, named in zip(LABELS, expected.labels, strict=True) if name != "Hernia"
    ]
    assert found["No_Finding"]["named"] is False and found["No_Finding"]["probability"] >= 0.5  # beside findings
    np.testing.assert_allclose([found[name]["precision"] for name in LABELS[1:]], expected.precision[1:], atol=1e-7)
    np.testing.assert_allclose([found[name]["recall"] for name in LABELS[1:]], expected.recall[1:], atol=1e-7)
    assert found[LABELS[0]]["precision"] is found[LABELS[0]]["recall"] is None
    assert found["Hernia"]["threshold"] is None and found["Hernia"]["named"] is None
    assert answer["report"] == expected.report and answer["log_probability"] == -3.5
    assert [word["word"] for word in answer["words"]] == expected.words
    np.testing.assert_allclose([word["g"] for word in answer["words"]], expected.g, atol=1e-6)
    np.testing.assert_allclose(answer["a"], expected.a, atol=1e-6)
    np.testing.assert_allclose(answer["a_ws"], expected.a_ws, atol=1e-6)
    np.testing.assert_allclose([found[name]["map"] for name in LABELS], expected.finding_maps, atol=1e-6)
    assert answer["text"] == "Findings: No effusion.\nImpression: Normal."
    assert "".join(word["text"] for word in answer["words"]) == answer["text"] and answer["words"][0]["text"] == ""
    assert (answer["height"], answer["width"], answer["name"], answer["mode"]) == (60, 40, "chest.png", "report")
    head, _, jpeg = answer["picture"].partition(",")
    assert head == "data:image/jpeg;base64"
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(shown.astype(int) - CHEST).mean() < 6


def test_classify_has_labels_and_no_report():
    with fakes.engine_of(fakes.FakeClassifier(), None) as engine, TestClient(create_app(engine)) as client:
        answer = client.post("/api/report", files=FILE).json()
        assert client.get("/api/model").json()["report"]["mode"] == answer["mode"] == "classify"
        assert answer["report"] is answer["log_probability"] is answer["a"] is answer["a_ws"] is None
        assert answer["text"] is None and np.shape(answer["findings"][0]["map"]) == (fakes.D, fakes.D)
        assert answer["words"] == [] and all(finding["probability"] is not None for finding in answer["findings"])


def test_caption_has_a_report_and_no_labels():
    with fakes.engine_of(fakes.FakeCaptioner(), None) as engine, TestClient(create_app(engine)) as client:
        answer = client.post("/api/report", files=FILE).json()
        assert answer["report"].startswith("findings : no effusion") and len(answer["a"]) == len(answer["words"])
        for finding in answer["findings"]:
            assert finding["probability"] is finding["threshold"] is finding["named"] is finding["map"] is None
        assert all(word["g"] is None for word in answer["words"]) and answer["a_ws"] is None


def test_maps_and_picture_are_left_out_where_they_are_not_wanted(client):
    answer = client.post("/api/report?maps=false", files=FILE).json()
    assert answer["a"] is answer["a_ws"] is answer["picture"] is None and answer["words"][0]["g"] is not None
    assert all(finding["map"] is None for finding in answer["findings"])


def test_an_answer_says_which_file_and_which_text_it_is_of(client):
    text = "Large  effusion.\n" + "No nodule. " * 9
    sent = client.post("/api/annotate?maps=false", files=FILE, data={"report": text.replace("\n", "\r\n")}).json()
    line = "Large effusion. No nodule. No nodule. No nodule. No nodule. No nodule. No nod..."
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert sent["name"] == "chest.png"
    assert sent["given"] == {"start": line, "characters": len(text), "sha256": digest} and len(line) == 80
    empty = client.post("/api/annotate?maps=false", files=FILE, data={"report": ""}).json()["given"]
    assert (empty["start"], empty["characters"]) == ("", 0)
    assert client.post("/api/report?maps=false", files=FILE).json()["given"] is None
    with fakes.engine_of(None, fakes.FakeTextAnnotator()) as engine, TestClient(create_app(engine)) as alone:
        answer = alone.post("/api/annotate", files={"report": (None, b"No effusion.")}).json()
    assert answer["name"] == "" and answer["given"]["start"] == "No effusion."


def test_an_answer_says_where_its_report_was_cut(client):
    for words, cut_at in ((fakes.MAX_WORDS, None), (fakes.MAX_WORDS + 1, fakes.MAX_WORDS)):
        answer = client.post("/api/annotate?maps=false", files=FILE, data={"report": "clear " * words}).json()
        assert answer["cut_at"] == cut_at and len(answer["words"]) == fakes.MAX_WORDS + 1
    assert client.post("/api/report?maps=false", files=FILE).json()["cut_at"] is None


def test_a_network_whose_reports_nobody_can_use_says_so():
    """In the facts about it, and in each of its answers, whose notes the page shows."""
    network = ServedNetwork(fakes.FakeReporter(), "toy", fakes.PX, 1, remarks=["all are the same"])
    with Engine(network) as engine, TestClient(create_app(engine)) as client:
        assert client.get("/api/model").json()["report"]["notes"] == ["toy: all are the same"]
        assert client.post("/api/report?maps=false", files=FILE).json()["notes"] == ["toy: all are the same"]


def test_a_tiny_threshold_stays_what_it_is():
    values = {"probabilities": np.full(K, 3e-7, np.float32), "thresholds": np.full(K, 3e-7, np.float32)}
    answer = Answer.from_prediction("classify", "x", None, prediction_with(**values, labels=np.ones(K)), maps=False)
    found = json.loads(answer.model_dump_json())["findings"]
    assert [(finding["probability"], finding["threshold"], finding["named"]) for finding in found] == [
        (3e-7, 3e-7, True)
    ] * K
