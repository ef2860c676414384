"""The page at /api: the calls of the API, and how to make them."""

import html
import re

from fastapi.testclient import TestClient

from tests.server import fakes
from tienet.server.app import create_app


def text_of(answer) -> str:
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    return html.unescape(re.sub(r"<[^>]*>", "", answer.text))


def test_it_names_every_call_and_shows_how_to_make_one(client):
    text = text_of(client.get("/api"))
    for path, methods in client.get("/api/openapi.json").json()["paths"].items():
        for method, call in methods.items():
            assert f"{method.upper()} {path}" in text and call["description"] in text
    assert "image (form), report (form), maps (query, optional), picture (query, optional)" in text
    assert 'curl -F image=@chest.png -F "report=No effusion." http://localhost/api/annotate\n' in text + "\n"
    assert "not a medical device" in text and "$" not in text
    assert text_of(client.get("/api/")) == text


def test_its_examples_are_calls_that_this_server_answers():
    with fakes.engine_of(None, fakes.FakeTextAnnotator()) as engine:
        token = {"Authorization": "Bearer a-long-token"}
        with TestClient(create_app(engine, token="a-long-token"), "http://localhost", headers=token) as client:
            text = text_of(client.get("/api"))
    assert [line.strip() for line in text.splitlines() if "curl" in line] == [
        'curl -H "Authorization: Bearer TOKEN" -F "report=No effusion." http://localhost/api/annotate'
    ]
