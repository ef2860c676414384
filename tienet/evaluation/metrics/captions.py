"""How close written reports are to the true ones: BLEU-1 to 4, METEOR, ROUGE-L and CIDEr, on whole reports.

The figures are pycocoevalcap's. Two of its parts are Java programs, and this module starts them itself: pycocoevalcap's
own PTBTokenizer writes into its package folder and says nothing when Java fails, and its Meteor waits for ever.
SPICE is not used: it downloads.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor import meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer import ptbtokenizer

from tienet.data.text import tokenize
from tienet.errors import InputError

CAPTION_METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr")

TIMEOUT_S = 120.0
"""Seconds that a Java program may take for one answer; METEOR takes 15 to start, and less than one for a report."""

NO_JAVA_NOTE = (
    "Without Java: no METEOR, and words are split by TieNet's tokenizer, which keeps punctuation; "
    "do not compare with figures made with Java."
)

_TOKENIZER_JAR = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
_METEOR_JAR = Path(meteor.__file__).with_name(meteor.METEOR_JAR)
_PUNCTUATION = frozenset(ptbtokenizer.PUNCTUATIONS)
_SEPARATOR = "|||"  # between the fields of METEOR's protocol
_PROBE, _PROBE_TOKENS = "No pneumothorax.", "no pneumothorax"


def bleu4(true: Sequence[str], written: Sequence[str]) -> float:
    """Corpus BLEU-4 (0 to 1) on `tienet.data.text.tokenize` tokens: fast, without Java.

    Studies without a true report are left out; NaN if none is left. Raises ValueError if the lengths differ.
    """
    _check_lengths(true, written)
    pairs = [pair for pair in zip(_words(true), _words(written), strict=True) if pair[0]]
    if not pairs:
        return float("nan")
    return _bleu(*map(list, zip(*pairs, strict=True)))["BLEU-4"][0]


class CaptionScorer:
    """The seven metrics; a context manager, as METEOR's process is kept until the end.

    METEOR starts with the first report that is scored, and takes 1.3 GB of memory.

    Attributes:
        java: whether METEOR and the PTBTokenizer are used.
        note: a line for under the table when they are not, else None.
    """

    def __init__(self, java: bool = True) -> None:
        """Raises InputError if `java` and Java is missing or does not work."""
        self.java = java
        self.note = None if java else NO_JAVA_NOTE
        self._java, self._meteor = "", None
        if java:
            self._java = _find_java()
            self._meteor = _Meteor(self._java)

    def __enter__(self) -> "CaptionScorer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End METEOR's process. The next `score` would start another one."""
        if self._meteor:
            self._meteor.close()

    def score(self, true: Sequence[str], written: Sequence[str]) -> dict[str, float | int | None]:
        """The metrics of the written reports against the true ones.

        Every report is brought to one line without control characters first. A written report without a word scores 0
        in every metric, and its true report still counts in BLEU's length penalty and METEOR's recall.

        Args:
            true: N whole reports, not cut; those without a word are left out.
            written: N reports.
        Returns:
            A float for each of CAPTION_METRICS (0 to 1, CIDEr 0 to 10), None where undefined: nothing to judge, or
            METEOR without Java. And three counts: "studies" judged, "empty" written reports among them, and
            "references_empty", the studies left out.
        Raises:
            ValueError: the lengths differ.
            InputError: a Java program failed, or gave no answer in TIMEOUT_S.
        """
        return self.score_each(true, written)[0]

    def score_each(
        self, true: Sequence[str], written: Sequence[str]
    ) -> tuple[dict[str, float | int | None], dict[str, np.ndarray]]:
        """As `score`, and each metric by study: float64 [N], NaN where undefined.

        BLEU and METEOR of the whole are not the means of these: they add up counts first.
        """
        _check_lengths(true, written)
        references, hypotheses = self._tokenize(true), self._tokenize(written)
        judged = [i for i, reference in enumerate(references) if reference]
        totals: dict[str, float | int | None] = dict.fromkeys(CAPTION_METRICS)
        each = {metric: np.full(len(references), np.nan) for metric in CAPTION_METRICS}
        if judged:
            found = self._score([references[i] for i in judged], [hypotheses[i] for i in judged])
            for metric, (total, values) in found.items():
                totals[metric] = float(total)
                each[metric][judged] = values
        totals["empty"] = sum(not hypotheses[i] for i in judged)
        totals["references_empty"] = len(references) - len(judged)
        totals["studies"] = len(judged)
        return totals, each

    def _tokenize(self, texts: Sequence[str]) -> list[str]:
        """The tokens of each text, joined by spaces; "" where there is no word."""
        if not self.java:
            return _words(texts)
        return _ptb_tokenize(self._java, [_one_line(text) for text in texts])

    def _score(self, references: list[str], hypotheses: list[str]) -> dict[str, tuple[float, Sequence[float]]]:
        """By metric, of the whole and of each; no reference is empty."""
        found = _bleu(references, hypotheses)
        if self._meteor:
            found["METEOR"] = self._meteor.score(references, hypotheses)
        gts, res = _keyed(references), _keyed(hypotheses)
        found["ROUGE-L"] = Rouge().compute_score(gts, res)
        found["CIDEr"] = Cider().compute_score(gts, res)
        return found


def _check_lengths(true: Sequence[str], written: Sequence[str]) -> None:
    if len(true) != len(written):
        raise ValueError(f"{len(true)} true reports and {len(written)} written ones; both need one for each study")


def _words(texts: Sequence[str]) -> list[str]:
    return [" ".join(tokenize(text)) for text in texts]


def _keyed(captions: list[str]) -> dict[int, list[str]]:
    """As pycocoevalcap wants them."""
    return {i: [caption] for i, caption in enumerate(captions)}


def _bleu(references: list[str], hypotheses: list[str]) -> dict[str, tuple[float, Sequence[float]]]:
    # verbose=0: it prints otherwise
    totals, each = Bleu(4).compute_score(_keyed(references), _keyed(hypotheses), verbose=0)
    return {f"BLEU-{n}": (totals[n - 1], each[n - 1]) for n in range(1, 5)}


def _one_line(text: str) -> str:
    """Without line breaks, control characters and runs of white space: the Java programs read line by line."""
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs"))
        text = " ".join(text.split())
    return text


def _java_error(reason: str) -> InputError:
    return InputError(
        f"METEOR and the PTBTokenizer need Java, and {reason}; install one that works "
        "(Debian or Ubuntu: apt-get install default-jre-headless), or pass --no-java to leave METEOR out"
    )


def _find_java() -> str:
    """The path of a `java` that works: it has to tokenize a sentence."""
    java = shutil.which("java")
    if java is None:
        raise _java_error("there is no java in PATH")
    if _ptb_tokenize(java, [_PROBE]) != [_PROBE_TOKENS]:
        raise _java_error(f"{java} does not run the PTBTokenizer")
    return java


def _ptb_tokenize(java: str, lines: list[str]) -> list[str]:
    """The PTBTokenizer's tokens of each line, lower-case, without punctuation, joined by spaces."""
    asked = [line for line in lines if line]
    if not asked:
        return [""] * len(lines)
    program = ["-cp", str(_TOKENIZER_JAR), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    command = [java, "-Dfile.encoding=UTF-8", *program]
    timeout = TIMEOUT_S + len(asked) / 100
    try:
        text = "".join(f"{line}\n" for line in asked).encode()
        done = subprocess.run(command, input=text, capture_output=True, timeout=timeout, check=False)
    except OSError as error:
        raise _java_error(f"{java} does not start ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise _java_error(f"{java} gave no answer in {timeout:.0f} s") from None
    if done.returncode:
        raise _java_error(f"{java} ended with status {done.returncode}{_said(done.stderr)}")
    answers = done.stdout.decode(errors="replace").removesuffix("\n").split("\n")
    if len(answers) != len(asked):
        raise _java_error(f"{java} gave {len(answers)} lines for {len(asked)} reports{_said(done.stderr)}")
    tokens = iter(" ".join(t for t in answer.rstrip().split(" ") if t not in _PUNCTUATION) for answer in answers)
    return [next(tokens) if line else "" for line in lines]


def _said(stderr: bytes) -> str:
    """The first line of a program's complaint, for a message."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("Picked up ")]  # Java on its own settings
    return f" ({lines[0][:200]})" if lines else ""


class _Meteor:
    """METEOR 1.5 as a process that answers line by line; started when asked, ended by `close` and by any failure."""

    def __init__(self, java: str) -> None:
        # With -a its paraphrases are found in a folder whose name has a space, too.
        paraphrases = str(_METEOR_JAR.parent / "data" / "paraphrase-en.gz")
        program = [str(_METEOR_JAR), "-", "-", "-stdio", "-l", "en", "-norm", "-a", paraphrases]
        self._command = [java, "-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", *program]
        self._stderr: IO[bytes] | None = None
        self.process: subprocess.Popen | None = None

    def score(self, references: list[str], hypotheses: list[str]) -> tuple[float, list[float]]:
        """Of the whole and of each; the pairs are lines without a line break."""
        statistics = []
        for pair in zip(references, hypotheses, strict=True):
            fields = (text.replace(_SEPARATOR, "") for text in pair)  # as pycocoevalcap does for the second
            statistics += self._ask(f" {_SEPARATOR} ".join(["SCORE", *fields]), answers=1)
        line = f" {_SEPARATOR} ".join(["EVAL", *statistics])
        *each, total = map(float, self._ask(line, answers=len(statistics) + 1))
        return total, each

    def close(self) -> None:
        """End the process, whatever it is doing."""
        process, self.process = self.process, None
        if process is None:
            return
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout, self._stderr):
            with contextlib.suppress(OSError):  # what was left to write
                pipe.close()

    def _ask(self, line: str, answers: int) -> list[str]:
        """Write a line and read as many lines of numbers as `answers`; InputError if they do not come."""
        if self.process is None:
            self._start()
        begun = time.monotonic()
        watch = threading.Timer(TIMEOUT_S, _kill, [self.process])
        watch.daemon = True
        watch.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # then there is no answer, either
                self.process.stdin.write(line.encode() + b"\n")
                self.process.stdin.flush()
            lines = [self.process.stdout.readline().decode(errors="replace").strip() for _ in range(answers)]
            wrong = next((line for line in lines if not _is_numbers(line)), None)
            if wrong is not None:
                raise self._failure(wrong, time.monotonic() - begun)
        except BaseException:  # Ctrl-C, too: an answer that nobody read would be taken for the next one's
            self.close()
            raise
        finally:
            watch.cancel()
        return lines

    def _start(self) -> None:
        # a file, as a pipe that nobody reads would fill up
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            # a group of its own, so that a `java` that is a script is ended together with what it started
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise _java_error(f"{self._command[0]} does not start ({error.strerror})") from None

    def _failure(self, answer: str, seconds: float) -> InputError:
        if answer:
            reason = f"answered {answer[:200]!r}"
        elif seconds >= TIMEOUT_S:
            reason = f"gave no answer in {TIMEOUT_S:g} s"
        else:
            self._stderr.seek(0)
            reason = f"ended before its answer{_said(self._stderr.read())}"
        return InputError(f"METEOR {reason}; it needs 2 GB of memory; try again, or pass --no-java to leave it out")


def _kill(process: subprocess.Popen) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)


def _is_numbers(line: str) -> bool:
    """Whether the line is one finite number or more."""
    try:
        values = [float(value) for value in line.split()]
    except ValueError:
        return False
    return bool(values) and bool(np.isfinite(values).all())
