"""The addresses of the labelling page: what they give, what they keep, and whom they refuse."""

import itertools

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.server.described_api import try_every_address
from tests.server.labelling.conftest import app_of, desk_of, questions
from tienet.hand_labels.desk import DECIDING, Question
from tienet.hand_labels.journal import read_entries
from tienet.labels import LABELS, NO_FINDING
from tienet.server.labelling.answers import KEYS

NUMBERS = itertools.count()


@pytest.fixture
def client(desk):
    with app_of(desk) as app, TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


def entry(number: int, version: int = 0, **more) -> dict:
    return {"id": f"entry-{next(NUMBERS):08}", "study": f"s{number}", "version": version, "answers": {}, **more}


def post(client, number: int, body: dict, **options):
    return client.post(f"/api/studies/{number}/answers", json=body, **options)


def test_each_label_has_a_key_of_its_own_that_is_no_key_of_the_picture_or_the_steps():
    assert sorted(KEYS) == sorted(LABELS) and len(set(KEYS.values())) == len(LABELS)
    assert not set(KEYS.values()) & set("birwu+-=0")


def test_a_study_has_its_report_and_its_image(client, desk):
    study = client.get("/api/studies/1").json()
    assert study["report"] == "findings : text 1 ." and study["asked"] == list(LABELS) and study["assist"] == []
    assert study["saved"]["study"] == "s1" and study["saved"]["answers"] == {} and not study["saved"]["done"]
    image = client.get("/api/studies/1/image")
    assert image.headers["content-type"] == "image/jpeg"
    shown = cv2.imdecode(np.frombuffer(image.content, np.uint8), cv2.IMREAD_GRAYSCALE)
    true = cv2.imread(str(desk.questions[1].image), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == true.shape and abs(shown.astype(int) - true).mean() < 3
    assert client.get("/api/studies/3").json()["image"] is False
    assert client.get("/api/studies/3/image").status_code == 404


def test_no_label_of_the_data_set_is_told(client):
    task = client.get("/api/task").json()
    assert task["finished"] == [False] * 4 and task["assist"] == "" and task["seconds_each"] is None
    assert [label["key"] for label in task["labels"]] == [KEYS[label] for label in LABELS]


def test_an_answer_is_on_the_disk_when_the_reply_comes(client, tmp_path):
    reply = post(client, 0, entry(0, answers={"Mass": 1}, seconds=2.5))
    assert reply.status_code == 200 and reply.json()["version"] == 1 and reply.json()["answers"] == {"Mass": 1}
    assert read_entries(tmp_path / "anna.jsonl")[0]["set"] == {"Mass": 1}
    done = post(client, 0, entry(0, 1, done=True, seconds=4)).json()
    assert done["done"] and done["progress"] == {"finished": 1, "studies": 4, "seconds_each": 6.5}
    assert "s0,p0," in (tmp_path / "anna.csv").read_text()


def test_an_answer_that_is_sent_again_is_kept_once(client, tmp_path):
    body = entry(0, answers={"Mass": 1})
    assert post(client, 0, body).json() == post(client, 0, body).json()
    assert len(read_entries(tmp_path / "anna.jsonl")) == 1


def test_an_answer_to_a_study_that_has_changed_is_answered_with_the_change(client):
    post(client, 0, entry(0, answers={"Mass": 1}))
    reply = post(client, 0, entry(0, answers={"Edema": 1}))
    assert reply.status_code == 409 and reply.json()["saved"]["answers"] == {"Mass": 1}
    assert "another tab" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"answers": {"Lump": 1}}, 422),
        ({"answers": {"Mass": 2}}, 422),
        ({"answers": {"Mass": "1"}}, 422),
        ({"study": "s1"}, 422),
        ({"id": "short"}, 422),
        ({"id": "../../../etc"}, 422),
        ({"seconds": -1}, 422),
        ({"more": 1}, 422),
        ({"version": 7}, 409),
    ],
)
def test_a_wrong_answer_changes_nothing(client, tmp_path, change, status):
    assert post(client, 0, {**entry(0), **change}).status_code == status
    assert read_entries(tmp_path / "anna.jsonl") == []
    assert post(client, 9, entry(0)).status_code == 404


def test_the_last_answer_is_taken_back(client):
    assert client.post("/api/undo", json={"id": "12345678"}).status_code == 404
    post(client, 2, entry(2, answers={"Mass": 1}))
    reply = client.post("/api/undo", json={"id": "12345678"}).json()
    assert reply["number"] == 2 and reply["answers"] == {} and reply["version"] == 2


def test_an_answer_that_cannot_be_written_is_not_said_to_be_kept(client, tmp_path, monkeypatch):
    def fill(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tienet.hand_labels.journal.os.write", fill)
    reply = post(client, 0, entry(0, answers={"Mass": 1}))
    assert reply.status_code == 507 and reply.json()["detail"].startswith("not kept: No space left")
    monkeypatch.undo()
    assert client.get("/api/studies/0").json()["saved"]["answers"] == {}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_a_page_of_another_site_writes_nothing(client, tmp_path, origin, kind):
    import json

    headers = {"Origin": origin, "Content-Type": kind}
    for address, body in (("/api/studies/0/answers", entry(0, done=True)), ("/api/undo", {"id": "12345678"})):
        assert client.post(address, content=json.dumps(body), headers=headers).status_code == 403
    assert post(client, 0, entry(0), headers={"Host": "evil.example"}).status_code == 400
    assert read_entries(tmp_path / "anna.jsonl") == []


def test_without_the_token_nothing_is_read_or_written(desk, tmp_path):
    with app_of(desk, token="a-long-token") as app, TestClient(app, "http://localhost") as client:
        for address in ("/api/task", "/api/studies/0", "/api/studies/0/image"):
            assert client.get(address).status_code == 401
        assert post(client, 0, entry(0)).status_code == 401
        assert post(client, 0, entry(0), headers={"Authorization": "Bearer a-long-token"}).status_code == 200
    assert len(read_entries(tmp_path / "anna.jsonl")) == 1


def test_who_decides_sees_both_answers(tmp_path):
    asked = [Question("s0", "p0", None, "text", ("Mass",), {"Mass": (1, -1)}, {NO_FINDING: 0})]
    with (
        desk_of(tmp_path, asked, DECIDING, givers=("ben", "carla")) as desk,
        app_of(desk) as app,
        TestClient(app, "http://localhost") as client,
    ):
        assert client.get("/api/task").json()["readers"] == ["ben", "carla"]
        study = client.get("/api/studies/0").json()
        assert study["given"] == [{"label": "Mass", "answers": [1, -1]}] and study["settled"] == {NO_FINDING: 0}
        assert post(client, 0, entry(0, done=True)).json()["detail"] == "not answered yet: Mass"


def test_an_image_that_cannot_be_read_is_told(tmp_path):
    asked = questions(tmp_path / "images", 3)
    asked[0].image.write_text("no picture")
    asked[1].image.unlink()
    with desk_of(tmp_path, asked) as desk, app_of(desk) as app, TestClient(app, "http://localhost") as client:
        assert "no PNG, JPEG or DICOM" in client.get("/api/studies/0/image").json()["detail"]
        assert "No such file" in client.get("/api/studies/1/image").json()["detail"]


def test_every_address_answers_as_it_is_described(tmp_path):
    headers = {"Authorization": "Bearer a-long-token", "Host": "localhost"}
    with desk_of(tmp_path, questions(tmp_path / "images")) as desk, app_of(desk, token="a-long-token") as app:
        try_every_address(app, headers, addresses=6, examples=12)
