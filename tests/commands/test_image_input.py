"""An image file for a command: read and resized once, or a fault that says why not."""

import cv2
import numpy as np
import pytest

from tests.data.dicom.dicom_files import dataset, save, without_meta
from tienet.commands import image_input
from tienet.commands.image_input import MISSING, UNREADABLE, read_image_input
from tienet.commands.main import dispatch
from tienet.data.dicom.reader import read_gray
from tienet.data.image import resize
from tienet.inference import pipeline


@pytest.fixture
def resized(monkeypatch) -> list[tuple[int, ...]]:
    """The shapes of the images that were resized."""
    shapes = []

    def counted_resize(gray, image_px):
        shapes.append(gray.shape)
        return resize(gray, image_px)

    for module in (image_input, pipeline):
        monkeypatch.setattr(module, "resize", counted_resize)
    return shapes


def test_a_file_is_read_and_resized(tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (70, 50), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), gray)
    save(tmp_path / "x.dcm", dataset())
    (tmp_path / "no_preamble").write_bytes(without_meta((tmp_path / "x.dcm").read_bytes()))
    for name in ("a.png", "x.dcm", "no_preamble"):
        found = read_image_input(tmp_path / name, 32)
        np.testing.assert_array_equal(found.pixels, resize(read_gray(tmp_path / name), 32))
        assert found.fault is None
        np.testing.assert_array_equal(read_image_input(tmp_path / name, None).pixels, read_gray(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("none.png", None, MISSING),
        ("text.png", b"no picture", UNREADABLE),
        ("empty.png", b"", UNREADABLE),
        ("folder.png", "folder", UNREADABLE),
        ("cut.dcm", bytes(128) + b"DICM" + bytes(100), "DICOM"),
    ],
)
def test_why_a_file_cannot_be_read(tmp_path, name, content, kind):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    found = read_image_input(path, 32)
    assert found.pixels is None and kind in found.fault.kind
    assert str(path) in found.fault.message and "\n" not in found.fault.message


@pytest.mark.parametrize(("command", "mode"), [("report", "classify"), ("annotate", "annotate"), ("show", "classify")])
def test_a_command_resizes_each_image_once(runs, tmp_path, resized, command, mode):
    (tmp_path / "in").mkdir()
    shapes = [(300, 280), (90, 400)] if command != "show" else [(300, 280)]
    for n, shape in enumerate(shapes):
        cv2.imwrite(str(tmp_path / "in" / f"{n}.png"), np.full(shape, 90 + n, np.uint8))
        (tmp_path / "in" / f"{n}.txt").write_text("clear lungs")
    source = tmp_path / "in" / "0.png" if command == "show" else tmp_path / "in"
    out = [] if command == "report" else ["--out", str(tmp_path / ("o.png" if command == "show" else "o.csv"))]
    assert dispatch([command, "--load", str(runs[mode]), "--gpu", "cpu", str(source), *out]) == 0
    assert sorted(resized) == sorted(shapes)


@pytest.mark.parametrize(
    ("command", "mode", "said"),
    [
        ("report", "classify", "note: The file {1}"),
        ("show", "classify", "note: {}: the file {}"),
        ("annotate", "annotate", "note: of 1 images the file {1}"),
    ],
)
def test_a_command_says_what_a_reader_should_know_of_a_file(runs, tmp_path, capsys, command, mode, said):
    """A window that cannot be used, and an image that is stored mirrored."""
    path = save(
        tmp_path / "in" / "x.dcm", dataset(WindowWidth=["0"], WindowCenter=["9"], PatientOrientation=["R", "F"])
    )
    path.with_suffix(".txt").write_text("clear lungs")
    source = path.parent if command == "annotate" else path
    out = [] if command == "report" else ["--out", str(tmp_path / ("o.png" if command == "show" else "o.csv"))]
    assert dispatch([command, "--load", str(runs[mode]), "--gpu", "cpu", str(source), *out]) == 0
    printed = "".join(capsys.readouterr())
    for remark in ("has a window or VOI LUT that cannot be used", "says that the picture is stored mirrored or turned"):
        assert said.format(path, remark) in printed
