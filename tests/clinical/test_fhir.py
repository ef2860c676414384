"""A FHIR DiagnosticReport: what the specification of R4B asks for, and what the network said, of this patient."""

import datetime
import json

import pytest

from tests.clinical.made import PROBABILITIES, REPORT, result, source
from tienet.clinical.codes import LABEL_CODES
from tienet.clinical.fhir import Image, diagnostic_report
from tienet.labels import LABELS

pytestmark = pytest.mark.usefixtures("fhir_resources")

REPORT_STATUS = (
    "registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled",
    "entered-in-error", "unknown",
)  # fmt: skip
OBSERVATION_STATUS = (
    "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"
)  # fmt: skip
DEVICE_STATUS = ("active", "inactive", "entered-in-error", "unknown")
DEVICE_NAMES = (
    "udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other"
)  # fmt: skip
NARRATIVE_STATUS = ("generated", "extensions", "additional", "empty")
USES = ("usual", "official", "temp", "secondary", "old")
INTERPRETATIONS = {"POS": "Positive", "NEG": "Negative"}
"""The codes that R4B's specification requires, of which the library checks none."""


def said(of=None, image=None, **changes) -> dict:
    return json.loads(diagnostic_report(of or result(**changes), image or Image("x.png", "hash")))


def everything(value):
    """All values in a resource, and in what it holds, with their names."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from everything(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from everything(inner)


def test_its_codes_are_those_of_the_specification():
    report = said()
    device, *observations = report["contained"]
    assert report["status"] in REPORT_STATUS and report["status"] == "preliminary"
    assert all(o["status"] in OBSERVATION_STATUS and o["status"] == "preliminary" for o in observations)
    assert device["status"] in DEVICE_STATUS and device["deviceName"][0]["type"] in DEVICE_NAMES
    assert report["text"]["status"] in NARRATIVE_STATUS and all(i["use"] in USES for i in report["identifier"])
    assert {c["system"] for name, c in everything(report) if name == "coding" for c in c} == {
        "http://terminology.hl7.org/CodeSystem/v2-0074",
        "http://terminology.hl7.org/CodeSystem/observation-category",
        "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
        "http://snomed.info/sct",
        "urn:oid:2.25.313583660296649837322110853336163691884",
    }
    assert report["meta"]["security"][0]["code"] == "AIAST"
    assert not [v for _, v in everything(report) if v is None or v in ("", [], {})]  # JSON of FHIR has nothing empty


def test_all_that_is_contained_is_referred_to_and_there():
    report = said()
    ids = {inner["id"] for inner in report["contained"]}
    named = {v.removeprefix("#") for name, v in everything(report) if name == "reference"}
    assert ids == named and len(ids) == len(LABELS) + 1
    assert all(len(name) <= 64 and name.replace("-", "").replace(".", "").isalnum() for name in (*ids, report["id"]))
    for inner in report["contained"]:  # which has neither a text nor security labels of its own
        assert not {"text", "contained", "meta"} & inner.keys()
    assert [ref["reference"] for ref in report["result"]] == [f"#{label.replace('_', '-')}" for label in LABELS]


def test_each_observation_says_how_probable_a_finding_is_and_whether_it_is_named():
    observations = said()["contained"][1:]
    for n, (label, observation) in enumerate(zip(LABELS, observations, strict=True)):
        assert observation["code"]["coding"][0]["code"] == LABEL_CODES[label].value
        assert observation["valueQuantity"]["value"] == float(str(PROBABILITIES[n]))
        assert (observation["valueQuantity"]["system"], observation["valueQuantity"]["code"]) == (
            "http://unitsofmeasure.org", "1"
        )  # fmt: skip
        assert observation["device"] == {"reference": "#software"}
        if n == 3:  # without a threshold nothing is named or not named
            assert "interpretation" not in observation and "component" not in observation
            continue
        (coding,) = observation["interpretation"][0]["coding"]
        named = PROBABILITIES[n] >= 0.5 and label != "No_Finding"
        assert coding["code"] == ("POS" if named else "NEG") and INTERPRETATIONS[coding["code"]] == coding["display"]
        assert observation["component"][0]["valueQuantity"]["value"] == 0.5


def test_its_text_is_the_report_and_a_reader_sees_who_wrote_it():
    report = said(report=REPORT + " <b>&")
    assert report["conclusion"] == REPORT + " <b>&"
    assert "Nobody has verified it." in report["text"]["div"] and "&lt;b&gt;&amp;" in report["text"]["div"]
    assert "conclusion" not in said(report=None) and "conclusion" not in said(report="")
    assert "result" not in said(findings=()) and said(findings=())["conclusion"] == REPORT


def test_a_png_names_no_patient_and_no_study():
    report = said(image=Image("a b.png", "hash"))
    names = {name for name, _ in everything(report)}
    assert not names & {"subject", "imagingStudy", "basedOn", "effectiveDateTime"}
    assert report["identifier"][1]["value"] == "a b.png"


def test_a_dicom_names_its_patient_and_its_study(tmp_path):
    header = source(
        tmp_path, PatientName="Müller^Änne^M=王^小東", SpecificCharacterSet="ISO_IR 192", IssuerOfPatientID="Clinic",
        PatientID="4711", StudyDate="20200131", AccessionNumber="A-1",
    )  # fmt: skip
    report = said(image=Image("x.dcm", "1.2.3.4", header))
    subject = {
        "type": "Patient",
        "identifier": {"value": "4711", "assigner": {"display": "Clinic"}},
        "display": "Müller, Änne M",
    }
    assert report["subject"] == subject and report["effectiveDateTime"] == "2020-01-31"
    assert all(observation["subject"] == subject for observation in report["contained"][1:])
    assert report["imagingStudy"][0]["identifier"] == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    assert report["basedOn"][0]["identifier"]["value"] == "A-1"


@pytest.mark.parametrize("name", ["", "^^^^", "=", " ^ = "])
def test_a_patient_of_whom_nothing_is_known_is_not_named(tmp_path, name):
    header = source(tmp_path, PatientID=None, PatientName=name, StudyInstanceUID=None)
    report = said(image=Image("x.dcm", "1.2.3.4", header))
    assert not {"subject", "imagingStudy", "basedOn", "effectiveDateTime"} & report.keys()


def test_the_same_result_has_the_same_ids():
    at = datetime.datetime(2020, 1, 31, tzinfo=datetime.timezone.utc)
    image = Image("x.png", "hash")
    assert diagnostic_report(result(), image, at) == diagnostic_report(result(), image, at)
    assert json.loads(diagnostic_report(result(), image, at))["issued"] == "2020-01-31T00:00:00+00:00"
    assert said()["id"] == said()["id"] != said(report="Other.")["id"] != said(image=Image("x.png", "other"))["id"]
