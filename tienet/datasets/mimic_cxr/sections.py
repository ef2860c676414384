"""The findings and the impression of a free-text radiology report of MIMIC-CXR.

The rules are those of PhysioNet's create_section_files, which most work on MIMIC-CXR uses:

- A heading stands at the start of a line, in capitals, with a colon: "FINDINGS:". Common headings also count in mixed
  case ("Findings:"), and FINDINGS counts without a colon if it is alone in its line. A colon inside a sentence does not
  start a section.
- "Conclusion", "findings and impression" and "findings/impression" are headings of the impression. Misspelt headings
  (IMPRESSON) are recognised.
- A heading that names the film ("CHEST, TWO VIEWS:") starts the findings.
- If several sections have the same name, the last one that has text counts, because addenda and corrections follow.
- If there are neither findings nor an impression, the report is taken to be the paragraphs after the first one of the
  last section, because it was then written under HISTORY or COMPARISON. Without such paragraphs it is the whole text.

Our rules differ from PhysioNet's in a few cases so that no finding is lost. Text before FINAL REPORT (a wet read, an
addendum) counts only if no text follows. A heading of no known kind ("PICC LINE:") does not start a section, and
neither does the heading of a film or an organ ("LUNGS:") in the middle of the findings or the impression. Notifications
and recommendations at the end are skipped in the search for the last section. PhysioNet's list of 54 reports that were
cut by hand is not used.
"""

import difflib
import re
from dataclasses import dataclass, field
from functools import lru_cache

HEADINGS, LAST_PARAGRAPHS, WHOLE_TEXT, EMPTY = "headings", "last paragraphs", "whole text", "empty"
CUTS: tuple[str, ...] = (HEADINGS, LAST_PARAGRAPHS, WHOLE_TEXT, EMPTY)
"""The ways in which a report may have been cut."""

_FINDINGS, _IMPRESSION = "findings", "impression"
_TITLE = "title"  # FINAL REPORT
_BEFORE, _AFTER = "before", "after"  # other sections before and after the findings and the impression
_VIEW, _ORGAN = "view", "organ"

# The kind of a heading by its words; the first line that has one of its words decides.
_KEYWORDS = (
    (_AFTER, "wet wetread preliminary provisional pfi"),  # also if "impression" follows
    (_IMPRESSION, "impression impressions conclusion conclusions"),
    (_FINDINGS, "findings finding"),
    (_BEFORE, "comparison comparisons indication indications technique examination examinations exam study history"),
    (_BEFORE, "information reason procedure reference date"),
    (_AFTER, "addendum addenda notification notifications recommendation recommendations"),
    (_AFTER, "comment comments note attestation"),
)
_LINE_OF = {word: n for n, (_, words) in enumerate(_KEYWORDS) for word in words.split()}
_HEADING_LETTERS = 120
_LIKE_WORD = 0.87  # the ratio of difflib: FINIDNGS is findings, COMPRESSION is not impression
_LIKE_WORD_LETTERS = 7
_HEADING_WORDS, _VIEW_WORDS = 6, 12  # a longer heading is a sentence

_VIEWS = frozenset(["chest", "cxr", "portable", "rib", "ribs", "view", "views", "radiograph", "radiographs", "frontal"])
_SIDES = (frozenset({"pa", "ap"}), frozenset({"lateral", "lat"}))
_NO_VIEW = frozenset({"ct", "mr", "mri", "pet", "pain"})  # CHEST CT in a comparison
_ORGANS = frozenset(["lung", "lungs", "heart", "pleura", "mediastinum", "hila", "bones", "cardiomediastinum", "and"])

_COLON = r"(?:(?<!\d):|:(?!\d))"  # but not the colon of 10:30
_CAPITALS = re.compile(rf"\s*(?P<name>[A-Z][A-Z0-9 \t()/,&_'-]*){_COLON}(?P<rest>.*)")
_MIXED_CASE = re.compile(rf"\s*(?P<name>[A-Z][A-Za-z /()]*){_COLON}(?P<rest>.*)")
_MIXED_CASE_NAMES = ("findings", "impression", "findings and impression", "conclusion", "comparison", "indication",
                     "technique", "examination", "history", "clinical history", "recommendation", "recommendations",
                     "recommendation(s)", "notification", "addendum")  # fmt: skip
_NO_COLON = {
    "FINAL REPORT": _TITLE,
    "FINDINGS": _FINDINGS,
    "IMPRESSION": _IMPRESSION,
    "CONCLUSION": _IMPRESSION,
    "FINDINGS AND IMPRESSION": _IMPRESSION,
    "FINAL ADDENDUM": _AFTER,
    "ADDENDUM": _AFTER,
    "WET READ": _AFTER,
}
_RULE = re.compile(r"\s*_{10,}\s*")  # a rule across the page; ___ is the mark for removed text


@dataclass(frozen=True)
class Sections:
    """The sections of a report; runs of white space are one space.

    Attributes:
        findings: The findings; if `cut` is LAST_PARAGRAPHS or WHOLE_TEXT, all of the text that was kept.
        impression: The impression.
        cut: One of CUTS; EMPTY if there is no text.
    """

    findings: str
    impression: str
    cut: str


@dataclass
class _Section:
    """A heading with the lines that follow it."""

    kind: str
    heading: str
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        return " ".join(" ".join(self.lines).split())


def sections(text: str) -> Sections:
    """Cut the findings and the impression out of a report, by the rules above; never raises."""
    parts = _final_report(_split_at_headings(text))
    found = {part.kind: part.text() for part in parts if part.text()}
    findings, impression = found.get(_FINDINGS, ""), found.get(_IMPRESSION, "")
    if findings or impression:
        return Sections(findings, impression, HEADINGS)
    last = _last_paragraphs(parts)
    if last:
        return Sections(last, "", LAST_PARAGRAPHS)
    if not found:
        return Sections("", "", EMPTY)
    all_text = " ".join(f"{part.heading} {part.text()}" for part in parts)
    return Sections(" ".join(all_text.split()), "", WHOLE_TEXT)


def _split_at_headings(text: str) -> list[_Section]:
    """Split a text at its headings; the first section has no heading."""
    parts = [_Section(_BEFORE, "")]
    titled = False
    for line in text.splitlines():
        kind, heading, rest = _heading("" if _RULE.fullmatch(line) else line)
        if kind in (_VIEW, _ORGAN):
            if parts[-1].kind in (_FINDINGS, _IMPRESSION) and any(map(str.strip, parts[-1].lines)):
                kind, rest = None, line
            else:
                rest = rest if kind == _VIEW else line
                heading = heading if kind == _VIEW else ""
                kind = _FINDINGS
        if kind == _TITLE:
            kind, rest = (None, "") if titled else (kind, rest)  # the title is repeated on each page
            titled = True
        if kind is None:
            parts[-1].lines.append(rest)
        else:
            parts.append(_Section(kind, heading, [rest]))
    return parts


def _final_report(parts: list[_Section]) -> list[_Section]:
    """The sections from FINAL REPORT on, or all sections if none of these has text."""
    title = next((n for n, part in enumerate(parts) if part.kind == _TITLE), 0)
    return parts[title:] if any(part.text() for part in parts[title:]) else parts


def _last_paragraphs(parts: list[_Section]) -> str:
    """The paragraphs after the first one of the last section that can hold the report; empty if there are none."""
    part = next((part for part in reversed(parts) if part.kind in (_TITLE, _BEFORE)), None)
    if part is None or not part.heading:
        return ""
    lines = [line.strip() for line in part.lines]
    start = next((n for n, line in enumerate(lines) if line), len(lines))
    end = next((n for n in range(start, len(lines)) if not lines[n]), len(lines))
    return " ".join(" ".join(lines[end:]).split())


def _heading(line: str) -> tuple[str | None, str, str]:
    """(kind, heading as written, rest of the line); (None, "", line) if it does not start with a known heading."""
    bare = _NO_COLON.get(" ".join(line.split()).removesuffix(":"))
    if bare:
        return bare, "" if bare == _TITLE else line, ""
    if ":" in line:
        found = _CAPITALS.match(line)
        kind = _kind(found["name"]) if found and len(found["name"]) <= _HEADING_LETTERS else None
        if kind is None:
            found = _MIXED_CASE.match(line)
            mixed = found and " ".join(found["name"].lower().split()) in _MIXED_CASE_NAMES
            kind = _kind(found["name"]) if mixed else None
        if kind is not None:
            return kind, line[: found.start("rest")], found["rest"]
    return None, "", line


@lru_cache(maxsize=10_000)
def _kind(name: str) -> str | None:
    """The kind of a heading; None if it is not known."""
    words = re.findall(r"[a-z]+", name.lower())
    if len(words) <= _HEADING_WORDS:
        known = [word for word in map(_known_word, words) if word]
        if known:
            return _KEYWORDS[min(_LINE_OF[word] for word in known)][0]
    distinct = set(words)
    if words and distinct <= _ORGANS and distinct != {"and"}:
        return _ORGAN
    is_view = distinct & _VIEWS or all(distinct & side for side in _SIDES)
    return _VIEW if is_view and not distinct & _NO_VIEW and len(words) <= _VIEW_WORDS else None


def _known_word(word: str) -> str | None:
    if word in _LINE_OF:
        return word
    like = difflib.get_close_matches(word, _LINE_OF, 1, _LIKE_WORD) if len(word) >= _LIKE_WORD_LETTERS else ()
    return next(iter(like), None)
