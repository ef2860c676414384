"""tienet show: the pictures of each mode, with what belongs in them."""

import io

import cv2
import numpy as np
import pytest

from tests.command_line import tienet
from tests.commands.predictions import prediction_with
from tests.data.dicom.dicom_files import dataset, save
from tienet.commands import flags, show, show_figure
from tienet.commands.main import dispatch
from tienet.data.image import read_gray, write_png
from tienet.errors import InputError
from tienet.predict import Annotator


def run(load, image, *flags) -> int:
    return dispatch(["show", "--load", str(load), "--gpu", "cpu", str(image), *map(str, flags)])


@pytest.mark.parametrize("mode", ["report", "classify", "caption"])
def test_each_mode(runs, opened, phantom, tmp_path, mode, monkeypatch, capsys):
    folder = runs[mode]
    monkeypatch.chdir(tmp_path)
    opened.clear()
    capsys.readouterr()  # what the training printed, if this test is the first one that needs the run
    assert run(folder, phantom.images[0]) == 0 and opened == [folder]
    name = f"{phantom.images[0].stem}-tienet.png"
    assert capsys.readouterr().out.strip() == name
    picture = cv2.imread(name)
    assert picture.shape[1] == show_figure.WIDTH_PX and picture.std() > 20


def test_a_caption_has_the_map_of_its_words(runs, phantom, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(show_figure, "draw", lambda path, name, gray, prediction, *_: drawn.append(prediction))
    assert run(runs["caption"], phantom.images[0], "--out", tmp_path / "o.png") == 0
    (found,) = drawn
    map_ = show_figure.attention_map(found)
    assert found.a_ws is None and map_.shape == (16, 16) and len(found.a) == len(found.words)
    assert map_.sum() == pytest.approx(1, rel=1e-4)


def test_every_row_of_the_text_attention_is_drawn_of_a_report_alone(runs, opened, tmp_path, monkeypatch, capsys):
    """What is drawn is what the annotator says of the report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chest.txt").write_text("The heart is huge.")
    drawn, draw, folder = [], show_figure.draw_attention, runs["annotate-text"]

    def keep(path, name, prediction, *rest):
        drawn.append((name, prediction))
        draw(path, name, prediction, *rest)

    monkeypatch.setattr(show_figure, "draw_attention", keep)
    opened.clear()
    capsys.readouterr()
    flags = ["--figure", "attention", "--gpu", "cpu"]
    assert dispatch(["show", "--load", str(folder), "--report", "chest.txt", *flags]) == 0 and opened == [folder]
    assert capsys.readouterr().out.strip() == "chest-attention.png"
    ((name, found),) = drawn
    assert name == "chest.txt" and " ".join(found.words) == "<START> the heart is huge ."
    with Annotator.load(folder) as annotator:
        (expected,) = annotator.annotate(["The heart is huge."], maps=True)
        np.testing.assert_allclose(found.G, expected.G, atol=1e-6)
    assert cv2.imread("chest-attention.png").shape[1] == show_figure.WIDTH_PX
    (tmp_path / "report-attention.png").touch()  # as a script makes it to have the name; nothing is lost
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"The heart is huge.")))
    assert dispatch(["show", "--load", str(folder), "--report", "-", *flags]) == 0
    assert capsys.readouterr().out.strip() == "report-attention.png" and drawn[1][0] == "report"


def test_every_row_of_the_text_attention_is_drawn_of_the_report_that_is_written(runs, phantom, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        show_figure, "draw_attention", lambda path, name, prediction, *_: drawn.append((name, prediction))
    )
    image = phantom.images[0]
    assert run(runs["report"], image, "--figure", "attention", "--out", tmp_path / "o.png") == 0
    ((name, found),) = drawn
    assert name == image.name and found.report is not None and found.G.shape[1] == len(found.words)


@pytest.mark.parametrize(
    ("mode", "figure", "image", "report", "message"),
    [
        ("report", "overview", False, False, "IMAGE is missing; expected a PNG, JPEG or DICOM file"),
        ("report", "attention", False, False, "mode report reads an image; IMAGE is missing"),
        ("annotate", "attention", False, True, "mode annotate reads an image; IMAGE is missing"),
        ("annotate", "attention", True, False, "mode annotate reads the image's report, too; give it with --report"),
        ("annotate-text", "attention", False, False, "mode annotate-text reads a report; give it with --report FILE"),
        ("annotate-text", "attention", True, False, "give --figure attention --report FILE, and no IMAGE, to see"),
        ("annotate-text", "overview", False, False, "give --figure attention --report FILE, and no IMAGE, to see"),
        ("annotate-text", "overview", False, True, "give --figure attention --report FILE, and no IMAGE, to see"),
        ("annotate-text", "attention", True, True, "mode annotate-text reads no image; leave IMAGE out"),
        ("classify", "attention", True, False, "mode classify, but tienet show --figure attention needs report or"),
        ("caption", "attention", True, False, "mode caption, but tienet show --figure attention needs report or"),
    ],
)
def test_a_figure_that_the_mode_or_the_input_does_not_give(
    runs, phantom, tmp_path, mode, figure, image, report, message
):
    (tmp_path / "r.txt").write_text("clear")
    given = [str(phantom.images[0])] * image + ["--report", str(tmp_path / "r.txt")] * report
    with pytest.raises(InputError, match=message) as error:
        dispatch(["show", "--load", str(runs[mode]), *given, "--figure", figure, "--out", str(tmp_path / "o.png")])
    assert "\n" not in str(error.value) and not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("source", ["file", "-"])
def test_annotate_draws_the_report_that_is_given(runs, opened, phantom, tmp_path, source, monkeypatch):
    """What is drawn is what the annotator says of this image with this report."""
    report, drawn = "\ufeffThe heart is HUGE.\nImpression: zyzzyva!", []
    (tmp_path / "report.txt").write_text(report, encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(report.encode())))
    monkeypatch.setattr(show_figure, "draw", lambda path, name, gray, prediction, *_: drawn.append(prediction))
    given = tmp_path / "report.txt" if source == "file" else "-"
    folder = runs["annotate"]
    opened.clear()
    assert run(folder, phantom.images[0], "--report", given, "--out", tmp_path / "o.png") == 0 and opened == [folder]
    with Annotator.load(runs["annotate"]) as annotator:
        (expected,) = annotator.annotate([report[1:]], [read_gray(phantom.images[0])], maps=True)
    (found,) = drawn
    assert " ".join(found.words) == "<START> the heart is huge . impression : zyzzyva !"
    for name in ("probabilities", "g", "a_ws"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-6)
    assert found.report is None and found.a_ws.sum() > 0


def test_a_report_that_is_too_long_is_read_up_to_there_and_this_is_said(runs, phantom, tmp_path, capsys):
    (tmp_path / "long.txt").write_text("clear " * 31)
    out = tmp_path / "o.png"
    assert run(runs["annotate"], phantom.images[0], "--report", tmp_path / "long.txt", "--out", out) == 0
    assert "31 words and was read up to 30" in capsys.readouterr().err
    assert cv2.imread(str(out)).shape[1] == show_figure.WIDTH_PX


@pytest.mark.parametrize(
    ("mode", "report", "message"),
    [
        ("report", True, "--report: .* is of mode report, which reads no report; leave it out"),
        ("classify", True, "mode classify, which reads no report"),
        ("annotate", False, "mode annotate reads the image's report, too; give it with --report FILE"),
        (
            "annotate-text",
            True,
            "mode annotate-text, but tienet show needs .*; give --figure attention --report",
        ),
        (
            "annotate-text",
            False,
            "mode annotate-text, but tienet show needs .*; give --figure attention --report",
        ),
    ],
)
def test_a_mode_and_a_report_that_do_not_go_together(runs, phantom, tmp_path, mode, report, message):
    (tmp_path / "r.txt").write_text("clear")
    given = ["--report", tmp_path / "r.txt"] if report else []
    with pytest.raises(InputError, match=message) as error:
        run(runs[mode], phantom.images[0], *given, "--out", tmp_path / "o.png")
    assert "\n" not in str(error.value) and not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected the image's report"),
        (b" \n", "is empty"),
        ("ü".encode("latin-1"), "not UTF-8 text of at most 1 MB"),
        (b"a\0b", "not UTF-8 text"),
        (b" NaN\n", ": the report is 'NaN', which stands for nothing"),
        (b"a " * 50_001, ": the report has 100,002 characters; the most that is read is 100,000"),
        (b"a " * (1 << 19) + b"a", "not UTF-8 text of at most 1 MB"),
        (None, "does not exist; expected a text file"),
        ("folder", "is a folder"),
    ],
)
def test_a_file_that_is_no_report_is_refused_before_the_network_is_loaded(phantom, tmp_path, content, message):
    path = tmp_path / "r.txt"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises((InputError, FileNotFoundError), match=f"--report {path}.*{message}"):
        run(tmp_path / "none", phantom.images[0], "--report", path, "--out", tmp_path / "o.png")


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (
            "blah blah xyz qwerty",
            "the network knows none of the words (blah, xyz, qwerty); expected a report in the lan",
        ),
        (
            "Silueta cardiaca de tamaño normal. No se observa derrame pleural.",
            "the network does not know 7 of 10 words",
        ),
    ],
)
def test_a_report_that_the_network_cannot_read_is_refused(runs, phantom, tmp_path, report, message):
    (tmp_path / "r.txt").write_text(report, encoding="utf-8")
    with pytest.raises(InputError) as error:
        run(runs["annotate"], phantom.images[0], "--report", tmp_path / "r.txt", "--out", tmp_path / "o.png")
    assert str(error.value).startswith(f"--report {tmp_path / 'r.txt'}: {message}")
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("image", "out", "message"),
    [
        ("none.png", "o.png", "does not exist"),
        ("bad.png", "o.png", "neither PNG nor JPEG"),
        ("bad.png", "o.jpg", "ends in"),
        ("bad.png", "bad.png", "the image itself"),
        ("bad.png", "folder.png", "is a folder; expected the name of a PNG file"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_the_network_is_loaded(tmp_path, image, out, message):
    (tmp_path / "bad.png").write_text("text")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises((InputError, FileNotFoundError), match=message):
        run(tmp_path / "none", tmp_path / image, "--out", tmp_path / out)
    assert not (tmp_path / "o.png").exists()


def test_a_name_that_is_too_long_is_one_line(tmp_path, capsys):
    (tmp_path / "bad.png").write_text("text")
    assert tienet("show", "--load", tmp_path, tmp_path / "bad.png", "--out", tmp_path / ("o" * 260 + ".png")) == 2
    said = capsys.readouterr().err
    assert "this name is too long for the file system" in said and said.count("\n") == 1


# ---- of what is written, without a network ----


@pytest.fixture
def said(monkeypatch, tmp_path) -> dict:
    """What the network says, whatever it is shown; a test may change it. The test is in an empty folder."""
    says: dict = {}
    monkeypatch.setattr(flags, "start", lambda gpu: None)
    monkeypatch.setattr(show, "_predict", lambda *_: prediction_with(**says))
    monkeypatch.chdir(tmp_path)
    return says


def test_only_a_figure_of_the_same_image_is_replaced(runs, said, phantom, tmp_path, capsys):
    """Pictures of an archive are all called IM1: the second patient's figure is not written over the first one's."""
    for folder, image in zip("ab", phantom.images, strict=False):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "IM1").write_bytes(image.read_bytes())
    (tmp_path / "copy.png").write_bytes(phantom.images[0].read_bytes())
    assert run(runs["classify"], "a/IM1") == 0
    first = (tmp_path / "IM1-tienet.png").read_bytes()
    with pytest.raises(InputError) as error:
        run(runs["classify"], "b/IM1")
    refused = "is not a figure of this IM1; choose another name with --out, or remove it"
    assert str(error.value) == f"IM1-tienet.png is there, and {refused}"
    assert (tmp_path / "IM1-tienet.png").read_bytes() == first
    said["labels"] = np.ones_like(prediction_with().labels)
    for image in ("a/IM1", "copy.png"):  # the same image, by whatever name, with whatever the network says now
        assert run(runs["classify"], image, "--out", "IM1-tienet.png") == 0
        assert (tmp_path / "IM1-tienet.png").read_bytes() != first
    assert run(runs["classify"], "b/IM1", "--out", "b.png") == 0


def test_images_that_are_called_by_their_uid_have_figures_of_their_own(runs, said, phantom, tmp_path, capsys):
    capsys.readouterr()
    for uid, image in zip(("1.2.840.1", "1.2.840.2.DCM"), phantom.images, strict=False):
        (tmp_path / uid).write_bytes(image.read_bytes())
        assert run(runs["classify"], uid) == 0
    assert capsys.readouterr().out.split() == ["1.2.840.1-tienet.png", "1.2.840.2-tienet.png"]


def other_files(image) -> dict[str, bytes]:
    """Files that are no figure of this command, or are damaged."""
    png = image.read_bytes()
    return {"image": png, "text": b"notes", "cut": png[:20], "endless": png[:8] + b"\xff\xff\xff\xfftEXt" + b"x" * 300}


@pytest.mark.parametrize("kind", ["image", "text", "cut", "endless", "older"])
def test_a_file_that_is_no_figure_is_not_replaced(runs, said, phantom, tmp_path, kind):
    path = tmp_path / "o.png"
    if kind == "older":  # by an earlier version, which wrote no mark
        show_figure.draw(path, phantom.images[0].name, read_gray(phantom.images[0]), prediction_with())
    else:
        path.write_bytes(other_files(phantom.images[0])[kind])
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"o\.png is there, and is not known to be a figure of this .*; choose anoth"):
        run(runs["classify"], phantom.images[0], "--out", path)
    assert path.read_bytes() == before


def test_a_file_that_another_process_makes_in_the_meantime_is_not_replaced(runs, said, phantom, tmp_path, monkeypatch):
    def predict(*_):
        (tmp_path / "o.png").write_text("mine")
        return prediction_with()

    monkeypatch.setattr(show, "_predict", predict)
    with pytest.raises(InputError, match="is not known to be a figure"):
        run(runs["classify"], phantom.images[0], "--out", tmp_path / "o.png")
    assert (tmp_path / "o.png").read_text() == "mine"


def test_of_a_report_alone_only_a_figure_of_the_same_report_is_replaced(runs, said, tmp_path):
    said |= {"words": ["<START>", "a"], "G": np.full((2, 2), 0.5, np.float32), "report": None}
    words = ["show", "--load", str(runs["annotate-text"]), "--figure", "attention", "--report", "r.txt"]
    for text in ("The heart is huge.", "The heart is huge."):
        (tmp_path / "r.txt").write_text(text)
        assert dispatch(words) == 0
    (tmp_path / "r.txt").write_text("The lungs are clear.")
    with pytest.raises(InputError, match=r"r-attention\.png is there, and is not a figure of this r\.txt; choose"):
        dispatch(words)


@pytest.mark.parametrize("figure", ["overview", "attention"])
def test_an_image_unlike_those_of_training_is_noted_in_the_figure_too(runs, said, drawn, tmp_path, figure, capsys):
    said |= {"image_distance": 2.0, "words": ["<START>", "a"], "G": np.full((2, 2), 0.5, np.float32)}
    save(tmp_path / "x.dcm", dataset(BodyPartExamined="KNEE"))
    assert run(runs["report"], "x.dcm", "--figure", figure) == 0
    err = capsys.readouterr().err
    (note,) = prediction_with(image_distance=2.0).notes
    assert f"note: x.dcm: {note}\n" in err and "unlike the training images" in note
    texts = " ".join(text.get_text() for text in drawn[0].texts)
    assert f"Note: {note}" in texts and "Note: The file says that it shows another part of the body (knee)" in texts
    said["image_distance"] = 0.5
    write_png("y.png", np.full((40, 40), 90, np.uint8))
    assert run(runs["report"], "y.png", "--figure", figure) == 0
    assert "unlike" not in capsys.readouterr().err
    assert not any("Note" in text.get_text() for text in drawn[1].texts)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("figure", ["overview", "attention"])
def test_characters_that_the_font_lacks_are_one_note_and_no_warning(runs, said, figure, capsys):
    words = ["<START>", "h\u00e9art", "\u5fc3\u810f", "\u5fc3", "\a", *map(chr, range(0x4E00, 0x4E10))]
    said |= {"words": words, "G": np.full((2, len(words)), 1 / len(words), np.float32), "g": None}
    write_png("\u80f8$\n.png", np.full((40, 40), 90, np.uint8))
    capsys.readouterr()
    assert run(runs["report"], "\u80f8$\n.png", "--figure", figure, "--out", "o.png") == 0
    noted = [line for line in capsys.readouterr().err.splitlines() if "font" in line]
    first = " ".join(["\u80f8", "\u5fc3", "\u810f", "U+0007", *map(chr, range(0x4E00, 0x4E06))])
    assert noted == [f"note: o.png: the figure's font lacks characters ({first} ...); \u25a1 stands for each of them"]
    assert cv2.imread("o.png").std() > 5
    said["words"] = ["<START>"] * len(words)
    write_png("plain.png", np.full((40, 40), 90, np.uint8))
    assert run(runs["report"], "plain.png", "--figure", figure) == 0
    assert "font" not in capsys.readouterr().err
