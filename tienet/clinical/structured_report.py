"""A DICOM structured report on an image: a Comprehensive SR by TID 1500, "Imaging Measurement Report".

    Imaging Measurement Report               CONTAINER, by a device: the network
      Imaging Measurements
        Measurement Group                    for each label: the finding's code
          Probability, Threshold Value       NUM, as a share of 1
          Has interpretation                 Positive or Negative, where the run has a threshold
        Measurement Group                    where the network looked: Saliency, an SCOORD in the image's pixels
      Qualitative Evaluations
        Narrative Summary                    the report as text
        Comment                              what it is, and what is known of the file

It says that it is preliminary and unverified. A finding of the network has no place: the region is that of the report.
Text is written in UTF-8 (ISO_IR 192), whatever the image's character set is.
"""

from typing import TYPE_CHECKING

import numpy as np

from tienet.clinical import codes
from tienet.clinical.region import SHARE, outline
from tienet.clinical.result import Finding, Result, device_uuid, uid_of
from tienet.clinical.source import UIDS, Source
from tienet.errors import InputError
from tienet.labels import readable

if TYPE_CHECKING:
    import highdicom as hd
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from pydicom import Dataset

MANUFACTURER = "The TieNet maintainers"
SERIES_NUMBER = 1000
"""Behind the series of the images; each report is a series of its own."""

_LINE_END = "\r\n"  # of text in DICOM (PS3.5, 6.1.3)


def check_source(source: Source) -> None:
    """Raise InputError if the file lacks a UID that a report on it refers to, or is of no class that DICOM knows."""
    from highdicom._standard_utils import get_sop_class_iod_map

    for keyword in UIDS:
        if not source[keyword]:
            raise InputError(f"{source.path}: it has no {keyword}, or a broken one; a structured report needs it")
    if source["SOPClassUID"] not in get_sop_class_iod_map():
        raise InputError(
            f"{source.path}: its SOPClassUID {source['SOPClassUID']} is none of DICOM's; a structured report needs one"
        )


def structured_report(result: Result, source: Source) -> "Dataset":
    """The report on an image as a dataset that can be saved.

    Its UIDs are derived from the image's and from all that it says (`Result.uuid`), its date and time are now.

    Args:
        result: With findings, which TID 1500 needs.
        source: The image's header, which `check_source` lets pass.
    """
    from highdicom import sr

    image = source["SOPInstanceUID"]
    return sr.ComprehensiveSR(
        evidence=[_evidence(source)],
        content=_measurement_report(result, source),
        series_instance_uid=result.uid(image, "series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=result.uid(image, "instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=result.cut_at is None,
        is_final=False,
        is_verified=False,
        coding_schemes=[_own_scheme()],
        series_description="TieNet: unverified, by software",
        manufacturer_model_name=result.software.model_name,
        software_versions=result.software.version,
        device_serial_number=result.software.checkpoint,
        specific_character_set="ISO_IR 192",
    )


def _evidence(source: Source) -> "Dataset":
    """The header that highdicom takes the patient, the study and the references from; what is missing is empty."""
    from pydicom import Dataset

    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in source.elements.items():
        if value or keyword not in ("IssuerOfPatientID", "StudyDescription"):
            setattr(ds, keyword, value)
    return ds


def _own_scheme() -> "CodingSchemeIdentificationItem":
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    item = CodingSchemeIdentificationItem(
        codes.OWN_DESIGNATOR, name="TieNet labels", responsible_organization=MANUFACTURER
    )
    item.CodingSchemeUID = codes.OWN_UID
    return item


def _measurement_report(result: Result, source: Source) -> "hd.sr.MeasurementReport":
    from highdicom import sr

    groups = [_finding_group(finding, result, source) for finding in result.findings]
    region = None if result.a_ws is None else outline(result.a_ws, source.rows, source.columns)
    if region is not None:
        groups.append(_region_group(region, result, source))
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(result)),
        procedure_reported=_coded(codes.CHEST_X_RAY),
        imaging_measurements=groups,
    )
    root = report[0].ContentSequence
    del root[0]  # the language, which highdicom takes to be English: that of the training reports is not known
    root.append(_texts(result))
    return report


def _observer(result: Result) -> "hd.sr.ObserverContext":
    from highdicom import sr
    from pydicom.sr.codedict import codes as dicom_codes

    return sr.ObserverContext(
        observer_type=dicom_codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uid_of(device_uuid(result.software)),
            name=result.software.model_name,
            manufacturer_name=MANUFACTURER,
            model_name=f"{result.software.model_name} {result.software.version}",
            serial_number=result.software.checkpoint,
        ),
    )


def _finding_group(finding: Finding, result: Result, source: Source) -> "hd.sr.MeasurementsAndQualitativeEvaluations":
    from highdicom import sr

    numbers = [(codes.PROBABILITY, finding.probability)]
    if finding.threshold is not None:
        numbers.append((codes.THRESHOLD, finding.threshold))
    evaluations = []
    if finding.named is not None:
        value = codes.POSITIVE if finding.named else codes.NEGATIVE
        evaluations.append(sr.QualitativeEvaluation(_coded(codes.INTERPRETATION), _coded(value)))
    image = sr.SourceImageForMeasurementGroup(source["SOPClassUID"], source["SOPInstanceUID"])
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(result, source, readable(finding.label)),
        finding_type=_coded(codes.LABEL_CODES[finding.label]),
        algorithm_id=_algorithm(result),
        measurements=[_measurement(name, value) for name, value in numbers],
        qualitative_evaluations=evaluations,
        source_images=[image],
    )


def _region_group(
    region: np.ndarray, result: Result, source: Source
) -> "hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations":
    from highdicom import sr
    from pydicom.sr.codedict import codes as dicom_codes

    image = sr.SourceImageForRegion(source["SOPClassUID"], source["SOPInstanceUID"])
    rule = f"Where the network looked: around the peak of its attention, down to {SHARE:g} of it. It is no finding."
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(result, source, "Attention"),
        referenced_region=sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, region, image),
        finding_type=_coded(codes.SALIENCY),
        algorithm_id=_algorithm(result, rule),
        geometric_purpose=dicom_codes.cid219.Outline,
    )


def _tracking(result: Result, source: Source, name: str) -> "hd.sr.TrackingIdentifier":
    from highdicom import sr

    return sr.TrackingIdentifier(uid=result.uid(source["SOPInstanceUID"], name), identifier=name)


def _algorithm(result: Result, *parameters: str) -> "hd.sr.AlgorithmIdentification":
    from highdicom import sr

    return sr.AlgorithmIdentification(
        name=result.software.model_name, version=result.software.version, parameters=parameters
    )


def _measurement(name: codes.Concept, value: float) -> "hd.sr.Measurement":
    from highdicom import sr

    return sr.Measurement(name=_coded(name), value=value, unit=_coded(codes.UNITY))


def _texts(result: Result) -> "hd.sr.ContainerContentItem":
    """The part of TID 1500 for what is said in words."""
    from highdicom import sr

    contains = sr.RelationshipTypeValues.CONTAINS
    container = sr.ContainerContentItem(_coded(codes.QUALITATIVE_EVALUATIONS), relationship_type=contains)
    texts = [] if result.report is None else [(codes.NARRATIVE, result.report or "(empty)")]
    texts += [(codes.COMMENT, comment) for comment in result.comments]
    container.ContentSequence = sr.ContentSequence(
        [sr.TextContentItem(_coded(name), text.replace("\n", _LINE_END), contains) for name, text in texts]
    )
    return container


def _coded(concept: codes.Concept) -> "hd.sr.CodedConcept":
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.value, concept.scheme, concept.meaning)
