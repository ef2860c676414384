"""Reports that are written from facts by a small grammar.

Every sentence is about one finding that is present, or only about findings that are absent (it then has one of
NEGATIONS), or names no finding. Present and absent findings are named by the same NAMES, so that a word alone does not
tell which of the two is meant. The side and the severity stand in the sentence of the finding. The sentences have the
order in which a film is read: heart, mediastinum, lungs, pleura, absent findings, bones.
"""

from collections.abc import Sequence

import numpy as np

from tienet.datasets.phantom.facts import BILATERAL, Fact
from tienet.labels import FINDINGS

NAMES: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis",),
    "Cardiomegaly": ("cardiomegaly", "enlargement of the heart"),
    "Effusion": ("pleural effusion", "pleural fluid"),
    "Infiltration": ("infiltrate",),
    "Mass": ("mass",),
    "Nodule": ("nodule",),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax",),
    "Consolidation": ("consolidation",),
    "Edema": ("pulmonary edema",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("fibrosis", "fibrotic change"),
    "Pleural_Thickening": ("pleural thickening",),
    "Hernia": ("hiatal hernia",),
}
"""Maps each finding to the words that name it."""

NEGATIONS = ("no ", "negative for", "free of", "has resolved")
"""The words, in lower case, that mark a sentence about absent findings."""

DEGREE = {"mild": ("mild", "minimal"), "moderate": ("moderate",), "severe": ("severe", "marked")}
SIZE = {"mild": ("small", "tiny"), "moderate": ("moderate",), "severe": ("large",)}
"""Both map each severity to its words: DEGREE for findings that have a degree, SIZE for findings that have a size."""

# {name} is one of NAMES; {size} and {degree} say the severity; {adjective} is "right lower lobe", {where} is "in the
# right lower lobe", {on} is "on the right", and {side} is "right", "left" or "bilateral".
_SENTENCES: dict[str, tuple[str, ...]] = {
    "Atelectasis": (
        "{degree} {adjective} {name}.",
        "there is {degree} linear {name} {where}.",
        "band-like opacities {where} represent {degree} {name}.",
    ),
    "Cardiomegaly": ("there is {degree} {name}.", "the cardiac silhouette shows {degree} {name}.", "{degree} {name}."),
    "Effusion": (
        "{size} {side} {name}.",
        "there is a {size} amount of {name} {on}.",
        "blunting of the costophrenic angle {on} is due to {size} {name}.",
    ),
    "Infiltration": (
        "{degree} {name} {where}.",
        "hazy {degree} {adjective} {name}.",
        "there is a {degree} {name} {where}.",
    ),
    "Mass": (
        "a {size} round {name} is present {where}.",
        "{size} {adjective} {name}.",
        "there is a {size} {name} {where}.",
    ),
    "Nodule": (
        "a {size} {name} is seen {where}.",
        "{size} {adjective} {name}.",
        "there is a {size} round {name} {where}.",
    ),
    "Pneumonia": (
        "patchy airspace disease {where} is consistent with {degree} {name}.",
        "{degree} {adjective} {name}.",
        "there is {degree} {name} {where}.",
    ),
    "Pneumothorax": (
        "{size} {side} {name}.",
        "there is a {size} apical {name} {on}.",
        "a pleural line {on} indicates a {size} {name}.",
    ),
    "Consolidation": (
        "{degree} {name} {where}.",
        "there is {degree} {name} with air bronchograms {where}.",
        "{degree} {adjective} {name}.",
    ),
    "Edema": (
        "there is {degree} bilateral {name}.",
        "bilateral perihilar haze is consistent with {degree} {name}.",
        "{degree} bilateral perihilar {name}.",
    ),
    "Emphysema": (
        "the lungs are hyperinflated with flat domes, consistent with {degree} bilateral {name}.",
        "{degree} bilateral {name}.",
        "there is {degree} diffuse bilateral {name}.",
    ),
    "Fibrosis": (
        "reticular markings {where} represent {degree} {name}.",
        "{degree} {adjective} {name}.",
        "there is {degree} {name} {where}.",
    ),
    "Pleural_Thickening": (
        "{degree} {side} {name} {part}.",
        "there is {degree} {name} {on} {part}.",
    ),
    "Hernia": (
        "{size} {name}.",
        "there is a {size} {name} behind the heart.",
        "a {size} retrocardiac {name} has an air-fluid level.",
    ),
}
_NORMAL_HEART = ("The heart size is normal.", "The cardiac silhouette is within normal limits.", "Heart size normal.")
_NORMAL_LUNGS = ("The lungs are clear.", "Clear lungs.", "The lungs are well expanded and clear.")
_MEDIASTINUM = ("The mediastinal contour is unremarkable.", "The trachea is in the middle.")
_BONES = (
    "The osseous structures are intact.",
    "Mild degenerative changes of the spine.",
    "The bony thorax is unremarkable.",
)
_READ_FIRST, _READ_LAST = ("Cardiomegaly", "Hernia"), ("Effusion", "Pneumothorax", "Pleural_Thickening")
_ABSENT = ("no {list}.", "there is no evidence of {list}.", "there is no {list}.", "negative for {list}.")
_NORMAL_IMPRESSION = (
    "No acute cardiopulmonary abnormality.",
    "Normal chest.",
    "No acute disease.",
    "Unremarkable examination of the chest.",
)
_OFTEN_DENIED = ("Pneumothorax", "Effusion", "Consolidation")
_SHARE_WITHOUT_FINDINGS, _SHARE_WITHOUT_IMPRESSION = 0.08, 0.05


def write(facts: Sequence[Fact], rng: np.random.Generator) -> tuple[str, str]:
    """Write the findings and the impression of a report; one may be empty, and each names all present findings."""
    facts = sorted(facts, key=lambda fact: _place_in_order(fact.finding))
    impression = _impression(facts, rng)
    omit = rng.random()
    if omit < _SHARE_WITHOUT_FINDINGS:
        return "", impression
    findings = _findings(facts, rng)
    return findings, "" if omit > 1 - _SHARE_WITHOUT_IMPRESSION else impression


def _findings(facts: Sequence[Fact], rng: np.random.Generator) -> str:
    present = {fact.finding for fact in facts}
    lesions = {fact.finding: _sentence(fact, _pick(_SENTENCES[fact.finding], rng), rng) for fact in facts}
    sentences = [] if "Cardiomegaly" in present else [_pick(_NORMAL_HEART, rng)]
    sentences += [text for finding, text in lesions.items() if finding in _READ_FIRST]
    if rng.random() < 0.5:
        sentences.append(_pick(_MEDIASTINUM, rng))
    if not any(fact.lungs for fact in facts):
        sentences.append(_pick(_NORMAL_LUNGS, rng))
    sentences += [text for finding, text in lesions.items() if finding not in _READ_FIRST]
    sentences += _denials(present, rng)
    if rng.random() < 0.7:
        sentences.append(_pick(_BONES, rng))
    return " ".join(sentences)


def _place_in_order(finding: str) -> tuple[int, int]:
    """A sort key: heart and mediastinum are first, the pleura is last, the others are in the order of the labels."""
    group = 0 if finding in _READ_FIRST else 2 if finding in _READ_LAST else 1
    return group, FINDINGS.index(finding)


def _denials(present: set[str], rng: np.random.Generator) -> list[str]:
    """Sentences about one or more absent findings."""
    often = [finding for finding in _OFTEN_DENIED if finding not in present and rng.random() < 0.6]
    others = [finding for finding in FINDINGS if finding not in present and finding not in often]
    denied = [*often, *rng.permutation(others)[: rng.integers(1, 4)].tolist()]
    names = [_pick(NAMES[finding], rng) for finding in denied]
    resolved = names.pop() if len(names) > 1 and rng.random() < 0.12 else None
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    sentences = [_capital(_pick(_ABSENT, rng).format(list=listed))]
    if resolved:
        sentences.append(f"The {resolved} seen previously has resolved.")
    return sentences


def _impression(facts: Sequence[Fact], rng: np.random.Generator) -> str:
    if not facts:
        return _pick(_NORMAL_IMPRESSION, rng)
    lines = [_sentence(fact, _pick(_SENTENCES[fact.finding], rng), rng) for fact in facts]
    return lines[0] if len(lines) == 1 else " ".join(f"{n}. {line}" for n, line in enumerate(lines, 1))


def _sentence(fact: Fact, pattern: str, rng: np.random.Generator) -> str:
    both = fact.side == BILATERAL
    lobe = {"upper": "upper lobe", "lower": "lower lobe", "mid": "middle lobe" if fact.side == "right" else "mid lung"}
    zone = lobe.get(fact.zone, fact.zone)
    words = {
        "name": _pick(NAMES[fact.finding], rng),
        "size": _pick(SIZE[fact.severity], rng),
        "degree": _pick(DEGREE[fact.severity], rng),
        "side": fact.side,
        "adjective": f"{fact.side} {zone}",
        "where": f"in the {zone} bilaterally" if both else f"in the {fact.side} {zone}",
        "on": "bilaterally" if both else f"on the {fact.side}",
        "part": "over the apex" if fact.zone == "upper" else "along the lower chest wall",
    }
    return _capital(pattern.format(**words))


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[rng.integers(len(choices))]


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
