"""The images that become studies: by which names they get their reports, their splits, and what is refused."""

import numpy as np

from tests.data.dicom.dicom_files import RAMP
from tests.datasets.folder.toy_folder import film, load, png, reasons, refused
from tienet.data.splits import by_hash


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


def test_names_that_several_folders_have_do_not_join_by_the_last_part(run, source):
    png(source / "a/1.png"), png(source / "b/1.png"), png(source / "2.png")
    (source / "r.csv").write_text("image,report\n1.png,One.\n2.png,Two.\n")
    _, out = run(reports=source / "r.csv")
    assert load(out).reports == ["Two."]
    assert reasons(out) == ["image without a report of its own: several folders have its name"] * 2 + [
        "report without an image"
    ]


def test_labels_that_have_no_finding_to_learn_are_refused_but_no_labels_at_all_are_not(run, source, capsys, tmp_path):
    png(source / "4.png")
    (tmp_path / "zeros.csv").write_text("image,Mass\n4,0\n")
    said = refused(run, capsys, split="hash", labels=tmp_path / "zeros.csv")
    assert "none of the 1 training studies has a finding" in said
    status, _ = run(split="hash")
    assert status == 0
