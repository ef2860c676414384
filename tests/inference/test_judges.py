"""The reader and the judge of candidates: what is refused before their networks are loaded, and what they choose."""

import numpy as np
import pytest

from tests.light_run import light_run
from tests.small_run import another_seed
from tienet.checkpoint.run_folder import open_run
from tienet.checkpoint.together import open_model
from tienet.data import manifest as manifests
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.inference import judges as judges_module
from tienet.inference.candidate_scores import choose
from tienet.inference.judges import Judges
from tienet.modeling import outputs
from tienet.modeling.decoding import Decoding
from tienet.predict import Predictor, Reporter

DECODING = Decoding("consistent", 12, candidates=4, temperature=1.5, likelihood_weight=0.1, agreement_weight=9.0)


@pytest.fixture(scope="module")
def val(data_root):
    return manifests.load("phantom", data_root).split("val").take(range(5))


@pytest.fixture
def light(data_root, tmp_path):
    """Make a run of a mode that was never trained."""
    manifest = manifests.load("phantom", data_root)

    def make(name: str, mode: str, **settings):
        run = light_run(tmp_path / name, manifest, mode, data="phantom", **settings)
        return run

    return make


def test_what_does_not_fit_is_refused_without_tensorflow(light, monkeypatch, tmp_path):
    monkeypatch.setattr(judges_module, "PredictorTogether", None)
    writer, reader, judge = light("w", "report"), light("r", "annotate-text"), light("j", "classify")
    with Judges(writer, reader, judge) as found:
        assert not found.notes and found.reader.config.mode == "annotate-text"
    for reader_, judge_, message in (
        (judge, judge, r"mode classify, but --reader needs annotate-text"),
        (reader, writer, r"mode report, but --judge needs classify"),
        (reader, light("other-px", "classify") / "none", "no checkpoint there"),
    ):
        with pytest.raises(InputError, match=message):
            Judges(writer, reader_, judge_)
    foreign = open_run(reader)
    object.__setattr__(foreign, "vocab", Vocab([*foreign.vocab.words[:4], "quite", "other"]))
    with pytest.raises(InputError, match=r"--reader .* lacks .*% of the words that .* writes"):
        Judges(writer, foreign, judge)
    larger = open_run(judge)
    object.__setattr__(larger, "config", larger.config.replace(image_px=512))
    with pytest.raises(InputError, match=r"--judge .*: image_px is 512, and 256 in .*w, whose images it judges"):
        Judges(writer, reader, larger)
    other = open_run(judge)
    object.__setattr__(other, "facts", other.facts | {"backbone_fingerprint": "0"})
    with pytest.raises(InputError, match=r"--judge .*: has another backbone than .*w; give one with the same"):
        Judges(writer, reader, other)
    for path in [*judge.glob("*st.json"), *(judge / "checkpoints").glob("*.json")]:
        path.unlink()
    with pytest.raises(InputError, match=r"--judge .*: has no thresholds; tienet calibrate"):
        Judges(writer, reader, judge / "checkpoints" / "best-10")


def test_words_that_the_reader_lacks_are_noted(light):
    reader = open_run(light("r", "annotate-text"))
    object.__setattr__(reader, "vocab", Vocab(reader.vocab.words[:-2]))
    (note,) = Judges(light("w", "report"), reader, light("j", "classify")).notes
    assert "does not know" in note


@pytest.mark.parametrize("mode", ["report", "caption"])
def test_the_written_report_is_the_candidate_that_scores_best(runs, val, mode):
    with (
        Judges(runs[mode], runs["annotate-text"], runs["classify"], "cache") as judges,
        Predictor(runs[mode], decoding=DECODING, judges=judges) as writer,
        Predictor(runs["classify"]) as judge,
        Predictor(runs["annotate-text"]) as reader,
    ):
        studies = writer.studies(val)
        rows = writer.fetch(studies, [*outputs.CANDIDATES, *outputs.prediction_outputs(writer.config.mode_parts)])
        texts = [
            [writer.run.vocab.decode(ids[1:n]) for ids, n in zip(*of_image, strict=True)]
            for of_image in zip(rows[outputs.CANDIDATE_IDS], rows[outputs.CANDIDATE_LEN], strict=True)
        ]
        lengths = np.stack(rows[outputs.CANDIDATE_LEN])
        scores = np.stack(rows[outputs.CANDIDATE_LOG_PROBABILITY]), lengths
        evidence = judges.evidence(studies.image_inputs(np.arange(5)), texts, *scores)
        chosen = choose(evidence, DECODING)
        predictions = writer.predict(studies)
        assert predictions.reports == [row[w] for row, w in zip(texts, chosen, strict=True)] and chosen.any()
        given = scores[0][np.arange(5), chosen]
        np.testing.assert_allclose(predictions.log_probabilities, given, rtol=1e-4)

        seen = judge.probabilities(judge.studies(val))
        np.testing.assert_allclose(evidence.seen, seen, atol=1e-5)
        all_texts = [text for row in texts for text in row]
        as_reports = val.take(np.repeat(range(5), 4))
        object.__setattr__(as_reports, "reports", all_texts)
        read = reader.probabilities(reader.studies(as_reports))
        np.testing.assert_allclose(evidence.said.reshape(20, -1), read, atol=1e-5)

        (explained,) = writer.explain(studies, [2])  # alone in its batch
        assert explained.words[1:] == predictions.reports[2].split()


def test_the_labels_of_a_report_are_those_of_the_chosen_one(runs, val):
    with (
        Judges(runs["report"], runs["annotate-text"], runs["classify"], "cache") as judges,
        Predictor(runs["report"], decoding=DECODING, judges=judges) as writer,
    ):
        found = writer.predict(writer.studies(val))
        as_true = val.take(range(5))
        object.__setattr__(as_true, "reports", found.reports)
        read = writer.probabilities_of_true_reports(writer.studies(as_true))
        np.testing.assert_allclose(found.probabilities, read, atol=1e-4)


def test_several_runs_judge_or_read_as_one(runs, seeds, val, data_root, tmp_path):
    others = [runs["classify"], tmp_path / "classify-1"]
    another_seed(runs["classify"], data_root, others[1])
    reports = ["findings : there is a nodule .", "impression : normal .", "findings : there is a nodule ."]
    with Judges(runs["report"], seeds, others, "cache") as judges, Predictor(runs["report"]) as writer:
        images = writer.studies(val).image_inputs(np.arange(5))
        seen, read, thresholds = judges.look(images), judges.read(reports), judges.judge.thresholds()
    assert {run.load for run in judges.judge.runs} == {str(run) for run in others}
    alone = []
    for one_judge, one_reader in zip(others, seeds, strict=True):
        with Judges(runs["report"], one_reader, one_judge, "cache") as one:
            alone.append((one.look(images), one.read(reports)))
    for together, (first, second) in zip((seen, read), zip(*alone, strict=True), strict=True):
        assert np.abs(first - second).max() > 1e-3
        np.testing.assert_allclose(together, (first + second) / 2, rtol=1e-5)
    np.testing.assert_array_equal(thresholds, open_model(others).thresholds())
    with pytest.raises(InputError, match="are the same checkpoint"):
        Judges(runs["report"], seeds, [others[0], others[0]])


def test_a_reporter_chooses_too(runs, val):
    from tienet.data.image import read_gray

    images = [read_gray(path) for path in val.images[:3]]
    with pytest.raises(InputError, match="a reader and a judge are missing"):
        Reporter.load(runs["report"], DECODING)
    with (
        Judges(runs["report"], runs["annotate-text"], runs["classify"]) as judges,
        Reporter.load(runs["report"], DECODING, judges) as reporter,
    ):
        together = reporter.report(images)
        (alone,) = reporter.report(images[2:])
    assert alone.report == together[2].report
    assert len({prediction.report for prediction in together}) > 1
