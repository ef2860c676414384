"""The page of the studies in which readers differ: image, report, and the answers side by side.

It is one HTML file that needs no network and no script. Its first section has a row for each label, the one with the
most differing answers first, with links to its studies. Axes: N studies, K = 15 labels.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.data.manifest import Manifest
from tienet.datasets.description import html as page_parts
from tienet.datasets.description.sample_cards import report_html
from tienet.datasets.description.sampling import small_image
from tienet.errors import InputError
from tienet.hand_labels.sheet import CANNOT_TELL, NOT_THERE, STATES, THERE, Sheet
from tienet.labels import LABELS, readable
from tienet.pages import template
from tienet.pages.plain_text import number_text
from tienet.pages.study import DISCLAIMER

_TEMPLATES = Path(__file__).with_name("templates").absolute()
_MARKS = {THERE: ("named", "●"), NOT_THERE: ("absent", "○"), CANNOT_TELL: ("unsure", "?")}


@dataclass(frozen=True)
class Case:
    """A study in which readers differ.

    Attributes:
        study_id: Its name.
        answers: For each reader's name float32 [K], NaN where nothing was asked; a reader who has not finished the
            study is not there.
        labels: Which of LABELS they differ in.
    """

    study_id: str
    answers: Mapping[str, np.ndarray]
    labels: tuple[str, ...]


def differing_cases(sheets: Sequence[Sheet]) -> list[Case]:
    """The studies in which two readers or more gave answers that are not the same.

    The study with the most such labels is first; where these are as many, by the studies' names.
    """
    by_study: dict[str, dict[str, np.ndarray]] = {}
    for sheet in sheets:
        for study, answers in zip(sheet.study_ids, sheet.answers, strict=True):
            by_study.setdefault(study, {})[sheet.reader] = answers
    cases = []
    for study, answers in by_study.items():
        given = np.stack(list(answers.values()))  # [readers, K]
        labels = tuple(label for k, label in enumerate(LABELS) if len(np.unique(_asked(given[:, k]))) > 1)
        if labels:
            cases.append(Case(study, answers, labels))
    return sorted(cases, key=lambda case: (-len(case.labels), case.study_id))


def render(
    sheets: Sequence[Sheet], agreements: Sequence[Mapping], studies: Manifest | None, notes: Sequence[str]
) -> str:
    """The page as HTML.

    Args:
        sheets: Two or more, each of a reader of its own.
        agreements: What `agreement.compare_all` says of them.
        studies: The data set that has their images and reports; None: they are not shown.
        notes: Sentences that stand above all.
    """
    cases, readers = differing_cases(sheets), [sheet.reader for sheet in sheets]
    anchors = {case.study_id: f"study-{n}" for n, case in enumerate(cases, 1)}
    rows = {} if studies is None else {study: n for n, study in enumerate(studies.study_ids)}
    cards = [_card(case, readers, anchors[case.study_id], studies, rows.get(case.study_id)) for case in cases]
    style = [template.read("page.css"), template.read("tables.css"), _read("differ.css")]
    answers = sum(len(case.labels) for case in cases)
    return template.document(
        str(_TEMPLATES / "differ.html"),
        "Answers that differ",
        "".join(style),
        readers=html.escape(", ".join(readers)),
        count=f"{answers:,} labels of {len(cases):,} studies, the studies with the most first.",
        key=" ".join(f"<span>{_answer_html(state)}</span>" for state in STATES),
        notes=page_parts.section("Notes", page_parts.paragraphs(notes)) if notes else "",
        index=_index(cases, agreements, anchors),
        cases=page_parts.section("Studies", *cards) if cards else "",
        disclaimer=DISCLAIMER,
    )


def _index(cases: Sequence[Case], agreements: Sequence[Mapping], anchors: Mapping[str, str]) -> str:
    """The section with a row for each label, and the links to the studies in which it differs."""
    if not cases:
        return page_parts.section("Labels", "<p>The readers gave the same answers throughout.</p>")
    of_label = {label: [case for case in cases if label in case.labels] for label in LABELS}
    worst_first = sorted(LABELS, key=lambda label: -len(of_label[label]))
    titles = ["kappa"] if len(agreements) == 1 else [f"kappa {' and '.join(one['readers'])}" for one in agreements]
    heads = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in titles)
    rows = []
    for label in worst_first:
        kappas = "".join(f"<td>{number_text(one['labels'][label]['kappa'])}</td>" for one in agreements)
        links = _links(of_label[label], anchors)
        rows.append(f'<tr><th scope="row">{readable(label)}</th><td class="studies">{links}</td>{kappas}</tr>')
    head = f'<thead><tr><th scope="col">Label</th><th scope="col" class="studies">differ in</th>{heads}</tr></thead>'
    return page_parts.section("Labels", page_parts.scrolling("labels that differ", head, rows))


def _links(cases: Sequence[Case], anchors: Mapping[str, str]) -> str:
    if not cases:
        return "no study"
    links = "".join(f'<a href="#{anchors[case.study_id]}">{html.escape(case.study_id)}</a>' for case in cases)
    what = "1 study" if len(cases) == 1 else f"{len(cases):,} studies"
    return f"<details><summary>{what}</summary><p>{links}</p></details>"


def _card(case: Case, readers: Sequence[str], anchor: str, studies: Manifest | None, row: int | None) -> str:
    shown = [reader for reader in readers if reader in case.answers]
    rows = []
    for label in case.labels:
        cells = "".join(_cell(case.answers[reader][LABELS.index(label)]) for reader in shown)
        rows.append(f'<tr><th scope="row">{readable(label)}</th>{cells}</tr>')
    return _fill(
        "differ_case.html",
        anchor=anchor,
        study_id=html.escape(case.study_id),
        picture="" if row is None else _picture(case.study_id, studies, row),
        readers="".join(f'<th scope="col">{html.escape(reader)}</th>' for reader in shown),
        rows="\n".join(rows),
        report="" if row is None else f'<p class="text">{report_html(studies.reports[row])}</p>',
    )


def _picture(study_id: str, studies: Manifest, row: int) -> str:
    """The study's image in a small size; where it cannot be read, why."""
    if studies.images[row] is None:
        return ""
    try:
        jpeg, (width, height) = small_image(studies.images[row])
    except (InputError, OSError) as error:
        return f'<p class="nothing">{html.escape(str(error))}</p>'
    uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
    alt = f"chest X-ray of study {html.escape(study_id)}"
    return f'<img src="{uri}" width="{width}" height="{height}" alt="{alt}">'


def _cell(answer: float) -> str:
    if np.isnan(answer):
        return "<td>not asked</td>"
    return f'<td class="{_MARKS[int(answer)][0]}">{_answer_html(int(answer))}</td>'


def _answer_html(state: int) -> str:
    return f"<b>{_MARKS[state][1]}</b> {STATES[state]}"


def _asked(answers: np.ndarray) -> np.ndarray:
    return answers[~np.isnan(answers)]


def _read(name: str) -> str:
    return template.read(str(_TEMPLATES / name))


def _fill(name: str, **values: object) -> str:
    return template.fill(str(_TEMPLATES / name), **values)
