"""The report as one string, the tokenizer that cuts it into words, and the vocabulary of their ids.

Also which reports cannot be read: nothing but a value such as NaN, too long a text, or words that are not known.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tienet import files
from tienet.errors import InputError

PAD, START, END, OOV = 0, 1, 2, 3
SPECIALS: tuple[str, ...] = ("<PAD>", "<START>", "<END>", "<OOV>")
"""The first words of every vocabulary, in this order. No text can contain them, because `tokenize` splits brackets."""

MAX_REPORT_CHARACTERS = 100_000
"""The largest number of characters in a report; whatever reads or writes reports has this limit."""

# Characters that are replaced by one plain spelling; the normal form NFKC does not change them.
_PLAIN = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{HYPHEN}": "-",
        "\N{EN DASH}": "-",
        "\N{MINUS SIGN}": "-",
        "\N{EM DASH}": " - ",  # it separates sentences and joins no words
        "\N{FRACTION SLASH}": "/",  # NFKC writes one-character fractions with it
    }
)
_DROPPED_CATEGORIES = ("Cc", "Cf", "Cs")  # control characters, invisible marks, half surrogates

_WRITTEN_OUT = re.compile(r"\\[nrt]")
"""A line break or tab as two characters, as programs write it that put a text into one line."""

_LETTER = r"[^\W\d_]"
_TOKEN = re.compile(
    rf"""\d+\.\d+                                                    # 2.5
    | (?<![\w.])\.\d+                                                # .5
    | [^\W_]+ (?: (?<={_LETTER}) [-'] (?={_LETTER}) [^\W_]+ )*       # t9, 8mm, left-sided, x-xxxx, patient's
    | _+                                                             # ___, MIMIC's mark for removed text
    | \S                                                             # anything else, one character each
    """,
    re.VERBOSE,
)

MAX_UNKNOWN_SHARE = 0.4
"""A report gets no labels if the vocabulary lacks more than this share of its words.

A vocabulary of OpenI's training reports lacks at most .2 of another report's words, and half of Spanish ones or more.
"""

MAX_UNKNOWN_SHARE_OF_ALL = 0.2
"""A vocabulary that lacks more than this share of the words of many reports together was made from other reports."""

NOTHING = frozenset((
    "", "nan", "-nan", "na", "n/a", "n.a.", "<na>", "nat", "none", "null", "#na", "#n/a", "#n/a n/a",
    "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "na_character_", "character(0)", "logical(0)",
    "(null)", "<null>", "[null]", "\\n", "#null!", "#value!", "#ref!", "#div/0!", "#name?", "#num!", "#spill!",
    "#calc!", "#field!", "#blocked!", "#unknown!", "#connect!", "#busy!", "#getting_data",
    "#nv", "#n/d", "#wert!", "#bezug!", "#zahl!", "#valeur!", "#\N{INVERTED EXCLAMATION MARK}valor!",
))  # fmt: skip
"""What programs write into a cell that has nothing, in lower case: pandas and NumPy, R, SQL and its clients, and Excel,
whose errors are also in German, French and Spanish."""

_LONGEST_NOTHING = max(map(len, NOTHING))


FINDINGS, IMPRESSION = "findings", "impression"
"""The headings of a report's two sections, each followed by a colon."""


def report_text(findings: str, impression: str) -> str:
    """The report as one string: "findings : ... impression : ...".

    The heading of a section without text is left out. Runs of white space become one space.
    """
    sections = ((FINDINGS, findings), (IMPRESSION, impression))
    return " ".join(f"{name} : {' '.join(text.split())}" for name, text in sections if text.strip())


def length_problem(report: str) -> str | None:
    """What is wrong with the length of a report; None if it has at most MAX_REPORT_CHARACTERS."""
    if len(report) <= MAX_REPORT_CHARACTERS:
        return None
    return f"{len(report):,} characters; the most that is read is {MAX_REPORT_CHARACTERS:,}"


def tokenize(text: str) -> list[str]:
    """The words of a text in lower case, with punctuation split off.

    - A hyphen or an apostrophe between two letters stays inside its word: "well-inflated" (as in the sample reports
      of the paper), "x-ray", "patient's". Beside a digit it is split off: "t9-t10" becomes t9 - t10.
    - Decimal numbers stay whole (2.5, .5). The dot of a list number is split off: "1. new" and "1.new" become 1 . new
    - The mark XXXX of removed text becomes the word xxxx, or a part of the word in x-xxxx; ___ is one word.
    - A line break or a tab that is written out (\\n, \\r, \\t) is white space: "clear.\\nNo" becomes clear . no
    - The text is brought to the Unicode normal form NFKC, typographic quotes and dashes become ' " -, and control
      characters are dropped.

    If the tokens are joined by spaces and tokenized again, the result is the same.
    """
    return _TOKEN.findall(_normalise(text))


def _normalise(text: str) -> str:
    text = " ".join(_WRITTEN_OUT.sub(" ", text).split())
    if not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) not in _DROPPED_CATEGORIES)
    text = unicodedata.normalize("NFKC", text).lower()
    return unicodedata.normalize("NFKC", text).translate(_PLAIN)  # lower-case letters may compose again


class Vocab:
    """The words that the network knows; the id of a word is its position in `words`.

    Attributes:
        words: A list of V strings; `SPECIALS` are the first.
        ids: Maps each word to its id.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Raises InputError if `words` does not start with `SPECIALS`, or holds a bad or repeated word."""
        self.words = list(words)
        self.ids: dict[str, int] = {}
        for i, word in enumerate(self.words):
            line = f"line {i + 1}"
            if word.split() != [word]:
                raise InputError(f"{line}: {word!r} is not a word; a vocabulary has one word a line")
            if word in self.ids:
                raise InputError(f"{line}: {word!r} is there already, at line {self.ids[word] + 1}")
            if i < len(SPECIALS) and word != SPECIALS[i]:
                raise InputError(f"{line}: {word!r} where {SPECIALS[i]} was expected; {_HEAD}")
            self.ids[word] = i
        if len(self.words) < len(SPECIALS):
            raise InputError(f"line {len(self.words) + 1}: the vocabulary ends before its first word; {_HEAD}")

    @classmethod
    def from_reports(cls, reports: Iterable[str], min_count: int = 2) -> "Vocab":
        """Make a vocabulary of the words that occur at least `min_count` times in `reports`.

        The most frequent words come first; words of the same frequency are in alphabetical order. Pass the training
        reports only.

        Raises:
            InputError: No word occurs often enough, or `min_count` is below 1.
        """
        if min_count < 1:
            raise InputError(f"min_count is {min_count}; it must be 1 or more")
        counts = Counter(token for report in reports for token in tokenize(report))
        kept = sorted((-n, word) for word, n in counts.items() if n >= min_count)
        if not kept:
            largest = max(counts.values(), default=0)
            raise InputError(
                f"no word is left with min_count {min_count}; the most frequent one is seen {largest} times"
            )
        return cls([*SPECIALS, *(word for _, word in kept)])

    @classmethod
    def empty(cls) -> "Vocab":
        """A vocabulary of `SPECIALS` only, for a network that reads no report."""
        return cls(SPECIALS)

    @classmethod
    def load(cls, path: Path | str, needs_words: bool = True) -> "Vocab":
        """Read vocab.txt (UTF-8, one word a line).

        Args:
            needs_words: If False, the file may hold `SPECIALS` only, as `empty` makes it.
        Raises:
            FileNotFoundError: There is no such file.
            InputError: The file is not a vocabulary; the message has the number of the line that is wrong.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path} does not exist; bash data_prep/build_vocab.sh --data NAME makes a vocabulary"
            ) from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text at byte {error.start}; expected one word a line") from None
        try:
            vocab = cls(text.removesuffix("\n").split("\n") if text else [])
            if needs_words and len(vocab) == len(SPECIALS):
                raise InputError(f"line {len(vocab) + 1}: the vocabulary ends before its first word; {_HEAD}")
        except InputError as error:
            raise InputError(f"{path}, {error}") from None
        return vocab

    def save(self, path: Path | str) -> None:
        """Write the words to a file, one a line."""
        files.write_text(path, "\n".join(self.words) + "\n")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str, max_len: int | None = None) -> np.ndarray:
        """int32 [T]: the ids of the words of a text, and END as the last; START is not added. Unknown words become OOV.

        Args:
            max_len: The largest T, at least 1; a longer text is cut, and END is still the last id.
        """
        if max_len is not None and max_len < 1:
            raise ValueError(f"max_len is {max_len}; it must be 1 or more, as END takes one place")
        ids = [self.ids.get(token, OOV) for token in tokenize(text)]
        if max_len is not None:
            ids = ids[: max_len - 1]
        return np.array([*ids, END], dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The words of `ids` up to the first END, joined by spaces, without PAD and START.

        Raises ValueError for an id that is not in the vocabulary.
        """
        words = []
        for i in map(int, ids):
            if i == END:
                break
            if not 0 <= i < len(self):
                raise ValueError(f"id {i} is not in this vocabulary of {len(self)} words")
            if i not in (PAD, START):
                words.append(self.words[i])
        return " ".join(words)

    def fingerprint(self) -> str:
        """The sha256 (hexadecimal) of the words in their order."""
        return sha256("\n".join(self.words).encode()).hexdigest()


def is_nothing(cell: str) -> bool:
    """Whether a cell is empty or is wholly one of `NOTHING`, in any case; white space around it does not count."""
    text = cell.strip()
    return len(text) <= _LONGEST_NOTHING and text.lower() in NOTHING


def without_nothing(cell: str) -> str:
    """The cell; empty if it `is_nothing`."""
    return "" if is_nothing(cell) else cell


class ReportFault(NamedTuple):
    """Why a report gets no labels.

    Attributes:
        kind: The kind of the fault, by which reports are counted.
        message: What is wrong with this report, for the user.
    """

    kind: str
    message: str


def find_text_fault(report: str) -> ReportFault | None:
    """Why a text is no report that any network reads: it is empty, one of `NOTHING`, or too long; None if it is one."""
    if not report.strip():
        return ReportFault("no report", "the report is empty")
    if is_nothing(report):
        return ReportFault("no report", f"the report is {report.strip()!r}, which stands for nothing")
    problem = length_problem(report)
    return ReportFault("report that is too long", f"the report has {problem}") if problem else None


def find_report_fault(report: str, vocab: Vocab, max_words: int) -> ReportFault | None:
    """Why a report gets no labels from a network: as `find_text_fault`, or because it knows too few of the words.

    Counted are the words with a letter among the first `max_words`, which the network reads, without the headings
    of `report_text` where it has other words.

    Returns:
        None if the network knows a word and lacks at most MAX_UNKNOWN_SHARE of the words.
    """
    fault = find_text_fault(report)
    if fault:
        return fault
    words = _counted_words(tokenize(report)[:max_words])
    unknown = [word for word in words if word not in vocab.ids]
    if len(unknown) <= MAX_UNKNOWN_SHARE * len(words) and words:
        return None
    expected = "expected a report in the language and the words that it was trained on"
    examples = ", ".join(word[:_MAX_EXAMPLE] for word in list(dict.fromkeys(unknown))[:_MAX_EXAMPLES])
    if len(unknown) == len(words):
        found = f"the network knows none of the words ({examples})" if words else "the report has no word"
        return ReportFault("report without a known word", f"{found}; {expected}")
    found = f"the network does not know {len(unknown)} of {len(words)} words ({examples})"
    return ReportFault("report of unknown words", f"{found}; {expected}")


def _counted_words(words: Sequence[str]) -> list[str]:
    """The words with a letter, without the headings if there are others."""
    following = [*words[1:], ""][: len(words)]
    lettered = [(word, after) for word, after in zip(words, following, strict=True) if any(map(str.isalpha, word))]
    text = [word for word, after in lettered if not (after == ":" and word in _HEADINGS)]
    return text or [word for word, _ in lettered]


_MAX_EXAMPLES, _MAX_EXAMPLE = 4, 20  # words that a message names, and characters of each
_HEADINGS = ("findings", "impression")
_HEAD = f"it must start with {', '.join(SPECIALS)}, then the words"
