"""Who is let in: tokens, cookies, hosts, origins."""

import pytest
from fastapi.testclient import TestClient

from tests.server import fakes
from tests.server.conftest import LOCAL
from tienet.errors import InputError
from tienet.server import guard
from tienet.server.app import create_app

TOKEN = "correct-horse-7"


@pytest.fixture(scope="module")
def app(engine):
    return create_app(engine, token=TOKEN)


@pytest.fixture
def client(app):
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong-token-7"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Cookie": "tienet-00000000=1; ;=;"},
        {"Cookie": f"tienet={TOKEN}"},
        {"Cookie": b"tienet-\xff=\xff"},
    ],
)
def test_without_the_token_nothing_is_answered(client, headers):
    file = {"image": ("a.png", fakes.png(fakes.xray()))}
    for path in ("/api/model", "/api/samples", "/api", "/api/openapi.json", "/api/docs", "/nowhere"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", path
    assert client.post("/api/report", files=file, headers=headers).status_code == 401
    page = client.get("/", headers=headers)
    assert page.status_code == 401 and 'name="token"' in page.text
    assert client.get("/healthz", headers=headers).status_code == 200
    assert client.get("/static/style.css", headers=headers).status_code == 200


def test_a_wrong_token_says_so_and_no_token_does_not(client):
    wrong = {"headers": {"Authorization": "Bearer wrong-token-7"}}
    assert client.get("/api/model", **wrong).json()["detail"].startswith("the token is wrong: ")
    assert client.get("/api/model?token=wrong-token-7").json()["detail"].startswith("the token is wrong: ")
    assert client.get("/api/model").json()["detail"].startswith("this server wants its token: ")
    assert "token is wrong" in client.get("/?token=wrong-token-7").text
    for address in ("/", "/?token="):
        assert "wrong" not in client.get(address).text


def test_a_bearer_token_is_taken(client):
    assert client.get("/api/model", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/api/model", headers={"Authorization": f"bearer  {TOKEN}"}).status_code == 200


def test_a_token_in_the_address_becomes_a_cookie_of_this_site_only(client):
    assert client.get("/?token=wrong-token").status_code == 401
    answer = client.get(f"/?token={TOKEN}", follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200 and "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert 'content="0; url=/"' in answer.text and TOKEN not in answer.text
    assert client.get("/api/model").status_code == 200
    assert "Choose files" in client.get("/").text
    client.cookies.clear()
    assert client.get("/api/model").status_code == 401


def test_the_description_names_the_token(client):
    answer = client.get("/api/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.json()["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:8000", 200), ("LOCALHOST", 200), ("evil.example", 400),
        ("127.0.0.1.evil.example", 400), ("localhost.evil:8000", 400), ("", 400), ("[::2]", 400),
        ("evil@localhost", 400),
    ],
)  # fmt: skip
def test_a_foreign_name_that_leads_to_this_computer_is_refused(engine, host, status):
    with TestClient(create_app(engine, hosts=LOCAL)) as client:
        assert client.get("/api/model", headers={"Host": host}).status_code == status
        assert client.get("/", headers={"Host": host}).status_code == status
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200), ("http://evil.example", 403), ("null", 403), ("http://localhost:9", 403),
        ("http://[", 403), ("", 403),
    ],
)  # fmt: skip
def test_a_page_of_another_site_may_not_post(engine, origin, status):
    file = {"image": ("a.png", fakes.png(fakes.xray()))}
    with TestClient(create_app(engine, hosts=LOCAL), "http://localhost:8000") as client:
        assert client.post("/api/report", files=file, headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_computer_needs_no_token(host):
    guard.check_token(None, host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "localhost.example"])
def test_other_computers_need_one(host):
    with pytest.raises(InputError, match="--token"):
        guard.check_token(None, host)
    guard.check_token(TOKEN, host)


@pytest.mark.parametrize("token", ["", "short", "with a space in it", "ümlaut-token", "new\nline-token"])
def test_a_weak_token_is_refused(token):
    with pytest.raises(InputError, match="8 or more"):
        guard.check_token(token, "127.0.0.1")
