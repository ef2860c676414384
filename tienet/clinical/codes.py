"""The codes by which a document names the labels and what is said of them: one table for DICOM and FHIR.

Every code of SNOMED CT was found with this meaning in two public sources at least: DICOM's dictionary as pydicom has it
(PS3.16), value sets of FHIR implementation guides (lung nodule, mass, consolidation, emphysema, fibrosis, hernia, no
abnormality), pages of SNOMED CT's browser (lung nodule), a list of the UMLS (infiltrate), tables of other projects (the
others). Its check digit is tested. A release of SNOMED CT itself was not at hand: compare before clinical use. DICOM's
dictionary alone is not enough: it gives 287272002, "Enlarged septal foramen of heart", as Cardiomegaly.

- A label means the lung where it can: Mass, Nodule, Edema, Emphysema and Fibrosis are those of the lung, Effusion that
  of the pleura, as the label's name and the reports of ChestX-ray14 have it.
- Hernia is "Diaphragmatic hernia", of which the hiatal one that OpenI indexes is a kind.
- No code for pleural thickening could be confirmed, in SNOMED CT or in RadLex 4.3. It has a code of this project's own
  scheme, as DICOM allows (designators that start with 99 are private).
- No_Finding says that there is none of the 14 findings; "No abnormality detected" is the nearest there is.

SNOMED CT belongs to SNOMED International. Who exchanges its codes in a country that is no member needs a licence.
"""

from typing import NamedTuple

SNOMED = "http://snomed.info/sct"
"""FHIR's name of the code system that DICOM calls SCT."""

OWN_DESIGNATOR = "99TIENET"
OWN_UID = "2.25.313583660296649837322110853336163691884"
"""The code scheme of this project: DICOM's designator, and its UID, which is a UUID."""


class Concept(NamedTuple):
    """A coded concept.

    Attributes:
        value: The code.
        scheme: DICOM's designator of the code system: SCT, DCM, UCUM, or OWN_DESIGNATOR.
        meaning: The name of the concept in its code system.
    """

    value: str
    scheme: str
    meaning: str


LABEL_CODES: dict[str, Concept] = {
    "Atelectasis": Concept("46621007", "SCT", "Atelectasis"),
    "Cardiomegaly": Concept("8186001", "SCT", "Cardiomegaly"),
    "Effusion": Concept("60046008", "SCT", "Pleural effusion"),
    "Infiltration": Concept("409609008", "SCT", "Radiologic infiltrate of lung"),
    "Mass": Concept("309529002", "SCT", "Lung mass"),
    "Nodule": Concept("786838002", "SCT", "Nodule of lung"),
    "Pneumonia": Concept("233604007", "SCT", "Pneumonia"),
    "Pneumothorax": Concept("36118008", "SCT", "Pneumothorax"),
    "Consolidation": Concept("95436008", "SCT", "Lung consolidation"),
    "Edema": Concept("19242006", "SCT", "Pulmonary edema"),
    "Emphysema": Concept("87433001", "SCT", "Pulmonary emphysema"),
    "Fibrosis": Concept("51615001", "SCT", "Fibrosis of lung"),
    "Pleural_Thickening": Concept("Pleural_Thickening", OWN_DESIGNATOR, "Pleural thickening"),
    "Hernia": Concept("39839004", "SCT", "Diaphragmatic hernia"),
    "No_Finding": Concept("281900007", "SCT", "No abnormality detected"),
}
"""The code of each label of `tienet.labels.LABELS`."""

CHEST_X_RAY = Concept("399208008", "SCT", "Plain chest X-ray")
INTERPRETATION = Concept("363713009", "SCT", "Has interpretation")
POSITIVE = Concept("10828004", "SCT", "Positive")
NEGATIVE = Concept("260385009", "SCT", "Negative")
"""A label that is named, because its probability reaches the threshold of the run, and one that is not (CID 250)."""

PROBABILITY = Concept("122157", "DCM", "Probability")
THRESHOLD = Concept("122411", "DCM", "Threshold Value")
SALIENCY = Concept("130404", "DCM", "Saliency")
"""What a region of the attention map is (CID 217, visual explanations); it is no finding."""
NARRATIVE = Concept("111412", "DCM", "Narrative Summary")
COMMENT = Concept("121106", "DCM", "Comment")
QUALITATIVE_EVALUATIONS = Concept("C0034375", "UMLS", "Qualitative Evaluations")
UNITY = Concept("1", "UCUM", "no units")

FHIR_SYSTEMS = {"SCT": SNOMED, OWN_DESIGNATOR: f"urn:oid:{OWN_UID}"}
"""FHIR's name of the code systems of LABEL_CODES and CHEST_X_RAY."""
