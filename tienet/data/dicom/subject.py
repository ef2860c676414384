"""What a DICOM header says that its picture shows: its modality, and another part of the body than the chest.

BodyPartExamined and AnatomicRegionSequence are looked at first, then the descriptions that the technician or the
machine wrote. A word that is not known counts as nothing: many machines write their own. Words are known in English,
and for the parts that are filmed most in German, French, Spanish, Portuguese and Italian.
"""

import re
from typing import TYPE_CHECKING

from tienet.data.dicom.elements import RefusedError, items_of, text_of
from tienet.data.dicom.view import DESCRIPTIONS

if TYPE_CHECKING:
    from pydicom import Dataset

X_RAY = ("CR", "DX", "DR", "RG", "XR")
"""The modalities of plain X-rays."""

NO_MODALITY = ("", "OT")
"""The modalities that may or may not be those of an X-ray."""

OTHER_MODALITIES = ("CT", "MR", "US", "NM", "PT", "MG", "XA", "RF", "PX", "IO", "SR", "SEG", "SC", "PR", "KO", "ES")
"""The modalities that are no plain X-ray's, as far as they are frequent."""

_CHEST = re.compile(
    r"chest|thorax|lungs?\b|pulmon|torax|tórax|torace|poumon|lunge|\bribs?\b|rippen|sternum|clavic|\bheart\b|cardiac|"
    r"mediastin|brust(?!drüse)|\bcxr\b|petto"
)
_OTHERS = {
    part: re.compile(words)
    for part, words in {
        "spine": r"spine|spinal|lumbar|cervical|sacrum|coccyx|vertebra|wirbels|\b[bhl]ws\b|rachis|columna|colonna",
        "hip": r"\bhips?\b|h(ü|ue)fte|hanche|cadera|quadril|\banca\b",
        "knee": r"knee|patella|\bknie|genou|rodilla|joelho|ginocchio",
        "pelvis": r"pelvis|pelvic|becken|bassin|bacia|bacino",
        "abdomen": r"abdom|stomach|bauch|kidney|bladder|colon\b|bowel|liver|\bkub\b",
        "shoulder": r"shoulder|scapula|schulter|(é|e)paule|hombro|ombro|spalla",
        "hand": r"\bhands?\b|finger|thumb|wrist|metacarp|handgelenk|\bmain\b|poignet|\bmano\b|muñeca|punho|polso",
        "foot": r"\bfoot\b|\bfeet\b|\btoes?\b|ankle|calcaneus|heel|metatars|\bfu(ss|ß)|sprunggelenk|cheville|"
        r"\bpied\b|tobillo",
        "arm": r"elbow|humerus|forearm|\barms?\b|radius|\bulna|ellenbogen|ellbogen|coude|codo|cotovelo|gomito",
        "leg": r"femur|tibia|fibula|\blegs?\b|thigh|\bcalf\b|unterschenkel|oberschenkel|jambe|pierna|perna\b",
        "limb": r"extremit|\blimb\b",
        "head": r"skull|\bhead\b|brain|facial|\bface\b|sinus|orbit|mandible|maxilla|\bjaw\b|nose|nasal|teeth|dental|"
        r"sch(ä|ae)del|kopf|cr(â|a)ne\b|cr(á|a)neo|cranio",
        "neck": r"\bneck\b|larynx|pharynx|thyroid|\bhals\b",
        "breast": r"breast|mamm",
    }.items()
}
_CODED = ("CSPINE", "TSPINE", "LSPINE", "SSPINE", "CTSPINE", "TLSPINE", "LSSPINE")


def other_body_part(ds: "Dataset") -> str:
    """The part of the body that the header names, such as "knee"; "" if it names the chest or nothing that is known."""
    named = [_text(ds, "BodyPartExamined"), *_regions(ds)]
    if any(text.strip() for text in named):
        return _other_in(named)
    return _other_in([_text(ds, name) for name in DESCRIPTIONS])


def is_no_x_ray(modality: str) -> bool:
    """Whether a modality says that the picture is no plain X-ray; a secondary capture (SC) may be one of a film."""
    return modality in OTHER_MODALITIES and modality != "SC"


def _other_in(texts: list[str]) -> str:
    words = " ".join(texts).replace("_", " ").replace("^", " ").lower()
    if any(code.lower() in words.split() for code in _CODED):
        return "spine"
    if _CHEST.search(re.sub(r"thoracic spine|brustwirbels\w*|thoracic vertebra\w*", "spine", words)):
        return ""
    return next((part for part, known in _OTHERS.items() if known.search(words)), "")


def _regions(ds: "Dataset") -> list[str]:
    try:
        return [_text(item, "CodeMeaning") for item in items_of(ds, "AnatomicRegionSequence")]
    except RefusedError:
        return []


def _text(ds: "Dataset", keyword: str) -> str:
    try:
        return text_of(ds, keyword)
    except RefusedError:
        return ""
