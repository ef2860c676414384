"""tienet report --format: a document for each image, of its own patient; what cannot have one is named."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests import needs
from tests.data.dicom.dicom_files import dataset, save
from tests.light_run import light_run
from tienet.commands.documents import Documents, check_image, check_installed
from tienet.commands.main import dispatch
from tienet.commands.study_input import StudyInput
from tienet.data import manifest as manifests
from tienet.data.image import write_png
from tienet.errors import InputError


def run(load, *flags) -> int:
    return dispatch(["report", "--load", str(load), "--gpu", "cpu", *map(str, flags)])


def answers(out: str) -> list[dict]:
    """The lines of JSON that the command has printed; a thread of a training may add its own."""
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


@pytest.fixture
def film(tmp_path):
    """A DICOM file with all that a structured report needs."""
    return save(tmp_path / "in" / "film 1.dcm", dataset(SeriesInstanceUID="1.2.3.5", PatientID="P7"))


@pytest.fixture
def light(data_root, tmp_path):
    """A function that makes a run of a mode that was never trained."""
    return lambda mode: light_run(tmp_path / mode, manifests.load("phantom", data_root), mode, data="phantom")


def test_documents_say_what_is_printed(runs, phantom, film, tmp_path, capsys):
    needs.need_highdicom()
    load, out = runs["report"], tmp_path / "out"
    capsys.readouterr()
    assert run(load, "--json", "--format", "dicom-sr", film, phantom.images[0], "--out", out) == 1
    said = capsys.readouterr()
    (line,) = answers(said.out)
    assert f"passed over: {phantom.images[0]} is no DICOM file; --format dicom-sr needs one" in said.err
    (path,) = out.glob("*.dcm")
    assert str(path) in said.err and path.name.startswith("film_1-") and path.name.endswith(".sr.dcm")
    ds = pydicom.dcmread(path)
    assert (ds.PatientID, ds.StudyInstanceUID, ds.VerificationFlag) == ("P7", "1.2.3", "UNVERIFIED")
    texts = [item.TextValue for item in ds.ContentSequence[-1].ContentSequence]
    words = texts[0].lower().replace("\r\n", " ")
    assert words.replace(":", "").replace(".", "").split() == line["report"].replace(":", "").replace(".", "").split()
    assert "Nobody has verified it" in texts[1] and "not a medical device" in texts[1]
    assert str(ds).count("SCOORD") == 1


def test_labels_alone_in_fhir(runs, phantom, film, tmp_path, capsys):
    needs.need_fhir_resources()
    load, out = runs["classify"], tmp_path / "out"
    capsys.readouterr()
    assert run(load, "--json", "--format", "fhir", film, phantom.images[0], "--out", out) == 0
    said = capsys.readouterr()
    lines = answers(said.out)
    paths = [line for line in said.err.splitlines() if line.startswith(str(out))]
    assert paths.pop() == str(out / "documents.csv") and sorted(paths) == sorted(map(str, out.glob("*.json")))
    of_film, of_png = (json.loads(Path(path).read_text()) for path in paths)
    assert of_film["subject"]["identifier"]["value"] == "P7" and "subject" not in of_png
    for line, report in zip(lines, (of_film, of_png), strict=True):
        values = {o["id"].replace("-", "_"): o["valueQuantity"]["value"] for o in report["contained"][1:]}
        assert values == line["probabilities"] and "conclusion" not in report


def test_a_format_needs_a_folder_and_no_folder_of_others(light, film, tmp_path, capsys):
    needs.need_highdicom()
    with pytest.raises(SystemExit):
        run(light("report"), "--format", "dicom-sr", film)
    assert "--format dicom-sr writes a file for each image; --out DIR says where" in capsys.readouterr().err
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "study-1.html").touch()
    with pytest.raises(InputError, match=r"holds a set of study pages .* needs a folder of its own"):
        run(tmp_path / "report", "--format", "dicom-sr", film, "--out", tmp_path / "pages")


def test_a_png_alone_is_refused_in_one_line(light, phantom, tmp_path):
    needs.need_highdicom()
    with pytest.raises(InputError) as error:
        run(light("report"), "--format", "dicom-sr", phantom.images[0], "--out", tmp_path / "out")
    assert str(error.value).startswith(f"{phantom.images[0]} is no DICOM file") and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_run_without_labels_is_refused(light, film, tmp_path):
    needs.need_highdicom()
    with pytest.raises(InputError, match="mode caption gives no labels, and --format dicom-sr needs them"):
        run(light("caption"), "--format", "dicom-sr", film, "--out", tmp_path / "out")


@pytest.mark.parametrize(("name", "package"), [("dicom-sr", "highdicom"), ("fhir", r"fhir\.resources")])
def test_what_to_install_is_said_in_one_line(name, package, light, film, tmp_path, monkeypatch):
    for module in ("highdicom", "fhir", "fhir.resources"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    with pytest.raises(InputError, match=rf"^--format {name} needs {package}; pip install -e '\.\[clinical\]'$"):
        check_installed(name)


def test_images_of_the_same_name_have_files_of_their_own(light, film, tmp_path):
    from tienet.checkpoint.run_folder import open_run

    other = save(tmp_path / "other" / "film 1.dcm", dataset(SOPInstanceUID="1.2.3.9"))
    documents = Documents("fhir", tmp_path / "out", [open_run(light("report"))])
    prediction = _prediction()
    needs.need_fhir_resources()
    names = [
        documents.write(documents.open(StudyInput(1, name, path)), prediction, ()).name
        for name, path in [("../film 1", film), ("../film 1", other), ("../film 2", film), ("../film 1.dcm", film)]
    ]
    assert len(set(names)) == 3 and names[0] == names[3] and all(not name.startswith(".") for name in names)
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)


def test_a_name_that_is_not_utf8(light, tmp_path):
    from tienet.checkpoint.run_folder import open_run

    needs.need_fhir_resources()
    path = tmp_path / os.fsdecode(b"R\xf6ntgen\xc2\xa0bild.png")
    write_png(tmp_path / "x.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "x.png").rename(path)
    documents = Documents("fhir", tmp_path / "out", [open_run(light("report"))])
    written = documents.write(documents.open(StudyInput(1, path.name, path)), _prediction(), ("The file is small.",))
    report = json.loads(written.read_text())
    assert report["identifier"][1]["value"] == "R\\xf6ntgen bild.png" and "The file is small." in report["text"]["div"]


def test_files_that_cannot_be_read_are_left_to_the_reader(tmp_path):
    check_image("dicom-sr", tmp_path / "none.png")
    check_image("dicom-sr", tmp_path)
    check_image("dicom-sr", tmp_path / ("x" * 300))


def _prediction():
    from tienet.labels import K
    from tienet.predict import Prediction

    values = [np.full(K, value, np.float32) for value in (0.25, 0.5, 0)]
    return Prediction(*values, report="findings : normal .", log_probability=-1.0, words=[], g=None, a=None, a_ws=None)
