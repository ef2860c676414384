"""The API: what it answers, in which words it refuses, and that its description is true."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import psutil
import pytest
from fastapi.testclient import TestClient

from tests.server import fakes
from tests.server.conftest import serving
from tests.server.described_api import try_every_address
from tienet.server.app import create_app
from tienet.server.guard import SECURITY_HEADERS

CHEST = fakes.xray()
FILE = {"image": ("chest.png", fakes.png(CHEST))}


def test_annotate_text_wants_the_report_alone():
    with fakes.engine_of(None, fakes.FakeTextAnnotator()) as engine, TestClient(create_app(engine)) as client:
        assert client.get("/api/model").json()["annotate"]["image_px"] is None
        alone = client.post("/api/annotate", files={"report": (None, b"No effusion")}).json()
        assert alone["height"] is alone["a"] is alone["picture"] is None
        assert [word["word"] for word in alone["words"]] == ["<START>", "no", "effusion"]
        beside = client.post("/api/annotate?picture=true", files=FILE, data={"report": "No effusion"}).json()
        assert beside["findings"] == alone["findings"] and beside["picture"].startswith("data:")
        refused = client.post("/api/report", files=FILE)
        assert refused.status_code == 404 and "of mode report or classify or caption" in refused.json()["detail"]
        form = client.get("/api/openapi.json").json()["paths"]["/api/annotate"]["post"]["requestBody"]["content"]
        assert form["multipart/form-data"]["schema"]["required"] == ["report"]


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("", "report: the report is empty"),
        (" \n", "report: the report is empty"),
        ("NaN", "report: the report is 'NaN', which stands for nothing"),
        ("derrame pulmonar", "report: it is Spanish"),
    ],
)
def test_a_report_that_cannot_be_read_gets_no_labels(client, report, said):
    with fakes.engine_of(None, fakes.FakeTextAnnotator()) as engine, TestClient(create_app(engine)) as alone:
        answer = alone.post("/api/annotate", files={"report": (None, report.encode())})
    assert answer.status_code == 422 and answer.json()["detail"] == said
    beside = client.post("/api/annotate", files=FILE, data={"report": report})
    assert beside.status_code == (422 if report.strip() else 200)  # the image says something without a report, too


def test_annotate_reads_the_report(client):
    one, other = (
        client.post("/api/annotate", files=FILE, data={"report": text}).json() for text in ("No effusion", "")
    )
    assert [word["word"] for word in one["words"]] == ["<START>", "no", "effusion"] and one["report"] is None
    assert [word["word"] for word in other["words"]] == ["<START>"]
    assert one["findings"] != other["findings"]


@pytest.mark.parametrize(
    ("path", "files", "data", "status", "said"),
    [
        ("report", {}, {"other": "x"}, 415, "expected multipart/form-data"),
        ("report", {"other": ("a", b"x")}, {}, 422, "'other': no such field"),
        ("report", {"report": (None, b"x")}, {}, 422, "takes the image alone"),
        ("report", {"image": (None, b"x")}, {}, 422, "image: a text field"),
        ("annotate", FILE, {}, 422, "report: missing"),
        ("annotate", FILE | {"report": ("a.txt", b"x")}, {}, 400, "Too many files"),
        ("annotate", {"report": (None, b"no effusion")}, {}, 422, "image: missing"),
        ("annotate", FILE, {"report": "x" * 100_001}, 422, "100,001 characters"),
        ("annotate", FILE, {"report": "x" * 2_000_000}, 400, "exceeded maximum size"),
        ("report?maps=perhaps", FILE, {}, 422, "maps: Input should be a valid boolean"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_in_one_line(client, path, files, data, status, said):
    answer = client.post(f"/api/{path}", files=files, data=data)
    assert answer.status_code == status and said in answer.json()["detail"] and "\n" not in answer.json()["detail"]


def test_a_broken_form_is_refused(client):
    for content, content_type in (
        (b"rubbish", "multipart/form-data; boundary=x"),
        (b"rubbish", "multipart/form-data"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data; boundary=x"),
    ):
        answer = client.post("/api/report", content=content, headers={"Content-Type": content_type})
        assert answer.status_code in (400, 422) and isinstance(answer.json()["detail"], str)


def test_one_network_alone_says_what_is_missing():
    with fakes.engine(annotate=False) as engine, TestClient(create_app(engine)) as client:
        assert client.get("/api/model").json()["annotate"] is None
        answer = client.post("/api/annotate", files=FILE, data={"report": ""})
        assert answer.status_code == 404 and "--load and a run of mode annotate" in answer.json()["detail"]


def test_one_bad_request_does_not_fail_those_beside_it(client):
    with TestClient(client.app, "http://localhost", raise_server_exceptions=False) as own:
        assert own.post("/api/annotate", files=FILE, data={"report": "fail"}).status_code == 500
        assert own.post("/api/annotate", files=FILE, data={"report": "fine"}).status_code == 200


def test_a_full_queue_is_answered_503_with_retry_after():
    reporter = fakes.FakeReporter()
    with (
        fakes.engine(annotate=False, reporter=reporter) as engine,
        serving(create_app(engine, max_requests=2)) as address,
    ):
        reporter.gate.clear()
        with ThreadPoolExecutor() as executor:
            answers = [executor.submit(httpx.post, f"{address}/api/report", files=FILE, timeout=30) for _ in range(3)]
            full = next(as_completed(answers)).result()
            assert full.status_code == 503 and int(full.headers["retry-after"]) >= 1 and "wait already" in full.text
            assert httpx.get(f"{address}/healthz").status_code == 200  # not held up by the queue
            reporter.gate.set()
            assert sorted(answer.result().status_code for answer in answers) == [200, 200, 503]
        assert httpx.post(f"{address}/api/report", files=FILE).status_code == 200


def test_nobody_computes_for_a_client_that_went_away():
    reporter = fakes.FakeReporter()
    with fakes.engine(annotate=False, reporter=reporter, max_batch=1) as engine, serving(create_app(engine)) as address:
        reporter.gate.clear()
        before = len(reporter.sizes)
        first = threading.Thread(target=httpx.post, args=(f"{address}/api/report",), kwargs={"files": FILE})
        first.start()
        time.sleep(0.2)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/api/report", files=FILE, timeout=httpx.Timeout(5, read=0.3))
        time.sleep(0.2)
        reporter.gate.set()
        first.join()
        assert httpx.post(f"{address}/api/report", files=FILE).status_code == 200
        assert len(reporter.sizes) - before == 2


def test_requests_of_16_clients_are_answered_together():
    reporter = fakes.FakeReporter(seconds=0.02)
    with fakes.engine(annotate=False, reporter=reporter) as engine, serving(create_app(engine)) as address:
        before, statuses = len(reporter.sizes), []

        def work() -> None:
            with httpx.Client(timeout=30) as own:
                for _ in left:
                    statuses.append(own.post(f"{address}/api/report?maps=false", files=FILE).status_code)

        left = iter([None] * 200)
        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 200 and len(reporter.sizes) - before < 100


def test_memory_after_1000_requests_is_that_after_100():
    process = psutil.Process()
    with fakes.engine(max_batch=1) as engine, TestClient(create_app(engine)) as client:
        for n in range(1000):
            assert client.post("/api/report?picture=true", files=FILE).status_code == 200
            if n == 99:
                early = process.memory_info().rss
    assert process.memory_info().rss < 1.1 * early


def test_every_answer_forbids_other_addresses(client):
    for path in ("/", "/api", "/api/docs", "/api/openapi.json", "/static/view.js", "/api/model", "/no", "/healthz"):
        answer = client.get(path)
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS, path
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers and "cache-control" in answer.headers


def test_pages_name_no_other_address(client):
    scripts = [f"/static/{name}.js" for name in ("view", "app", "download", "docs")]
    for path in ("/", "/api", "/api/docs", *scripts, "/static/style.css"):
        text = client.get(path).text.replace("http://localhost/api/", "")  # this server's own, in examples
        assert "http:" not in text and "https:" not in text, path


def test_the_description_is_true():
    with fakes.engine() as engine:
        app = create_app(engine, token="a-long-token")
        try_every_address(app, {"Authorization": "Bearer a-long-token"}, addresses=7, examples=8)
