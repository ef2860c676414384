"""The header of a DICOM file: who it is of is right or refused, and what else is broken is left empty."""

import pytest

from tests.clinical.made import source
from tests.data.dicom.dicom_files import dataset, save, save_with_texts
from tienet.clinical.source import read_source
from tienet.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:(Invalid|The) value:UserWarning")  # pydicom's, of the broken files


def test_what_is_there_is_taken_and_what_is_missing_is_empty(tmp_path):
    found = source(tmp_path, PatientName="A^B", StudyDate="20200131", PatientSex="O", StudyTime="1230", PatientID="7 ")
    assert (found["PatientName"], found["StudyDate"], found["PatientSex"], found["StudyTime"]) == (
        "A^B", "20200131", "O", "1230"
    )  # fmt: skip
    assert (found["PatientID"], found["SOPInstanceUID"], found["StudyInstanceUID"]) == ("7", "1.2.3.4", "1.2.3")
    assert found["AccessionNumber"] == found["PatientBirthDate"] == found["IssuerOfPatientID"] == ""
    assert (found.rows, found.columns, found.notes) == (40, 30, ())


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Änne"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田\u3000^太郎=やまだ^たろう"),
    ],
)
def test_names_in_any_letters(tmp_path, charset, name):
    found = source(tmp_path, SpecificCharacterSet=charset, PatientName=name, StudyDescription="x" * 63)
    assert found["PatientName"] == name and not found.notes


@pytest.mark.parametrize("charset", [None, "ISO_IR 999"])
def test_letters_of_no_known_character_set_are_said(tmp_path, charset):
    path = save(tmp_path / "x.dcm", dataset(SpecificCharacterSet="ISO_IR 100", PatientName="Müller"))
    content = path.read_bytes()
    there = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
    assert content.count(there) == 1
    new = b"" if charset is None else there.replace(b"100", charset[-3:].encode())
    path.write_bytes(content.replace(there, new))
    found = read_source(path)
    assert found["PatientName"] == "Müller" and "ISO 8859-1" in found.notes[0]
    path.write_bytes(content.replace(there, new).replace("Müller".encode("latin-1"), b"Muller"))
    assert not read_source(path).notes


@pytest.mark.parametrize(
    "elements",
    [{"PatientID": ["A", "B"]}, {"PatientID": "x" * 65}, {"PatientID": "a\x01"}, {"PatientName": "a=b=c=d"}],
)
def test_a_patient_that_is_not_certain_is_refused(tmp_path, elements):
    with pytest.raises(InputError, match=rf"x\.dcm: its {next(iter(elements))} is broken.*correct the file"):
        source(tmp_path, **elements)


def test_a_patient_in_bytes_is_refused(tmp_path):
    ds = dataset(PatientID=None)
    ds.add_new("PatientID", "OB", b"P7")
    with pytest.raises(InputError, match="its PatientID is broken"):
        read_source(save(tmp_path / "x.dcm", ds))


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("StudyDate", "20201332"), ("StudyDate", "2020.01.01"), ("StudyTime", "noon"), ("PatientSex", "X"),
        ("AccessionNumber", "x" * 17), ("StudyInstanceUID", "1.2.a"), ("SOPInstanceUID", "1" * 65),
        ("ReferringPhysicianName", "x" * 65),
    ],
)  # fmt: skip
def test_what_else_is_broken_is_left_empty_and_said(tmp_path, keyword, text):
    found = read_source(save_with_texts(tmp_path / "x.dcm", dataset(**{keyword: None}), **{keyword: text}))
    assert found[keyword] == "" and found.notes == (f"has a broken {keyword}, which is left empty",)


def test_a_header_that_is_cut_off(tmp_path):
    path = save(tmp_path / "x.dcm", dataset())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="header cannot be read"):
        read_source(path)
