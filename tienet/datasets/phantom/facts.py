"""The facts that images and reports are made from: which findings each study has, where, and how severe."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from tienet.labels import FINDINGS

RIGHT, LEFT, BILATERAL, MIDLINE = "right", "left", "bilateral", "midline"
SEVERITIES = ("mild", "moderate", "severe")
MIN_STUDIES = 10
NORMAL_SHARE = 0.40
_SHARES = {"val": 0.10, "test": 0.20}  # the rest is the training split
_NUMBER_OF_FINDINGS = (1, 2, 3, 2)  # used in turn for the studies that are not normal: 2 on average

_ONE_LUNG, _ANY_LUNG, _ZONES = (RIGHT, LEFT), (RIGHT, LEFT, BILATERAL), ("upper", "mid", "lower")
PLACES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Atelectasis": (_ANY_LUNG, ("mid", "lower")),
    "Cardiomegaly": ((MIDLINE,), ("cardiac",)),
    "Effusion": (_ANY_LUNG, ("lower",)),
    "Infiltration": (_ONE_LUNG, _ZONES),
    "Mass": (_ONE_LUNG, _ZONES),
    "Nodule": (_ONE_LUNG, _ZONES),
    "Pneumonia": (_ONE_LUNG, _ZONES),
    "Pneumothorax": (_ONE_LUNG, ("upper",)),
    "Consolidation": (_ONE_LUNG, _ZONES),
    "Edema": ((BILATERAL,), ("perihilar",)),
    "Emphysema": ((BILATERAL,), ("diffuse",)),
    "Fibrosis": (_ANY_LUNG, ("upper", "lower")),
    "Pleural_Thickening": (_ANY_LUNG, ("upper", "lower")),
    "Hernia": ((MIDLINE,), ("retrocardiac",)),
}
"""Maps each finding to the (sides, zones) where it may lie."""

_NEVER_TOGETHER = (
    {"Emphysema", "Edema"},
    {"Emphysema", "Cardiomegaly"},
    {"Pneumothorax", "Pleural_Thickening"},
    {"Cardiomegaly", "Hernia"},  # because one would hide the other
)


@dataclass(frozen=True)
class Fact:
    """One finding of a study.

    Attributes:
        finding: The name of the finding.
        side: The side of the patient: right, left, bilateral or midline. The patient's right is the left of the image.
        zone: The upper, mid or lower lung; or perihilar, diffuse, cardiac or retrocardiac.
        severity: mild, moderate or severe.
    """

    finding: str
    side: str
    zone: str
    severity: str

    @property
    def lungs(self) -> tuple[str, ...]:
        """The sides of the lungs that the finding is in."""
        return {BILATERAL: (RIGHT, LEFT), MIDLINE: ()}.get(self.side, (self.side,))

    def _slots(self) -> set[tuple[str, str]]:
        zones = ("mid",) if self.zone == "perihilar" else (self.zone,)
        return {(lung, zone) for lung in self.lungs for zone in zones}


@dataclass(frozen=True)
class PhantomStudy:
    """One study, which has an image and a report; `number` counts from 1 over the whole data set."""

    number: int
    patient: int
    split: str
    facts: tuple[Fact, ...]

    @property
    def study_id(self) -> str:
        return f"phantom-{self.number:05d}"

    @property
    def patient_id(self) -> str:
        return f"patient-{self.patient:05d}"


def plan(studies: int, seed: int) -> list[PhantomStudy]:
    """Plan the studies of a data set.

    In each split, 40% of the studies are normal and the others have one to three findings. These are dealt from
    shuffled packs of the 14 findings, so that all are about equally frequent. Three patients in ten have two or three
    studies, which are all in one split.

    Args:
        studies: The number of studies, MIN_STUDIES or more.
        seed: The seed of the plan, 0 or more; the same seed gives the same plan.
    """
    sizes = {split: max(1, round(share * studies)) for split, share in _SHARES.items()}
    sizes = {"train": studies - sum(sizes.values()), **sizes}
    planned: list[PhantomStudy] = []
    patient = 0
    for k, (split, size) in enumerate(sizes.items()):
        rng = np.random.default_rng([seed, k])
        left = 0  # the number of studies that the patient still gets
        for facts in _deal(size, rng):
            if not left:
                patient, left = patient + 1, int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
            left -= 1
            planned.append(PhantomStudy(len(planned) + 1, patient, split, facts))
    return planned


def _deal(size: int, rng: np.random.Generator) -> list[tuple[Fact, ...]]:
    """The facts of each study of a split; a normal study has none."""
    normal = round(NORMAL_SHARE * size)
    pack: deque[str] = deque()
    dealt: list[tuple[Fact, ...]] = [()] * normal
    for n in range(size - normal):
        facts: tuple[Fact, ...] = ()
        while len(facts) < _NUMBER_OF_FINDINGS[n % len(_NUMBER_OF_FINDINGS)]:
            if len(pack) < len(FINDINGS):
                pack.extend(rng.permutation(FINDINGS).tolist())
            fact = next(filter(None, (_place(finding, facts, rng) for finding in pack)))
            pack.remove(fact.finding)
            facts += (fact,)
        dealt.append(facts)
    return [dealt[n] for n in rng.permutation(size)]


def _place(finding: str, others: tuple[Fact, ...], rng: np.random.Generator) -> Fact | None:
    """The finding at a place that none of `others` has taken; None if it cannot occur together with them."""
    names = {other.finding for other in others}
    if finding in names or any(finding in pair and pair & names for pair in _NEVER_TOGETHER):
        return None
    taken = set().union(*(other._slots() for other in others))
    sides, zones = PLACES[finding]
    for n in rng.permutation(len(sides) * len(zones)):
        severity = SEVERITIES[rng.integers(len(SEVERITIES))]
        fact = Fact(finding, sides[n % len(sides)], zones[n // len(sides)], severity)
        if not fact._slots() & taken:
            return fact
    return None
