"""The caption metrics: BLEU-1 to 4, METEOR, ROUGE-L and CIDEr between written and true reports, on whole reports.

The figures are those of pycocoevalcap. Two of its parts are Java programs, and this module starts them itself: the
PTBTokenizer class of pycocoevalcap writes into its package folder and reports no error when Java fails, and its Meteor
class then waits for ever. SPICE is not used, because it downloads files.
"""

import contextlib
import os
import re
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
"""Seconds that a Java program may take for one answer. METEOR takes 15 to start, and less than one for a report."""

NO_JAVA_NOTE = (
    "Without Java: no METEOR, and words are split by TieNet's tokenizer, which keeps punctuation; "
    "do not compare with figures made with Java."
)

_TOKENIZER_JAR = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
_METEOR_JAR = Path(meteor.__file__).with_name(meteor.METEOR_JAR)
_PUNCTUATION = frozenset(ptbtokenizer.PUNCTUATIONS)
_SEPARATOR = "|||"  # between the fields of METEOR's protocol
_JAVA_SETTINGS = ("-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US")
"""Java would take this computer's language otherwise: METEOR expects "0,5" in German, and in Turkish I has no dot."""

_PROBE, _PROBE_TOKENS = "NO INFILTRATE.", "no infiltrate"
_OUT_OF_MEMORY = re.compile("(?i)not reserve enough space|insufficient memory|cannot allocate memory|not enough space")


def bleu4(true: Sequence[str], written: Sequence[str]) -> float:
    """Corpus BLEU-4 (0 to 1) on the tokens of `tienet.data.text.tokenize`; it is fast and needs no Java.

    Studies without a true report are left out; NaN if none is left. Raises ValueError if the lengths differ.
    """
    references, hypotheses = _with_a_reference(true, written)
    return _bleu(references, hypotheses)["BLEU-4"][0] if references else float("nan")


def cider(true: Sequence[str], written: Sequence[str]) -> float:
    """CIDEr (0 to 10) on the same tokens, with the document frequencies of these true reports; otherwise as `bleu4`."""
    references, hypotheses = _with_a_reference(true, written)
    return float(_cider(references, hypotheses)[0]) if references else float("nan")


class CaptionScorer:
    """Computes the seven metrics. Use it as a context manager, which ends METEOR's process.

    METEOR's process starts with the first report that is scored, and takes 1.3 GB of memory.

    Attributes:
        java: Whether METEOR and the PTBTokenizer are used.
        note: A line that says what changes without them, for the user to read; None if they are used.
    """

    def __init__(self, java: bool = True) -> None:
        """Check that Java works, if it is asked for; raises InputError if it does not."""
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
        """Compute the metrics of the written reports against the true ones.

        Every report is first brought to one line without control characters. A written report without a word scores 0
        in every metric, and its true report still counts in BLEU's length penalty and METEOR's recall.

        Args:
            true: N true reports, whole and not cut; studies whose true report has no word are left out.
            written: N written reports.
        Returns:
            A float for each of CAPTION_METRICS (0 to 1, CIDEr 0 to 10); None where undefined, because no study is
            left or because METEOR needs Java. Also three counts: "studies", the studies that were scored, "empty",
            the empty written reports among them, and "references_empty", the studies that were left out.
        Raises:
            ValueError: The lengths differ.
            InputError: A Java program failed, or gave no answer in TIMEOUT_S.
        """
        return self.score_each(true, written)[0]

    def score_each(
        self, true: Sequence[str], written: Sequence[str]
    ) -> tuple[dict[str, float | int | None], dict[str, np.ndarray]]:
        """The metrics as from `score`, and each metric's value for every study: float64 [N], NaN where undefined.

        BLEU and METEOR of all reports are not the means of the studies' values, because they add up counts first.
        """
        _check_lengths(true, written)
        references, hypotheses = self._tokenize(true), self._tokenize(written)
        scored = [i for i, reference in enumerate(references) if reference]
        totals: dict[str, float | int | None] = dict.fromkeys(CAPTION_METRICS)
        each = {metric: np.full(len(references), np.nan) for metric in CAPTION_METRICS}
        if scored:
            scores = self._score([references[i] for i in scored], [hypotheses[i] for i in scored])
            for metric, (total, values) in scores.items():
                totals[metric] = float(total)
                each[metric][scored] = values
        totals["empty"] = sum(not hypotheses[i] for i in scored)
        totals["references_empty"] = len(references) - len(scored)
        totals["studies"] = len(scored)
        return totals, each

    def score_words(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float | None]:
        """The metrics on words that are split already, and joined by spaces; they are compared as they are.

        Args:
            references: N true texts, none of them empty.
            hypotheses: N written texts; an empty one scores 0.
        Returns:
            A float for each of CAPTION_METRICS; METEOR is None without Java.
        Raises:
            ValueError: The lengths differ, or a reference is empty.
            InputError: As `score`.
        """
        _check_lengths(references, hypotheses)
        if not all(references):
            raise ValueError("a reference is empty")
        scores = self._score(list(references), list(hypotheses))
        return {metric: float(scores[metric][0]) if metric in scores else None for metric in CAPTION_METRICS}

    def _tokenize(self, texts: Sequence[str]) -> list[str]:
        """The tokens of each text, joined by spaces; "" for a text without a word."""
        if not self.java:
            return _words(texts)
        return _ptb_tokenize(self._java, [_one_line(text) for text in texts])

    def _score(self, references: list[str], hypotheses: list[str]) -> dict[str, tuple[float, Sequence[float]]]:
        """Each metric of all reports together and of every report; no reference is empty."""
        scores = _bleu(references, hypotheses)
        if self._meteor:
            scores["METEOR"] = self._meteor.score(references, hypotheses)
        scores["ROUGE-L"] = Rouge().compute_score(_keyed(references), _keyed(hypotheses))
        scores["CIDEr"] = _cider(references, hypotheses)
        return scores


def _check_lengths(true: Sequence[str], written: Sequence[str]) -> None:
    if len(true) != len(written):
        raise ValueError(f"{len(true)} true reports and {len(written)} written ones; both need one for each study")


def _with_a_reference(true: Sequence[str], written: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of the true and of the written reports, without the studies whose true report has none."""
    _check_lengths(true, written)
    pairs = [pair for pair in zip(_words(true), _words(written), strict=True) if pair[0]]
    return [reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs]


def _words(texts: Sequence[str]) -> list[str]:
    return [" ".join(tokenize(text)) for text in texts]


def _keyed(captions: list[str]) -> dict[int, list[str]]:
    """The captions in the form that pycocoevalcap takes: a list of one caption for each key."""
    return {i: [caption] for i, caption in enumerate(captions)}


def _bleu(references: list[str], hypotheses: list[str]) -> dict[str, tuple[float, Sequence[float]]]:
    # With verbose=0 it prints nothing.
    totals, each = Bleu(4).compute_score(_keyed(references), _keyed(hypotheses), verbose=0)
    return {f"BLEU-{n}": (totals[n - 1], each[n - 1]) for n in range(1, 5)}


def _cider(references: list[str], hypotheses: list[str]) -> tuple[float, Sequence[float]]:
    return Cider().compute_score(_keyed(references), _keyed(hypotheses))


def _one_line(text: str) -> str:
    """The text without line breaks, control characters and runs of white space, as the Java programs read lines."""
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
    """The path of the `java` in PATH, which must work: it has to tokenize a sentence."""
    java = shutil.which("java")
    if java is None:
        raise _java_error("there is no java in PATH")
    if (tokens := _ptb_tokenize(java, [_PROBE])) != [_PROBE_TOKENS]:
        raise _java_error(f"{java} does not run the PTBTokenizer: it makes {tokens[0][:200]!r} of {_PROBE!r}")
    return java


def _ptb_tokenize(java: str, lines: list[str]) -> list[str]:
    """The PTBTokenizer's tokens of each line, lower-case, without punctuation, joined by spaces."""
    not_empty = [line for line in lines if line]
    if not not_empty:
        return [""] * len(lines)
    program = ["-cp", str(_TOKENIZER_JAR), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    command = [java, *_JAVA_SETTINGS, *program]
    timeout = TIMEOUT_S + len(not_empty) / 100
    try:
        text = "".join(f"{line}\n" for line in not_empty).encode()
        done = subprocess.run(command, input=text, capture_output=True, timeout=timeout, check=False)
    except OSError as error:
        raise _java_error(f"{java} does not start ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise _java_error(f"{java} gave no answer in {timeout:.0f} s") from None
    if done.returncode:
        raise _java_error(f"{java} ended with status {done.returncode}{_first_message(done.stderr)}")
    answers = done.stdout.decode(errors="replace").removesuffix("\n").split("\n")
    if len(answers) != len(not_empty):
        raise _java_error(f"{java} gave {len(answers)} lines for {len(not_empty)} reports{_first_message(done.stderr)}")
    tokens = iter(" ".join(t for t in answer.rstrip().split(" ") if t not in _PUNCTUATION) for answer in answers)
    return [next(tokens) if line else "" for line in lines]


def _first_message(stderr: bytes) -> str:
    """What a program's error output says first, in parentheses, for an error message; "" if there is none.

    They are two lines of Java's, because "Error occurred during initialization of VM" alone says nothing.
    """
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    # Java prints its settings; "at" is where an exception comes from.
    lines = [line for line in lines if line and not line.startswith(("Picked up ", "at "))]
    return f" ({': '.join(lines[:2])[:300]})" if lines else ""


class _Meteor:
    """METEOR 1.5 in a process that answers line by line.

    The process is started by the first call of `score`, and ended by `close` and by any failure.
    """

    def __init__(self, java: str) -> None:
        # With -a METEOR finds its paraphrases also in a folder whose name has a space.
        paraphrases = str(_METEOR_JAR.parent / "data" / "paraphrase-en.gz")
        program = [str(_METEOR_JAR), "-", "-", "-stdio", "-l", "en", "-norm", "-a", paraphrases]
        self._command = [java, *_JAVA_SETTINGS, "-Xmx2G", "-jar", *program]
        self._stderr: IO[bytes] | None = None
        self.process: subprocess.Popen | None = None

    def score(self, references: list[str], hypotheses: list[str]) -> tuple[float, list[float]]:
        """METEOR of all reports together and of each; no report may have a line break."""
        statistics = []
        for pair in zip(references, hypotheses, strict=True):
            fields = (text.replace(_SEPARATOR, "") for text in pair)  # pycocoevalcap does so with the hypothesis only
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
            with contextlib.suppress(OSError):  # data that could not be written any more
                pipe.close()

    def _ask(self, line: str, answers: int) -> list[str]:
        """Write a line and read `answers` lines of numbers; raises InputError if they do not come."""
        if self.process is None:
            self._start()
        begun = time.monotonic()
        watch = threading.Timer(TIMEOUT_S, _kill, [self.process])
        watch.daemon = True
        watch.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # the process has ended, so its answer is missing too
                self.process.stdin.write(line.encode() + b"\n")
                self.process.stdin.flush()
            lines = [self.process.stdout.readline().decode(errors="replace").strip() for _ in range(answers)]
            wrong = next((line for line in lines if not _is_numbers(line)), None)
            if wrong is not None:
                watch.cancel()  # so that a process that is killed from here on was killed by others
                raise self._failure(wrong, time.monotonic() - begun)
        except BaseException:  # also Ctrl-C: an answer that nobody read would be taken for that of the next question
            self.close()
            raise
        finally:
            watch.cancel()
        return lines

    def _start(self) -> None:
        # A file, because a pipe that nobody reads would fill up.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            # In a process group of its own, so that a `java` that is a script is ended together with its children.
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
        killed = False
        if answer:
            reason = f"answered {answer[:200]!r}"
        elif seconds >= TIMEOUT_S:
            reason = f"gave no answer in {TIMEOUT_S:g} s"
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                killed = self.process.wait(timeout=1) == -signal.SIGKILL
            reason = "was killed, as systems do when memory runs out" if killed else "ended before its answer"
        self._stderr.seek(0)
        reason += _first_message(self._stderr.read())
        memory = "it needs 2 GB of memory; " if killed or _OUT_OF_MEMORY.search(reason) else ""
        return InputError(f"METEOR {reason}; {memory}try again, or pass --no-java to leave METEOR out")


def _kill(process: subprocess.Popen) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)


def _is_numbers(line: str) -> bool:
    """Whether the line consists of one or more finite numbers."""
    try:
        values = [float(value) for value in line.split()]
    except ValueError:
        return False
    return bool(values) and bool(np.isfinite(values).all())
