"""The images that become studies: by which names they get their reports, their splits, and what is refused."""

import unicodedata

import numpy as np

from tests.data.dicom.dicom_files import RAMP
from tests.datasets.folder.toy_folder import film, load, png, reasons, refused
from tienet.data.splits import by_hash
from tienet.labels import LABELS


def test_a_table_names_images_and_studies(run, source):
    png(source / "x/1.png"), film(source / "x/2.dcm", "1.2.2"), film(source / "x/3.dcm", "1.2.3")
    film(source / "x/4.dcm", "1.2.4", AccessionNumber="ACC4"), film(source / "s5/i.dcm", "1.2.5")
    table = source / "reports.csv"
    table.write_text("study,findings,impression\n1.png,One.,\n2.dcm,Two.,\n1.2.3.9,Three.,\nACC4,Four.,\ns5,,Five.\n")
    status, out = run(reports=table)
    assert status == 0 and reasons(out) == []
    assert sorted(load(out).reports) == ["findings : Four.", "findings : One.", "findings : Three.", "findings : Two.",
                                         "impression : Five."]  # fmt: skip


def test_splits_by_hash_of_the_patient_when_there_are_labels(run, source):
    rows = ["image,Mass"]
    for n in range(30):
        film(source / f"{n}.dcm", f"1.2.{n}", RAMP + np.uint16(n) ** 2 % 900, PatientID=f"P{n // 2}")
        rows.append(f"{n}.dcm,{n % 2}")
    (source / "labels.csv").write_text("\n".join(rows))
    _, out = run(labels=source / "labels.csv")
    m = load(out)
    assert len(m) == 30 and len(set(m.patient_ids)) == 15
    assert m.splits.tolist() == [by_hash(patient) for patient in m.patient_ids]


def test_names_that_several_folders_have_are_refused(run, source, capsys):
    png(source / "a/1.png"), png(source / "b/1.png"), png(source / "2.png")
    (source / "r.csv").write_text("image,report\n1.png,One.\n2.png,Two.\n")
    said = refused(run, capsys, reports=source / "r.csv")
    assert f"r.csv: '1' is the name of 2 images, such as {source / 'a/1.png'} and {source / 'b/1.png'}" in said


def test_a_report_does_not_go_to_another_patients_image_of_the_same_file_name(run, source):
    png(source / "patient00001/frontal.png", 1), png(source / "patient00003/second.png", 2)
    reports, labels = source / "reports.csv", source / "labels.csv"
    reports.write_text("image,report,who,split\npatient00002/frontal.png,Two.,B,train\npatient00003/second.png,Three.,C,"
                       "test\n")  # fmt: skip
    labels.write_text("image,Effusion\npatient00002/frontal.png,1\npatient00003/second.png,0\n")
    _, out = run("--patients", "who", "--split", "column", reports=reports, labels=labels)
    m = load(out)
    assert m.reports == ["Three."] and m.labels[0, LABELS.index("Effusion")] == 0
    assert reasons(out) == ["image without a report", "labels without an image", "report without an image"]
    _, out = run("--patients", "who", "--split", "test", "--keep", "no-report", reports=reports, labels=labels)
    m = load(out)
    assert sorted(m.reports) == ["", "Three."]
    assert np.isnan(m.labels[m.reports.index("")]).all() and len(set(m.patient_ids)) == 2


def test_a_row_without_a_value_does_not_take_that_of_a_shorter_name(run, source):
    png(source / "a/1.png", 1), png(source / "b/2.png", 2)
    table = source / "r.csv"
    table.write_text("image,report,who\na/1.png,,\n1.png,Other.,X\n2.png,Two.,Y\n")
    _, out = run("--patients", "who", "--keep", "no-report", reports=table)
    m = load(out)
    assert sorted(m.reports) == ["", "Two."] and reasons(out) == ["report without an image"]
    (source / "a/1.txt").write_text(" "), (source / "1.txt").write_text("Other."), (source / "2.txt").write_text("Two.")
    table.unlink()
    _, out = run()
    assert load(out).reports == ["Two."]


def test_paths_of_windows_and_names_of_macos(run, source, capsys):
    for n in (1, 2, 3):
        png(source / unicodedata.normalize("NFD", f"p{n}/Müller{n}.png"), n)
    table = source / "r.csv"
    table.write_text("image,report\n" + "".join(f"C:\\xrays\\p{n}\\Müller{n}.png,{n}.\n" for n in (1, 2, 3)))
    _, out = run(reports=table)
    assert sorted(load(out).reports) == ["1.", "2.", "3."] and reasons(out) == []
    assert f"{table}: /xrays, where its paths start, is taken for --images {source}" in capsys.readouterr().err
    table.write_text("image,report\n" + "".join(f"Müller{n}.png,{n}.\n" for n in (1, 2, 3)))
    assert sorted(load(run(reports=table)[1]).reports) == ["1.", "2.", "3."]


def test_names_that_lost_their_zeros(run, source, capsys, tmp_path):
    png(source / "00000001.png"), png(source / "00000002.png")
    table = tmp_path / "r.csv"
    table.write_text("image,report\n1,One.\n2,Two.\n")
    said = refused(run, capsys, reports=table)
    assert f"'1' and the file {source / '00000001.png'} differ in leading zeros" in said


def test_labels_that_have_no_finding_to_learn_are_refused_but_no_labels_at_all_are_not(run, source, capsys, tmp_path):
    png(source / "4.png")
    (tmp_path / "zeros.csv").write_text("image,Mass\n4,0\n")
    said = refused(run, capsys, split="hash", labels=tmp_path / "zeros.csv")
    assert "none of the 1 training studies has a finding" in said
    status, _ = run(split="hash")
    assert status == 0
