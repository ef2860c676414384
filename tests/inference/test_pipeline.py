"""Single studies from Python: what comes out, in batches of any size, from several threads, and what is refused."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tienet.checkpoint.run_folder import open_run
from tienet.data import manifest as manifests
from tienet.data.image import read_gray
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.inference.prediction import calibrated_maps
from tienet.labels import K, name_labels
from tienet.predict import Annotator, Decoding, Prediction, Predictor, Reporter

MODES = ("annotate", "annotate-text", "classify", "caption", "report")


@pytest.fixture(scope="module")
def studies(data_root) -> Manifest:
    return manifests.load("phantom", data_root).split("val")


@pytest.fixture(scope="module")
def images(studies) -> list[np.ndarray]:
    return [read_gray(path) for path in studies.images[:6]]


@pytest.fixture(scope="module")
def annotator(runs):
    with Annotator.load(runs["annotate"]) as annotator:
        yield annotator


@pytest.fixture(scope="module")
def text_annotator(runs):
    with Annotator.load(runs["annotate-text"]) as annotator:
        yield annotator


@pytest.fixture(scope="module")
def reporter(runs):
    with Reporter.load(runs["report"]) as reporter:
        yield reporter


def test_an_image_that_is_no_chest_has_a_note_and_one_like_those_of_training_has_none(reporter, images):
    other = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint8)
    like, unlike = reporter.report([images[0], other])
    assert 0.3 < like.image_distance < 1.15 and like.notes == ()
    assert unlike.image_distance > 2 and unlike.notes[0].startswith(
        "The image is unlike the training images (distance "
    )


def test_a_run_that_does_not_know_its_training_images_says_nothing_of_them(runs, images, tmp_path):
    run = shutil.copytree(runs["classify"], tmp_path / "run")
    (run / "images.npz").unlink()
    with Reporter.load(run) as older:
        (found,) = older.report([images[0]])
    assert found.image_distance is None and found.notes == ()


def assert_same(ours: Prediction, theirs: Prediction, atol: float = 1e-6) -> None:
    assert (ours.report, ours.words) == (theirs.report, theirs.words)
    for name in ("probabilities", "thresholds", "labels", "g", "G", "a", "a_ws", "finding_maps"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_allclose(one, other, atol=atol, err_msg=name)
    assert ours.image_distance == (theirs.image_distance and pytest.approx(theirs.image_distance, rel=1e-3))


def test_a_reporter_gives_what_evaluation_gives(reporter, runs, studies, images):
    with Predictor(runs["report"], "off") as network:
        part = network.studies(studies.take(range(6)))
        expected, explained = network.predict(part, maps=True), network.explain(part, range(6))
        thresholds = network.run.thresholds()
    predictions = reporter.report(images, maps=True)
    for n, prediction in enumerate(predictions):
        np.testing.assert_allclose(prediction.probabilities, expected.probabilities[n], atol=1e-6)
        np.testing.assert_array_equal(prediction.thresholds, thresholds)
        np.testing.assert_array_equal(prediction.labels, name_labels(prediction.probabilities, thresholds))
        assert prediction.report == expected.reports[n]
        assert prediction.words == ["<START>", *prediction.report.split()]
        assert prediction.log_probability == pytest.approx(expected.log_probabilities[n], abs=1e-4)
        np.testing.assert_allclose(prediction.a_ws, expected.a_ws[n], atol=1e-6)
        T = len(prediction.words)
        assert explained[n].words[:T] == prediction.words
        np.testing.assert_allclose(prediction.a, explained[n].a[:T], atol=1e-6)
        np.testing.assert_allclose(prediction.g, explained[n].g[:T], atol=1e-6)
        np.testing.assert_allclose(prediction.a_ws, np.einsum("t,tyx->yx", prediction.g, prediction.a), atol=1e-5)


@pytest.mark.parametrize("features", ["off", "cache"])
def test_an_annotator_gives_what_evaluation_gives(annotator, runs, studies, images, features):
    with Predictor(runs["annotate"], features) as network:
        expected = network.probabilities(network.studies(studies.take(range(6))))
    predictions = annotator.annotate(studies.reports[:6], images)
    found = np.stack([prediction.probabilities for prediction in predictions])
    np.testing.assert_allclose(found, expected, atol=1e-6 if features == "off" else 2e-3)
    assert predictions[0].probabilities.dtype == predictions[0].labels.dtype == np.float32
    assert predictions[0].words == ["<START>", *tokenize(studies.reports[0])[:30]]
    assert (predictions[0].report, predictions[0].log_probability) == (None, None)
    first = predictions[0]
    assert (first.g, first.G, first.a, first.a_ws, first.finding_maps) == (None,) * 5


def test_every_row_of_the_text_attention_is_given_where_maps_are_asked_for(
    annotator, text_annotator, reporter, runs, studies, images
):
    """Of each word: the rows sum to 1 over the words of a report, however long the others of its batch are."""
    reports = [*studies.reports[:5], ""]
    found = {
        "annotate": annotator.annotate(reports, images, maps=True),
        "annotate-text": text_annotator.annotate(reports, maps=True),
        "report": reporter.report(images, maps=True),
    }
    for mode, predictions in found.items():
        rows = open_run(runs[mode]).config.attention_rows
        assert len({len(prediction.words) for prediction in predictions}) > 1 or mode == "report"
        for prediction in predictions:
            assert prediction.G.shape == (rows, len(prediction.words)) and prediction.G.dtype == np.float32
            np.testing.assert_allclose(prediction.G.sum(axis=1), 1, atol=1e-5)
            np.testing.assert_array_equal(prediction.G.max(axis=0), prediction.g)
            assert prediction.G.base is None  # the batch is not kept
    whole = found["annotate-text"][0].G
    assert np.abs(whole - whole[0]).max() > 0  # not one row, again and again


def test_the_map_of_a_finding_is_in_the_log_odds_of_its_probability(annotator, text_annotator, studies, images):
    """A logit is divided by its temperature, and so is each place's share of it."""
    (found,) = annotator.annotate(studies.reports[:1], images[:1], maps=True)
    assert found.finding_maps.shape == (K, 16, 16) and found.finding_maps.dtype == np.float32
    network = annotator._network
    rows = network.fetch(network.studies(studies.take([0])), ["finding_maps"])["finding_maps"]
    assert network.calibration is None
    np.testing.assert_allclose(np.moveaxis(found.finding_maps, 0, -1), rows[0], rtol=1e-3, atol=1e-6)
    calibration = SimpleNamespace(temperatures=np.linspace(0.5, 2, K))
    expected = np.moveaxis(rows[0] / calibration.temperatures, -1, 0)
    np.testing.assert_allclose(calibrated_maps({"finding_maps": rows[0]}, calibration), expected, rtol=1e-5)
    assert found.finding_maps.base is None  # the batch is not kept
    assert text_annotator.annotate(["clear"], maps=True)[0].finding_maps is None


def test_one_study_is_read_as_in_a_batch_of_any_size(annotator, reporter, text_annotator, studies, images):
    many, reports = images * 3, (studies.reports[:6] * 3)  # 18: more than a run takes, and no power of two
    for n, prediction in enumerate(annotator.annotate(reports, many, maps=True)[:6]):
        assert_same(prediction, annotator.annotate([reports[n]], [many[n]], maps=True)[0])
    for size in (3, 18):
        for n, prediction in enumerate(reporter.report(many[:size], maps=True)[:3]):
            assert_same(prediction, reporter.report([many[n]], maps=True)[0])
    for n, prediction in enumerate(text_annotator.annotate(reports * 6, maps=True)[:6]):
        assert_same(prediction, text_annotator.annotate([reports[n]], maps=True)[0])


def test_batches_have_few_sizes(annotator, reporter, text_annotator, studies, images, monkeypatch):
    """XLA compiles for each size of a batch."""
    sizes, run_batch = set(), Predictor.run_batch

    def noted(network, names, batch):
        sizes.update(len(array) for array in batch)
        return run_batch(network, names, batch)

    monkeypatch.setattr(Predictor, "run_batch", noted)
    for n in range(1, 7):
        annotator.annotate(studies.reports[:n], images[:n])
        reporter.report(images[:n])
        text_annotator.annotate(studies.reports[:n])
    assert sizes == {1, 2, 4, 8}


def test_iterators_are_read_once(annotator, reporter, text_annotator, studies, images):
    """The first look at an iterator uses it up."""
    reports = studies.reports[:2]
    assert len(text_annotator.annotate(report for report in reports)) == 2
    assert len(annotator.annotate(iter(reports), iter(images[:2]))) == len(reporter.report(iter(images[:2]))) == 2
    for call in (lambda: text_annotator.annotate(None), lambda: reporter.report(7), lambda: reporter.report("a.png")):
        with pytest.raises(InputError, match=r"expected a list of"):
            call()


def test_no_studies_give_no_predictions(annotator, reporter, text_annotator):
    assert annotator.annotate([], []) == reporter.report([]) == text_annotator.annotate([]) == []


def test_calls_add_nothing_to_the_graph(annotator, reporter, studies, images):
    graphs = [pipeline._network._session.graph for pipeline in (annotator, reporter)]
    sizes = [len(graph.get_operations()) for graph in graphs]
    for maps in (False, True):
        annotator.annotate(studies.reports[:2], images[:2], maps)
        reporter.report(images[:3], maps)
    assert all(graph.finalized for graph in graphs)
    assert [len(graph.get_operations()) for graph in graphs] == sizes


def test_threads_get_what_one_after_the_other_gets(annotator, reporter, studies, images):
    calls = [slice(n, n + 1 + n % 3) for n in range(4)]
    alone = [(annotator.annotate(studies.reports[:6][c], images[c], True), reporter.report(images[c])) for c in calls]
    with ThreadPoolExecutor(4) as threads:
        annotated = [threads.submit(annotator.annotate, studies.reports[:6][c], images[c], True) for c in calls]
        reported = [threads.submit(reporter.report, images[c]) for c in calls]
        together = [(a.result(), r.result()) for a, r in zip(annotated, reported, strict=True)]
    for ours, theirs in zip(together, alone, strict=True):
        for one, other in zip([*ours[0], *ours[1]], [*theirs[0], *theirs[1]], strict=True):
            assert_same(one, other)


def test_reports_alone_need_neither_image_nor_backbone(text_annotator, runs, studies):
    assert not text_annotator.needs_image and not (runs["annotate-text"] / "backbone.npz").exists()
    names = [op.name for op in text_annotator._network._session.graph.get_operations()]
    assert not any(name.startswith(("conv1", "res2a")) for name in names)
    prediction = text_annotator.annotate(studies.reports[:1], maps=True)[0]
    assert (prediction.a, prediction.a_ws) == (None, None) and prediction.g.shape == (len(prediction.words),)
    with pytest.raises(InputError, match="reports alone"):
        text_annotator.annotate(["clear lungs"], [np.zeros((9, 9), np.uint8)])


def test_long_reports_are_cut_as_in_training_and_empty_ones_are_read(annotator, text_annotator, images):
    long = "the heart is large . " * 20
    cut, whole, empty, blank = text_annotator.annotate([" ".join(long.split()[:30]), long, "", " \n"], maps=True)
    assert_same(cut, whole)
    assert len(whole.words) == len(whole.g) == 31
    assert [prediction.cut_at for prediction in (cut, whole, empty)] == [None, 30, None]
    assert_same(empty, blank)
    assert empty.words == ["<START>"] and empty.g.shape == (1,)
    prediction = annotator.annotate([""], images[:1], maps=True)[0]
    assert (
        prediction.words == ["<START>"]
        and prediction.a.shape == (1, 16, 16)
        and np.isfinite(prediction.probabilities).all()
    )


def test_words_that_the_network_does_not_know_stand_as_they_are(text_annotator):
    one, other = text_annotator.annotate(["Zyzzyva of the lung", "Quux of the lung"])
    assert one.words == ["<START>", "zyzzyva", "of", "the", "lung"]
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_which_reports_should_get_no_labels(text_annotator, annotator, studies):
    assert not any(map(text_annotator.find_fault, studies.reports))
    for report, kind in (("", "no report"), ("NaN", "no report"), ("Zyzzyva quux", "report without a known word")):
        assert text_annotator.find_fault(report).kind == annotator.find_fault(report).kind == kind
    assert text_annotator.find_fault("the lung " * 15 + "quux " * 99) is None  # it reads 30 words


def test_classify_has_labels_and_no_words_and_caption_a_report_and_no_labels(runs, images):
    with Reporter.load(runs["classify"]) as classifier, Reporter.load(str(runs["caption"])) as writer:
        (labelled,), (written,) = classifier.report(images[:1], maps=True), writer.report(images[:1], maps=True)
        assert (classifier.mode, classifier.writes, writer.writes) == ("classify", False, True)
        with pytest.raises(InputError, match="writes no reports"):
            classifier.report(images[:1], decoding=Decoding("beam"))
    assert labelled.report is None and labelled.words == [] and labelled.a is None
    assert labelled.G is None and written.G is None
    assert set(np.unique(labelled.labels)) <= {0, 1}
    for values in (written.probabilities, written.thresholds, written.labels):
        assert values.shape == (K,) and np.isnan(values).all()
    assert isinstance(written.report, str) and (written.g, written.a_ws) == (None, None)
    assert written.a.shape == (len(written.words), 16, 16)


def test_another_decoding_is_built_once_and_a_few_are_kept(reporter, images, monkeypatch):
    greedy = reporter.report(images[:2])
    first = reporter.report(images[:2], decoding=Decoding(max_words=3))
    assert [prediction.report.split() for prediction in first] == [
        prediction.report.split()[:3] for prediction in greedy
    ]
    longest = reporter.run.config.written_words
    for predictions, most in ((greedy, longest), (first, 3)):
        for prediction in predictions:
            assert prediction.cut_at == (most if len(prediction.report.split()) == most else None)
    assert any(prediction.cut_at for prediction in first)
    kept = dict(reporter._others)
    assert_same(reporter.report(images[:1], decoding=Decoding(max_words=3))[0], first[0])
    assert reporter._others == kept
    for words in (4, 5, 6):
        reporter.report(images[:1], decoding=Decoding(max_words=words))
    assert [decoding.max_words for decoding in reporter._others] == [4, 5, 6]


def test_a_checkpoint_without_thresholds_names_no_label(runs, tmp_path, images):
    run = shutil.copytree(runs["report"], tmp_path / "run")
    for path in [run / "best.json", run / "latest.json", *(run / "checkpoints").glob("*.json")]:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"thresholds": None}))
    with Reporter.load(run) as reporter:
        prediction = reporter.report(images[:1])[0]
    assert np.isnan(prediction.thresholds).all() and np.isnan(prediction.labels).all()
    assert np.isfinite(prediction.probabilities).all()


def test_a_run_of_another_mode_is_refused_and_what_to_load_is_named(runs):
    with pytest.raises(InputError, match="mode report, but Annotator needs annotate or annotate-text"):
        Annotator.load(runs["report"])
    with pytest.raises(InputError, match="mode annotate, but Reporter needs report or classify or caption"):
        Reporter.load(runs["annotate"])


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (257, 100), (1, 40_000), (3000, 2000)])
def test_images_of_any_size_and_memory_order(reporter, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    for variant in (np.asfortranarray(image), mirrored[:, ::-1]):
        assert_same(reporter.report([variant])[0], reporter.report([image])[0], atol=0)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8), np.float32), r"image 2 of 2: float32 \[8, 8\], expected uint8 \[H, W\]"),
        (np.zeros((8, 8), np.uint16), "uint16"),
        (np.zeros((8, 8), bool), "bool"),
        (np.zeros((8, 8, 3), np.uint8), r"uint8 \[8, 8, 3\]"),
        (np.zeros(8, np.uint8), r"uint8 \[8\]"),
        (np.zeros((0, 8), np.uint8), r"\[0, 8\] pixels"),
        ([[0, 1], [2, 3]], "a list, expected an array"),
        ("chest.png", "a str, expected an array"),
        (None, "a NoneType"),
    ],
)
def test_what_is_no_grey_image_is_refused(reporter, annotator, images, image, message):
    with pytest.raises(InputError, match=message):
        reporter.report([images[0], image])
    with pytest.raises(InputError, match=message):
        annotator.annotate(["", ""], [images[0], image])


def test_what_are_no_reports_or_not_as_many_is_refused(annotator, text_annotator, images):
    for reports in ("one string", [None], [b"bytes"], [3.5]):
        with pytest.raises(InputError, match="expected a list of strings"):
            text_annotator.annotate(reports)
    for given, there in ((None, "none"), ([], "0"), (images[:2], "2")):
        with pytest.raises(InputError, match=f"images: {there} for 1 reports"):
            annotator.annotate(["clear"], given)


def test_a_file_as_evaluation_reads_it_is_the_array_here(reporter, images, tmp_path, studies):
    """Sizes other than the network's: shrinking by area, growing linearly, as `read_image` does."""
    table = studies.take(range(2))
    paths = [tmp_path / f"{n}.png" for n in range(2)]
    arrays = [cv2.resize(images[0], (400, 300)), cv2.resize(images[1], (100, 500))]
    for path, array in zip(paths, arrays, strict=True):
        cv2.imwrite(str(path), array)
    table.images[:] = paths
    expected = reporter._network.predict(reporter._network.studies(table))
    for n, prediction in enumerate(reporter.report(arrays)):
        np.testing.assert_allclose(prediction.probabilities, expected.probabilities[n], atol=1e-6)
