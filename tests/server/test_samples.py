"""The samples: drawings, or the files of a folder with the reports beside them."""

import cv2
import pytest

from tests.server import fakes
from tienet.errors import InputError
from tienet.server import samples


def test_samples_are_drawn_and_say_so(client):
    found = client.get("/api/samples").json()
    assert len(found) > 3 and all(sample["drawn"] and "drawing" in sample["title"] for sample in found)
    for sample in found[:2]:
        content = client.get(f"/api/samples/{sample['name']}").content
        assert client.post("/api/report", files={"image": (sample["name"], content)}).status_code == 200
        small = client.get(f"/api/samples/{sample['name']}/thumbnail")
        assert small.headers["content-type"] == "image/jpeg" and len(small.content) < len(content)
    assert client.get("/api/samples/..%2f..%2fsetup.py").status_code == 404
    assert client.get("/static/..%2f..%2fapp.py").status_code == 404


def test_samples_of_a_folder_have_the_reports_beside_them(tmp_path):
    cv2.imwrite(str(tmp_path / "b.png"), fakes.xray())
    (tmp_path / "b.txt").write_text("No effusion.")
    (tmp_path / "a.JPG").write_bytes(b"no image")
    (tmp_path / "a.txt").write_text("x" * 100_001)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "._b.png").write_bytes(b"\0\5\x16\7")
    with (tmp_path / "huge.dcm").open("wb") as file:
        file.truncate(65 << 20)
    found, left_out = samples.from_folder(tmp_path)
    assert [(sample.name, sample.report, sample.drawn) for sample in found] == [
        ("a.JPG", None, False),
        ("b.png", "No effusion.", False),
    ]
    assert len(left_out) == 2 and "huge.dcm: more than 64 MB" in left_out[0]
    assert left_out[1] == f"{tmp_path / 'a.txt'}: 100,001 characters; the most that is read is 100,000"
    with pytest.raises(InputError, match="no file of"):
        (tmp_path / "empty").mkdir()
        samples.from_folder(tmp_path / "empty")
