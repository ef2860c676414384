"""The caption metrics against pycocoevalcap called by hand, and what happens when Java does not work."""

import math
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pycocoevalcap
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.evaluation.metrics import captions
from tienet.evaluation.metrics.captions import CAPTION_METRICS, CaptionScorer, bleu4, cider

TRUE = [
    "findings : The heart is normal in size. The lungs are clear (no effusion). impression : No acute disease.",
    "findings : T9-T10 degenerative change, 2.5 cm nodule; XXXX opacity. impression : Patient's left-sided pneumonia.",
    "impression : Cardiomegaly with mild pulmonary edema.",
    "findings : No pneumothorax. No pleural effusion. impression : Normal chest x-ray.",
    "findings : Right lower lobe atelectasis. impression : 1. Atelectasis. 2. No acute abnormality.",
    "findings : Stable granuloma | calcified, <5 mm. impression : No change.",
]
WRITTEN = [
    "findings : the heart size is normal . the lungs are clear . impression : no acute disease .",
    "findings : degenerative changes of the spine . impression : left-sided pneumonia .",
    "impression : enlarged heart with pulmonary edema .",
    "no pneumothorax or pleural effusion . no pneumothorax or pleural effusion .",
    "findings : the heart is normal . impression : no acute abnormality .",
    "findings : granuloma . impression : no change .",
]
METEOR = 0.2517284511086546  # the result of pycocoevalcap's own Meteor() for these reports
METEOR_EACH = [
    0.43144177927531935,
    0.21318024579887196,
    0.27096718326441177,
    0.1803573889247561,
    0.18588244863369774,
    0.21051351514876374,
]

java = pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
COUNTS = {"empty": 0, "references_empty": 0, "studies": len(TRUE)}
STATISTICS = "1.0 " * 23


@pytest.fixture(scope="module")
def scorer():
    """A scorer whose METEOR process serves all tests, because it takes long to start."""
    with CaptionScorer() as scorer:
        yield scorer
        pid = scorer._meteor.process.pid
    assert gone(pid)


@pytest.fixture(scope="module")
def scored(scorer):
    return scorer.score_each(TRUE, WRITTEN)


class HandMeteor(Meteor):
    """The Meteor class of pycocoevalcap, with a process that runs already."""

    def __init__(self, process):
        self.meteor_p, self.lock = process, threading.Lock()

    def __del__(self):
        pass


def by_hand(true, written):
    """For BLEU, ROUGE-L and CIDEr the total and each report's value, and the tokens of both kinds of reports."""
    gts, res = (
        PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)}) for texts in (true, written)
    )
    totals, each = Bleu(4).compute_score(gts, res, verbose=0)
    found = {f"BLEU-{n + 1}": (totals[n], each[n]) for n in range(4)}
    return found | {"ROUGE-L": Rouge().compute_score(gts, res), "CIDEr": Cider().compute_score(gts, res)}, gts, res


def fake_java(folder: Path, monkeypatch, meteor: str, tokenizer: str | None = None) -> Path:
    """Put a script named java first in PATH. Unless `tokenizer` is given, it starts the real tokenizer."""
    real = tokenizer or f'exec {shutil.which("java")} "$@"'
    script = folder / "java"
    script.write_text(f'#!/bin/sh\ncase "$*" in *PTBTokenizer*) {real};; esac\n{meteor}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return script


def files_of_package() -> set[str]:
    folder = Path(next(iter(pycocoevalcap.__path__)))
    return {str(path) for path in folder.rglob("*") if path.suffix != ".pyc"}


@java
def test_all_metrics_equal_pycocoevalcap_by_hand(scorer, scored):
    totals, each = scored
    expected, gts, res = by_hand(TRUE, WRITTEN)
    expected["METEOR"] = METEOR, METEOR_EACH
    for metric in CAPTION_METRICS:
        assert totals[metric] == pytest.approx(expected[metric][0], abs=1e-15), metric
        np.testing.assert_allclose(each[metric], expected[metric][1], atol=1e-15, err_msg=metric)
    assert HandMeteor(scorer._meteor.process).compute_score(gts, res) == (totals["METEOR"], list(each["METEOR"]))
    assert {name: totals[name] for name in COUNTS} == COUNTS
    assert list(totals) == [*CAPTION_METRICS, *COUNTS]
    assert all(type(totals[metric]) is float for metric in CAPTION_METRICS)
    assert scorer.note is None


@java
def test_one_meteor_process_for_all_calls_and_the_same_figures_again(scorer, scored):
    process = scorer._meteor.process
    assert scorer.score(TRUE, WRITTEN) == scored[0]
    assert scorer.score(TRUE[:2], TRUE[:2])["METEOR"] == pytest.approx(1)
    assert scorer._meteor.process is process and process.poll() is None


@java
def test_line_breaks_and_control_characters_change_nothing(scorer, scored):
    breaks = ["\n", "\r\n", "\r", "\u2028", "\x0b", "\x85", " \t ", "  "]
    broken = [text.replace(" ", breaks[i % 8]) + "\n" for i, text in enumerate(WRITTEN)]
    references = ["\n\x00" + text.replace("e", "e\x07\ud800").replace(" ", breaks[-i]) for i, text in enumerate(TRUE)]
    assert scorer.score(references, broken) == scored[0]


@java
def test_the_computers_language_changes_nothing(scored, monkeypatch):
    """In Turkish a number has a decimal comma, as in German, and the small letter of I is another one."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=tr -Duser.country=TR")
    with CaptionScorer() as scorer:
        assert scorer._tokenize(["INFILTRATE IN THE RIGHT LUNG."]) == ["infiltrate in the right lung"]
        assert scorer.score(TRUE, WRITTEN) == scored[0]


@java
def test_an_empty_written_report_scores_zero_and_counts(scorer, scored):
    totals, each = scorer.score_each(TRUE, ["", *WRITTEN[1:]])
    without, _ = scorer.score_each(TRUE[1:], WRITTEN[1:])
    assert totals["empty"] == 1 and totals["studies"] == 6
    for metric in CAPTION_METRICS:
        assert each[metric][0] == 0
        np.testing.assert_allclose(each[metric][1:], scored[1][metric][1:])
        assert totals[metric] < without[metric] or metric == "CIDEr"  # as CIDEr's idf changes
    # BLEU's length penalty has the reference's words: 53 - 14 written, 72 true
    precision = bleu_without_penalty(TRUE[1:], WRITTEN[1:])
    assert totals["BLEU-1"] == pytest.approx(precision * math.exp(1 - 72 / (53 - 14)))


@java
def test_reports_without_a_word_are_empty(scorer):
    nothing = ["", " \n ", ". .", "\x00", "\ue000", "\r"]  # the fifth is no character the tokenizer knows
    assert scorer.score(TRUE, nothing) == dict.fromkeys(CAPTION_METRICS, 0) | COUNTS | {"empty": 6}


def bleu_without_penalty(true, written):
    _, gts, res = by_hand(true, written)
    pairs = [(gts[i][0].split(), res[i][0].split()) for i in gts]
    hits = sum(min(hyp.count(word), ref.count(word)) for ref, hyp in pairs for word in set(hyp))
    return hits / sum(len(hyp) for _, hyp in pairs)


@java
def test_studies_without_a_true_report_are_left_out_and_counted(scorer, scored):
    true, written = [*TRUE], [*WRITTEN]
    for place, pair in ((3, ("", "no effusion")), (0, (" \n", "")), (8, (". .", "clear"))):
        true.insert(place, pair[0])
        written.insert(place, pair[1])
    totals, each = scorer.score_each(true, written)
    assert totals == scored[0] | {"references_empty": 3}
    for metric in CAPTION_METRICS:
        assert np.isnan(each[metric][[0, 4, 8]]).all()
        np.testing.assert_array_equal(each[metric][[1, 2, 3, 5, 6, 7]], scored[1][metric])


@java
def test_meteors_separator_in_a_report_is_no_separator(scorer):
    """Inside an HTML comment the PTBTokenizer leaves the separator as it is."""
    marks = ("|||", "||||||", "<!-- ||| -->")
    true = [text for mark in marks for text in (f"{mark} no {mark} effusion", TRUE[0])]
    written = [text for mark in marks for text in (f"no effusion {mark}", f"SCORE ||| {mark} EVAL |||")]
    totals, each = scorer.score_each([*true, TRUE[2]], [*written, TRUE[2]])
    effusions, commands = each["METEOR"][:-1:2], each["METEOR"][1:-1:2]
    assert ((effusions > 0.25) & (effusions < 1)).all() and (commands < 0.1).all()
    assert 0 < totals["METEOR"] < 1
    assert each["METEOR"][-1] == pytest.approx(1)  # the answers are still in step with the questions


@java
def test_references_are_not_cut(scorer):
    long = TRUE[0] + " the bones are intact ." * 50
    _, each = scorer.score_each([long, long], [TRUE[0], long])
    assert each["BLEU-1"][0] < 1e-3 and each["METEOR"][1] == pytest.approx(1)


@java
def test_nothing_is_written_into_the_package_or_to_the_terminal(scorer, scored, capfd):
    before = files_of_package()
    scorer.score(TRUE, WRITTEN)
    bleu4(TRUE, WRITTEN)
    assert files_of_package() == before
    assert capfd.readouterr() == ("", "")


@java
def test_no_temporary_file_for_the_tokenizer(scorer, monkeypatch):
    """pycocoevalcap's own PTBTokenizer writes its temporary file beside its jar."""
    monkeypatch.setattr(captions.tempfile, "NamedTemporaryFile", None)
    assert scorer._tokenize(["No effusion."]) == ["no effusion"]


def test_undefined_where_nothing_is_left():
    with CaptionScorer(java=False) as scorer:
        undefined = dict.fromkeys(CAPTION_METRICS)
        for true in ([], [""], ["", "\n"]):
            counts = {"empty": 0, "references_empty": len(true), "studies": 0}
            assert scorer.score(true, ["clear"] * len(true)) == undefined | counts
    assert all(math.isnan(metric([""], ["clear"])) and math.isnan(metric([], [])) for metric in (bleu4, cider))


def test_lengths_that_differ_are_refused():
    with CaptionScorer(java=False) as scorer, pytest.raises(ValueError, match="2 true reports and 1 written"):
        scorer.score(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="1 true reports and 0 written"):
        bleu4(["a"], [])


def test_without_java_tokens_are_those_of_training(monkeypatch):
    monkeypatch.setenv("PATH", "")
    gts, res = ({i: [" ".join(tokenize(t))] for i, t in enumerate(texts)} for texts in (TRUE, WRITTEN))
    with CaptionScorer(java=False) as scorer:
        totals, each = scorer.score_each(TRUE, WRITTEN)
        assert "no METEOR" in scorer.note and "\n" not in scorer.note
    assert totals["METEOR"] is None and np.isnan(each["METEOR"]).all()
    assert [totals[f"BLEU-{n}"] for n in range(1, 5)] == Bleu(4).compute_score(gts, res, verbose=0)[0]
    assert totals["ROUGE-L"] == Rouge().compute_score(gts, res)[0]
    assert totals["CIDEr"] == Cider().compute_score(gts, res)[0]


def test_bleu4_and_cider_are_those_without_java_and_quiet(capfd):
    with CaptionScorer(java=False) as scorer:
        assert bleu4([*TRUE, ""], [*WRITTEN, "clear"]) == scorer.score(TRUE, WRITTEN)["BLEU-4"]
        assert bleu4(TRUE, ["", *WRITTEN[1:]]) == scorer.score(TRUE, ["", *WRITTEN[1:]])["BLEU-4"]
        assert cider([*TRUE, ""], [*WRITTEN, "clear"]) == scorer.score(TRUE, WRITTEN)["CIDEr"] > 0
    assert bleu4(TRUE, TRUE) == pytest.approx(1)
    assert bleu4(TRUE, [""] * 6) == 0
    assert capfd.readouterr() == ("", "")


def one_line(raised) -> str:
    message = str(raised.value)
    assert "\n" not in message and "--no-java" in message
    return message


def test_java_that_is_not_there_is_one_line_before_scoring(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no java in PATH") as raised:
        CaptionScorer()
    assert "apt-get install" in one_line(raised)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no JVM here >&2; exit 1", r"java ended with status 1 \(no JVM here\)"),
        ("echo rubbish; exit 0", "does not run the PTBTokenizer"),
        ("printf '\\377\\n'; exit 0", "does not run the PTBTokenizer"),
        ("echo one; echo two; exit 0", "gave 2 lines for 1 reports"),
        ("exit 0", "does not run the PTBTokenizer"),
        ("sleep 3", "gave no answer in"),
        ("kill -9 $$", "ended with status -9"),
    ],
)
def test_java_that_does_not_work_is_one_line_before_scoring(tmp_path, monkeypatch, script, said):
    monkeypatch.setattr(captions, "TIMEOUT_S", 0.5)
    fake_java(tmp_path, monkeypatch, "exit 1", tokenizer=script)
    with pytest.raises(InputError, match=said) as raised:
        CaptionScorer()
    one_line(raised)


def test_java_of_another_machine_is_one_line(tmp_path, monkeypatch):
    script = fake_java(tmp_path, monkeypatch, "")
    script.write_bytes(b"\x7fELF\0\0")
    with pytest.raises(InputError, match="does not start") as raised:
        CaptionScorer()
    one_line(raised)


@java
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo Error: no heap >&2; exit 1", r"METEOR ended before its answer \(Error: no heap\)"),
        ("echo Could not reserve enough space; exit 1", "METEOR answered 'Could not reserve"),
        (f"read line; echo {STATISTICS}; exit 0", "METEOR ended before its answer"),
        (f"read line; echo {STATISTICS}; read line; echo NaN; exec cat", "METEOR answered 'NaN'"),
        ("sleep 30; exit 0", "METEOR gave no answer in 0.5 s"),
        (f"read line; echo {STATISTICS}; sleep 30", "METEOR gave no answer in 0.5 s"),
        ("exec 0<&-; exec 1>&-; sleep 30", "METEOR ended before its answer"),
    ],
)
def test_meteor_that_fails_is_one_line_and_leaves_no_process(tmp_path, monkeypatch, script, said):
    fake_java(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid\n{script}")
    with CaptionScorer() as scorer:
        monkeypatch.setattr(captions, "TIMEOUT_S", 0.5)
        monkeypatch.setattr(scorer, "_tokenize", lambda texts: texts)
        begun = time.monotonic()
        with pytest.raises(InputError, match=said) as raised:
            scorer.score(TRUE, WRITTEN)
        one_line(raised)
        assert time.monotonic() - begun < 15  # the scripts sleep for 30: what they start is ended, too
        assert scorer._meteor.process is None
    assert gone(int((tmp_path / "pid").read_text()))


@java
@pytest.mark.parametrize(
    ("script", "said", "memory"),
    [
        (
            r"printf 'Picked up X\nException in thread A.InputMismatchException\n\tat A.main\n' >&2; exit 1",
            "METEOR ended before its answer (Exception in thread A.InputMismatchException); try again",
            False,
        ),
        (
            r"printf 'Error occurred in VM\nCould not reserve enough space for heap\n' >&2; exit 1",
            "METEOR ended before its answer (Error occurred in VM: Could not reserve enough space for heap); it needs",
            True,
        ),
        ("echo 'os::commit_memory: Not enough space' >&2; echo '#'", "METEOR answered '#' (os::commit_memory", True),
        ("kill -9 $$", "METEOR was killed, as systems do when memory runs out; it needs", True),
        ("sleep 30", "METEOR gave no answer in 0.5 s; try again", False),
    ],
)
def test_a_failure_of_meteor_says_what_happened(tmp_path, monkeypatch, script, said, memory):
    fake_java(tmp_path, monkeypatch, script)
    with CaptionScorer() as scorer:
        monkeypatch.setattr(captions, "TIMEOUT_S", 0.5)
        monkeypatch.setattr(scorer, "_tokenize", lambda texts: texts)
        with pytest.raises(InputError) as raised:
            scorer.score(TRUE, WRITTEN)
    assert said in one_line(raised)
    assert ("2 GB of memory" in str(raised.value)) == memory


def test_a_java_that_keeps_another_language_says_what_it_made(tmp_path, monkeypatch):
    fake_java(tmp_path, monkeypatch, "exit 1", tokenizer="echo no \u0131nf\u0131ltrate; exit 0")
    with pytest.raises(InputError) as raised:
        CaptionScorer()
    assert "it makes 'no \u0131nf\u0131ltrate' of 'NO INFILTRATE.'" in one_line(raised)


@java
def test_meteor_that_does_not_read_is_ended(tmp_path, monkeypatch):
    """The report is longer than the buffer of the pipe, so writing it waits."""
    fake_java(tmp_path, monkeypatch, "sleep 30")
    with CaptionScorer() as scorer:
        monkeypatch.setattr(captions, "TIMEOUT_S", 0.5)
        monkeypatch.setattr(scorer, "_tokenize", lambda texts: texts)
        with pytest.raises(InputError, match="gave no answer"):
            scorer.score(["clear " * 50_000], ["clear"])


@java
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_process_is_gone_after_the_end_and_after_an_error(tmp_path, monkeypatch, error):
    fake_java(tmp_path, monkeypatch, f"while read line; do echo {STATISTICS}; done")
    with pytest.raises(error), CaptionScorer() as scorer:
        scorer._meteor._ask("SCORE", answers=1)
        pid = scorer._meteor.process.pid
        assert not gone(pid)
        raise error
    assert gone(pid) and scorer._meteor.process is None
    scorer.close()  # twice does no harm


@java
def test_ctrl_c_while_meteor_works_ends_it(tmp_path):
    """The scorer runs in a process of its own, which gets SIGINT while it waits for an answer."""
    code = f"""
import os, signal, threading
from pathlib import Path
from tienet.evaluation.metrics.captions import CaptionScorer
with CaptionScorer() as scorer:
    scorer._meteor._command = ["sh", "-c", "sleep 30; exit"]
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    try:
        scorer._meteor.score(["a"], ["b"])
    except KeyboardInterrupt:
        assert scorer._meteor.process is None
        Path({str(tmp_path / "done")!r}).touch()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
    assert (tmp_path / "done").exists()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
