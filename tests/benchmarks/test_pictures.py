"""The pictures of README: of the served page and of a study's page, with the map of a word; one that is not there."""

import cv2
import pytest

from benchmarks import pictures
from tests.pages.test_study_browser import study
from tienet.errors import InputError
from tienet.pages.pages_folder import write_pages

pytest.importorskip("fastapi", reason="needs fastapi")

from tests.server import fakes
from tests.server.conftest import serving
from tests.server.labelling.conftest import app_of, desk_of, questions
from tienet.server.app import create_app


def test_the_page_of_a_study_with_the_map_of_a_word(browser, tmp_path):
    (page,) = write_pages(tmp_path, [study("CXR1")])
    pictures.shoot_study(browser, page, "Effusion", tmp_path / "page.png")
    assert cv2.imread(str(tmp_path / "page.png")).shape == (700, 1200, 3)
    with pytest.raises(InputError, match="--word heart: the report on CXR1 has no such word; it says findings : large"):
        pictures.shoot_study(browser, page, "heart", tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()


def test_the_page_for_readers_with_two_answers(browser, tmp_path):
    with desk_of(tmp_path, questions(tmp_path / "images")) as desk, app_of(desk) as app, serving(app) as address:
        pictures.shoot_label_page(browser, address, pictures.LABEL_KEYS, tmp_path / "label.png")
        assert desk.state(0).answers == {"Effusion": 1, "Nodule": -1}
    assert cv2.imread(str(tmp_path / "label.png")).shape == (940, 1240, 3)


def test_the_served_page_with_the_map_of_a_word(browser, tmp_path):
    (tmp_path / "chest.png").write_bytes(fakes.png(fakes.xray(90, 90)))
    with fakes.engine(annotate=False) as engine, serving(create_app(engine)) as address:
        pictures.shoot_served_page(browser, address, tmp_path / "chest.png", "normal", tmp_path / "serve.png")
    assert cv2.imread(str(tmp_path / "serve.png")).shape == (980, 1240, 3)
