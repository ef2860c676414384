"""The PNG files of a folder's images: what is written, what is left as it is, and what is said of their pixels."""

from tests.data.dicom.dicom_files import RAMP
from tests.datasets.folder.toy_folder import film, load


def test_a_second_run_converts_only_what_is_new_or_changed(run, source):
    for n in range(3):
        film(source / f"{n}.dcm", f"1.2.{n}", PatientID=f"P{n}")
    _, out = run()
    before = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    film(source / "1.dcm", "1.2.1", RAMP[::-1].copy(), PatientID="P1")
    film(source / "3.dcm", "1.2.7", PatientID="P7"), (source / "2.dcm").unlink()
    _, out = run()
    after = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    assert len(after) == 3 and sum(before.get(path) == when for path, when in after.items()) == 1
    assert len(load(out)) == 3


def test_notes_on_the_pixels_are_counted(run, source, capsys):
    """No value of the ramp lies in the window of the first two: their whole range is shown."""
    for n in range(2):
        film(source / f"{n}.dcm", f"1.2.{n}", WindowCenter=["1"], WindowWidth=["0"], BurnedInAnnotation="YES")
    film(source / "2.dcm", "1.2.2")
    assert run()[0] == 0
    said = capsys.readouterr().err
    assert "note: of 2 images the file has a window or VOI LUT that cannot be used; the whole range" in said
    assert "note: of 2 images the file says that text is burned into the picture" in said
