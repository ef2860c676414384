"""A FHIR R4B DiagnosticReport on an image, with an Observation for each label and the network as a Device in it.

It is preliminary, and labelled as asserted by software (AIAST). An Observation's value is the probability of its
finding, and its interpretation says whether the label is named: a finding with a small probability is not there. A
patient and a study are named by their identifiers in the DICOM file, as logical references: the receiver knows whether
it has them. Of a PNG neither is known, and neither is named.

fhir.resources checks names and types. What it does not check, such as the codes of a status, is in the tests.
"""

import datetime
import html
import json
from dataclasses import dataclass

from tienet.clinical import codes
from tienet.clinical.result import Finding, Result, device_uuid
from tienet.clinical.source import Source
from tienet.labels import readable

STATUS = "preliminary"
"""The code of the report's and of each observation's status: nobody has verified it."""

_HL7 = "http://terminology.hl7.org/CodeSystem"
_SECURITY = {
    "system": f"{_HL7}/v3-ObservationValue", "code": "AIAST", "display": "Artificial Intelligence asserted"
}  # fmt: skip
_DEVICE = "software"

Json = dict[str, object]


@dataclass(frozen=True)
class Image:
    """The image that a report is on.

    Attributes:
        name: What the user calls it.
        key: What it is known by: its SOP Instance UID, or a hash of its file.
        source: Its header; None if it is no DICOM.
    """

    name: str
    key: str
    source: Source | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was left empty of its header; each goes on after the words "the file"."""
        return self.source.notes if self.source else ()


def diagnostic_report(result: Result, image: Image, issued: datetime.datetime | None = None) -> str:
    """The report as indented JSON.

    Its ids are derived from the image and from all that it says (`Result.uuid`).

    Args:
        issued: When it was made, with a time zone; None: now.
    """
    from fhir.resources.R4B.diagnosticreport import DiagnosticReport

    about = _about(image.source)
    observations = [_observation(finding, result, about) for finding in result.findings]
    name = str(result.uuid(image.key, "report"))
    issued = issued or datetime.datetime.now(datetime.timezone.utc)
    report: Json = {
        "resourceType": "DiagnosticReport",
        "id": name,
        "meta": {"security": [_SECURITY]},
        "text": {"status": "additional", "div": _narrative(result)},
        "contained": [_device(result), *observations],
        "identifier": [
            {"use": "official", "system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{name}"},
            {"use": "secondary", "value": image.name},
        ],
        "status": STATUS,
        "category": [{"coding": [{"system": f"{_HL7}/v2-0074", "code": "RAD", "display": "Radiology"}]}],
        "code": _concept(codes.CHEST_X_RAY, "Chest X-ray, read by software"),
        **about,
        **_study(image.source),
        "issued": issued.isoformat(timespec="seconds"),
    }
    if observations:
        report["result"] = [{"reference": f"#{observation['id']}"} for observation in observations]
    if result.report:
        report["conclusion"] = result.report
    DiagnosticReport.model_validate(report)
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _observation(finding: Finding, result: Result, about: Json) -> Json:
    observation: Json = {
        "resourceType": "Observation",
        "id": finding.label.replace("_", "-"),
        "status": STATUS,
        "category": [{"coding": [{"system": f"{_HL7}/observation-category", "code": "imaging", "display": "Imaging"}]}],
        "code": _concept(codes.LABEL_CODES[finding.label], readable(finding.label)),
        **about,
        "device": {"reference": f"#{_DEVICE}"},
        "valueQuantity": _share(finding.probability),
    }
    if finding.named is not None:
        code, display = ("POS", "Positive") if finding.named else ("NEG", "Negative")
        coding = {"system": f"{_HL7}/v3-ObservationInterpretation", "code": code, "display": display}
        observation["interpretation"] = [{"coding": [coding]}]
    observation["note"] = [{"text": "The value is the probability that the network gives to the finding, from 0 to 1."}]
    if finding.threshold is not None:
        threshold = {"code": {"text": "Threshold"}, "valueQuantity": _share(finding.threshold)}
        observation["component"] = [threshold]
    return observation


def _share(value: float) -> Json:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": "1"}


def _concept(concept: codes.Concept, text: str) -> Json:
    coding = {"system": codes.FHIR_SYSTEMS[concept.scheme], "code": concept.value, "display": concept.meaning}
    return {"coding": [coding], "text": text}


def _device(result: Result) -> Json:
    software = result.software
    return {
        "resourceType": "Device",
        "id": _DEVICE,
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{device_uuid(software)}"}],
        "status": "active",
        "deviceName": [{"name": software.model_name, "type": "model-name"}],
        "type": {"text": "Software: a neural network that reads chest X-rays"},
        "version": [{"value": software.version}],
        "note": [{"text": f"SHA-256 of the checkpoint: {software.checkpoint}"}],
    }


def _about(source: Source | None) -> Json:
    """Whom a resource is about and when the image was made, as far as the DICOM file says."""
    if source is None:
        return {}
    about: Json = {}
    subject: Json = {"type": "Patient"}
    if source["PatientID"]:
        subject["identifier"] = {"value": source["PatientID"]}
        if source["IssuerOfPatientID"]:
            subject["identifier"]["assigner"] = {"display": source["IssuerOfPatientID"]}
    if name := _readable_name(source["PatientName"]):
        subject["display"] = name
    if len(subject) > 1:
        about["subject"] = subject
    if source["StudyDate"]:
        day = source["StudyDate"]
        about["effectiveDateTime"] = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return about


def _readable_name(name: str) -> str:
    """A name of DICOM, "Family^Given^...=...", as people write it: its first group, "Family, Given ..."."""
    letters = next(filter(None, name.split("=")), "")
    family, *others = [" ".join(part.split()) for part in letters.split("^")]
    return ", ".join(filter(None, [family, " ".join(filter(None, others))]))


def _study(source: Source | None) -> Json:
    if source is None:
        return {}
    study: Json = {}
    if source["AccessionNumber"]:
        kind = {"coding": [{"system": f"{_HL7}/v2-0203", "code": "ACSN", "display": "Accession ID"}]}
        order = {"type": kind, "value": source["AccessionNumber"]}
        study["basedOn"] = [{"type": "ServiceRequest", "identifier": order}]
    if source["StudyInstanceUID"]:
        identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{source['StudyInstanceUID']}"}
        study["imagingStudy"] = [{"type": "ImagingStudy", "identifier": identifier}]
    return study


def _narrative(result: Result) -> str:
    """What a person reads who sees nothing else of the report."""
    named = [readable(finding.label) for finding in result.findings if finding.named]
    lines = list(result.comments)
    if result.report is not None:
        lines += (result.report or "(empty)").split("\n")
    if result.findings:
        lines.append(f"Labels that are named: {', '.join(named) or 'none'}.")
    body = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'
