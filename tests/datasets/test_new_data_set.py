"""The folder of a new data set: what the same command made before may be made again, and nothing else."""

from pathlib import Path

import pytest

from tienet.commands.prepare import COMMANDS
from tienet.datasets.new_data_set import makers_of, new_data_set
from tienet.errors import InputError

LEFT_OUT = {
    "openi": "uid,image,reason", "chestxray14": "image,split,reason", "mimic-cxr": "image,split,reason",
    "padchest": "report_id,patient_id,reason", "folder": "name,what,reason",
}  # fmt: skip
STUDY_ID = {
    "phantom": "phantom-00001", "openi": "1_IM-0001-4001", "chestxray14": "00000001_000",
    "mimic-cxr": "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014", "padchest": "4765777",
    "folder": "0123456789abcdef",
}  # fmt: skip


def write(folder: Path, study_id: str, left_out: str | None, report: str = "Clear.") -> Path:
    """A manifest with one row, and left_out.csv with these columns."""
    folder.mkdir()
    (folder / "manifest.csv").write_text(f'study_id,report\n{study_id},"{report}"\n')
    if left_out:
        (folder / "left_out.csv").write_text(f"{left_out}\n")
    return folder


@pytest.mark.parametrize("made_by", COMMANDS)
def test_only_the_same_command_goes_on(tmp_path, made_by):
    folder = write(tmp_path / "ours", STUDY_ID[made_by], LEFT_OUT.get(made_by))
    assert makers_of(folder) == (made_by,)
    before = (folder / "manifest.csv").read_bytes()
    for maker in COMMANDS:
        if maker == made_by:
            with new_data_set(folder, maker) as out:
                assert out == folder
            continue
        said = (
            rf"--out .*ours: holds the data set ours \(manifest.csv, made by tienet prepare {made_by}\), which tienet"
        )
        with (
            pytest.raises(InputError, match=rf"{said} prepare {maker} would replace; choose"),
            new_data_set(folder, maker),
        ):
            pass
    assert (folder / "manifest.csv").read_bytes() == before and not (folder / ".tienet.lock").exists()


@pytest.mark.parametrize(
    ("study_id", "left_out", "makers"),
    [
        ("1_IM-0001-4001", None, ("openi",)),  # stopped before left_out.csv
        ("phantom-00001", "name,what,reason", ("folder",)),  # --keep-ids of drawn images
        ("00000001_000", "name,what,reason", ("folder",)),
        ("odd", "image,split,reason", ("chestxray14", "mimic-cxr")),
        ("00000001_000", None, ()),  # a table of one's own
        ("a-1", None, ()),
        ("a-1", "a,b", ()),
        ("phantom-00001", "a,b", ("phantom",)),
        ("phantom-1x", None, ()),
    ],
)
def test_who_made_it(tmp_path, study_id, left_out, makers):
    assert makers_of(write(tmp_path / "ours", study_id, left_out)) == makers


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\xff\xfe", b"report\n1\n", b"study_id\n", b'study_id\n"' + b"x" * 200_000]
)
def test_a_manifest_that_cannot_be_read_is_not_replaced(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    for maker in COMMANDS:
        with (
            pytest.raises(InputError, match=r"\(manifest.csv\), which .* would replace"),
            new_data_set(tmp_path, maker),
        ):
            pass
    assert (tmp_path / "manifest.csv").read_bytes() == content


def test_a_command_that_was_stopped_goes_on(tmp_path):
    """Every command writes its manifest last."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "phantom-00001.png").touch()
    (tmp_path / "left_out.csv").write_text("uid,image,reason\n")
    for maker in COMMANDS:
        with new_data_set(tmp_path, maker):
            pass


def test_another_data_set_may_come_between_the_look_and_the_lock(tmp_path, monkeypatch):
    from tienet.folders import contents

    check = contents.check

    def look(*arguments):
        check(*arguments)
        if not (tmp_path / "out").exists():
            write(tmp_path / "out", STUDY_ID["openi"], LEFT_OUT["openi"])

    monkeypatch.setattr(contents, "check", look)
    with pytest.raises(InputError, match="made by tienet prepare openi"), new_data_set(tmp_path / "out", "phantom"):
        pass
