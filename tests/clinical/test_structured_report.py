"""A DICOM structured report: valid for dciodvfy, shown by dcmtk, and saying what the network said of this image."""

import numpy as np
import pydicom
import pytest

from tests.clinical.made import PEAK, PROBABILITIES, REPORT, THRESHOLDS, result, source
from tienet.clinical.codes import LABEL_CODES
from tienet.clinical.structured_report import check_source, structured_report
from tienet.errors import InputError
from tienet.labels import LABELS

PATIENT = {
    "PatientName": "Müller^Änne", "PatientID": "4711", "PatientBirthDate": "19500101", "PatientSex": "F",
    "IssuerOfPatientID": "Clinic", "StudyDate": "20200131", "StudyTime": "123059.5", "StudyID": "S1",
    "AccessionNumber": "A-1", "ReferringPhysicianName": "Who^Dr", "StudyDescription": "Thorax",
    "SpecificCharacterSet": "ISO_IR 100",
}  # fmt: skip


@pytest.fixture
def written(tmp_path, highdicom):
    """A function that writes a report on a file with these elements, and gives its path."""

    def write(of=None, **elements):
        found = source(tmp_path, **elements)
        check_source(found)
        structured_report(of or result(), found).save_as(tmp_path / "x.sr.dcm", enforce_file_format=True)
        return tmp_path / "x.sr.dcm"

    return write


def items(ds, name=None):
    """All content items under one, in their order; with a name only those of it."""
    for item in ds.get("ContentSequence", ()):
        if name in (None, item.ConceptNameCodeSequence[0].CodeMeaning):
            yield item
        yield from items(item, name)


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientID": None, "StudyDate": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},  # secondary capture
        PATIENT,
        {
            "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.1",  # of several frames, here of one
            "NumberOfFrames": 1,
        },
    ],
    ids=["little", "full", "japanese"],
)
def test_dciodvfy_finds_no_error_and_dcmtk_shows_it(written, errors_of, dump_of, elements):
    path = written(**elements)
    assert errors_of(path) == []
    assert "Comprehensive SR Document" in dump_of(path) and "UNVERIFIED" in dump_of(path)


@pytest.mark.parametrize("changes", [{"report": None, "a_ws": None}, {"cut_at": 30, "a_ws": np.zeros((16, 16))}])
def test_what_a_mode_does_not_give_is_left_out(written, errors_of, changes):
    path = written(result(**changes))
    assert errors_of(path) == []
    ds = pydicom.dcmread(path)
    assert not list(items(ds, "Image Region"))
    assert len(list(items(ds, "Narrative Summary"))) == ("report" not in changes)
    assert ds.CompletionFlag == ("PARTIAL" if "cut_at" in changes else "COMPLETE")


def test_its_text_is_the_report(written, dump_of):
    path = written()
    (shown,) = [line for line in dump_of(path).splitlines() if "Narrative Summary" in line]
    assert shown.partition('="')[2].removesuffix('">').replace("\\r\\n", "\n") == REPORT
    (item,) = items(pydicom.dcmread(path), "Narrative Summary")
    assert item.TextValue.replace("\r\n", "\n") == REPORT and "\n" in item.TextValue


def test_it_is_of_this_patient_and_study_and_says_what_it_is(written):
    ds = pydicom.dcmread(written(**PATIENT))
    for keyword, value in PATIENT.items():
        if keyword != "SpecificCharacterSet":
            assert str(ds[keyword].value) == value, keyword
    assert (ds.StudyInstanceUID, ds.Modality, ds.SpecificCharacterSet) == ("1.2.3", "SR", "ISO_IR 192")
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (image,) = series.ReferencedSOPSequence
    assert (ds.SOPInstanceUID, ds.SeriesInstanceUID) == tuple(
        result().uid("1.2.3.4", part) for part in ("instance", "series")
    )
    uids = (study.StudyInstanceUID, series.SeriesInstanceUID, image.ReferencedSOPInstanceUID)
    assert uids == ("1.2.3", "1.2.3.5", "1.2.3.4")
    assert (ds.VerificationFlag, ds.PreliminaryFlag, ds.CompletionFlag) == ("UNVERIFIED", "PRELIMINARY", "COMPLETE")
    assert ds.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    (observer,) = items(ds, "Observer Type")
    assert observer.ConceptCodeSequence[0].CodeMeaning == "Device"
    assert {item.TextValue for item in items(ds, "Algorithm Name")} == {"TieNet report"}
    assert {item.TextValue for item in items(ds, "Algorithm Version")} == {ds.SoftwareVersions} == {"0.1.0"}
    assert [item.TextValue for item in items(ds, "Comment")] == ["Nobody has verified it."]
    assert not list(items(ds, "Language of Content Item and Descendants"))


def test_each_finding_has_its_code_its_probability_and_whether_it_is_named(written):
    ds = pydicom.dcmread(written())
    groups = list(items(ds, "Measurement Group"))
    assert len(groups) == len(LABELS) + 1
    for n, label in enumerate(LABELS):
        (finding,) = items(groups[n], "Finding")
        code = finding.ConceptCodeSequence[0]
        assert (code.get("CodeValue") or code.LongCodeValue, code.CodeMeaning) == LABEL_CODES[label][::2]
        numbers = {
            item.ConceptNameCodeSequence[0].CodeMeaning: float(item.MeasuredValueSequence[0].NumericValue)
            for item in items(groups[n])
            if item.ValueType == "NUM"
        }
        assert np.float32(numbers["Probability"]) == PROBABILITIES[n]
        named = [item.ConceptCodeSequence[0].CodeMeaning for item in items(groups[n], "Has interpretation")]
        if np.isnan(THRESHOLDS[n]):
            assert "Threshold Value" not in numbers and named == []
        else:
            assert numbers["Threshold Value"] == THRESHOLDS[n]
            assert named == ["Positive" if PROBABILITIES[n] >= 0.5 and label != "No_Finding" else "Negative"]


def test_the_region_is_in_the_pixels_of_the_image_as_it_is_stored(written):
    pixels = np.zeros((320, 160), np.uint16)  # cells of 20 rows and 10 columns
    ds = pydicom.dcmread(written(pixels=pixels, PatientOrientation=["R", "H"]))
    (region,) = items(ds, "Image Region")
    assert (region.ValueType, region.GraphicType) == ("SCOORD", "POLYLINE")
    points = np.array(region.GraphicData).reshape(-1, 2)
    row, column = PEAK
    assert np.array_equal(points[0], points[-1])
    np.testing.assert_allclose(points.mean(axis=0), [10 * (column + 0.5), 20 * (row + 0.5)], atol=3)
    (image,) = region.ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"


@pytest.mark.parametrize(
    ("elements", "what"),
    [
        ({"StudyInstanceUID": None}, "it has no StudyInstanceUID, or a broken one"),
        ({"SeriesInstanceUID": None}, "it has no SeriesInstanceUID"),
        ({"SOPInstanceUID": "1.x"}, "it has no SOPInstanceUID"),
        ({"SOPClassUID": "1.2.3"}, "its SOPClassUID 1.2.3 is none of DICOM's"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
def test_a_file_that_cannot_be_referred_to_is_refused(tmp_path, highdicom, elements, what):
    with pytest.raises(InputError, match=rf"x\.dcm: {what}.*needs"):
        check_source(source(tmp_path, **elements))
