"""The newest sound checkpoint is gone on from, whatever has happened to the others, and the best is a sound one."""

import json
import shutil
from pathlib import Path

import pytest
from tensorpack.callbacks import JSONWriter

from tests.toy_run import STEPS, ToyRun, named, names_in, spoil, value_in
from tienet.checkpoint import run_folder
from tienet.checkpoint.entries import TrainingState, complete_entries, find_damage, read_entry
from tienet.checkpoint.resume import find_resume_point, truncate_log
from tienet.errors import InputError

DATA = ".data-00000-of-00001"
FLIPPED = "its .data file is not what was written"
KINDS = ("latest", "best")


@pytest.fixture
def run(toy_runs, tmp_path) -> Path:
    """A copy of the run after 5 epochs: latest-50, latest-40 and best-40."""
    return copy(toy_runs[5], tmp_path / "run")


def copy(source: Path, target: Path) -> Path:
    """Links between files are lost here."""
    return shutil.copytree(source, target)


def resumed(folder: Path) -> int:
    """The step; best.json must name a sound checkpoint, and latest.json the one that is gone on from."""
    point = find_resume_point(folder)
    assert value_in(point.prefix) == point.state.step
    assert named(folder, "latest")["checkpoint"] == point.prefix.name
    best = read_entry(folder / "checkpoints" / named(folder, "best")["checkpoint"])
    assert find_damage(best) is None and best.state.step == value_in(best.prefix)
    assert best.state.best_epoch == point.state.best_epoch == best.state.epoch
    assert best.state.best_score == point.state.best_score
    again = find_resume_point(folder)
    assert again == point
    return point.state.step


def old_style(folder: Path) -> Path:
    """As runs were before there were entries."""
    for path in (folder / "checkpoints").glob("*.json"):
        path.unlink()
    latest = named(folder, "latest")["checkpoint"]
    for path in (folder / "checkpoints").glob("latest-*"):
        if not path.name.startswith(latest + "."):
            path.unlink()
    return folder


def test_nothing_there(tmp_path, capsys):
    assert find_resume_point(tmp_path) is None
    assert find_resume_point(tmp_path / "nothing") is None
    (tmp_path / "checkpoints").mkdir()
    assert find_resume_point(tmp_path) is None
    assert capsys.readouterr().err == ""


def test_a_sound_run_is_left_as_it_is(run, capsys):
    before = {name: (run / name).stat().st_mtime_ns for name in names_in(run)}
    assert resumed(run) == 50
    assert {name: (run / name).stat().st_mtime_ns for name in names_in(run)} == before
    assert capsys.readouterr().err == ""


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flip(path: Path) -> None:
    if path.suffix == ".json":  # any bit of it may as well leave valid JSON
        path.write_text(path.read_text().replace("}", "{", 1))
    else:
        spoil(path.with_suffix(""), path.suffix)


def vanish(path: Path) -> None:
    path.unlink()


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [cut, grow, flip, vanish, become_a_folder])
@pytest.mark.parametrize("suffix", [DATA, ".index", ".json"])
def test_a_damaged_file_is_told_and_passed_over(run, capsys, suffix, harm):
    harm(run / "checkpoints" / f"latest-50{suffix}")
    step, lines = resumed(run), capsys.readouterr().err.splitlines()
    if suffix == ".json":  # latest.json still says how far it was, and TensorFlow's own sums that it is whole
        assert (step, lines) == (50, [])
        return
    kind = suffix.split("-")[0]
    why = {
        cut: f"its {kind} file is shorter than what was written",
        grow: f"its {kind} file is longer than what was written",
        flip: f"its {kind} file is not what was written",
        vanish: f"its {kind} file is missing",
    }
    assert step == 40
    if harm is not become_a_folder:
        assert lines[0] == f"note: latest-50 is damaged ({why[harm]}); going on from latest-40"
    assert len(lines) <= 2 and lines[0].startswith("note: latest-50 is damaged")


@pytest.mark.parametrize("harm", [cut, grow, flip, vanish, become_a_folder])
def test_a_damaged_entry_is_told_and_passed_over(run, capsys, harm):
    (run / "latest.json").unlink()
    path = run / "checkpoints" / "latest-50.json"
    path.write_text("[1, 2") if harm in (flip, cut) else harm(path)
    assert resumed(run) == 40
    why = "it was not written to its end" if harm is vanish else "latest-50.json cannot be read"
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"note: latest-50 is damaged ({why}); going on from latest-40"


@pytest.mark.parametrize(
    "change",
    [
        {"step": "50"}, {"step": 40}, {"epoch": -1}, {"epoch": None}, {"best_score": "high"}, {"thresholds": 3},
        {"thresholds": ["a"]}, {"files": ["latest-50.index"]}, {"files": {}}, {"files": {"latest-50.index": 3}},
        {"files": {"latest-50.index": "a", "../../../etc/passwd": "b"}}, {"bytes": {"latest-50.index": "1"}},
        {"bytes": 7}, {"checkpoint": "latest-40"}, {"checkpoint": None}, {"best_epoch": True},
    ],
)  # fmt: skip
def test_an_entry_with_foreign_values_is_passed_over(run, capsys, change):
    (run / "latest.json").unlink()
    path = run / "checkpoints" / "latest-50.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert resumed(run) == 40
    assert "latest-50 is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", [None, "", "{", "null", "[]", '"x"', "{}", '{"checkpoint": 3}', '{"checkpoint": "../x"}',
             '{"checkpoint": "latest-999"}', '{"checkpoint": "latest-40", "step": 40}', "[" * 100_000, "\xff"],
    ids=range(13),
)  # fmt: skip
@pytest.mark.parametrize("kind", ["latest", "best"])
def test_latest_json_and_best_json_do_not_matter(toy_runs, run, kind, text):
    path = run / f"{kind}.json"
    path.unlink()
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    assert resumed(run) == 50
    for name in ("latest", "best"):
        assert named(run, name) == named(toy_runs[5], name)
    assert run_folder.locate(run)[1].name == "best-40"


def test_all_damaged(run, capsys):
    for path in (run / "checkpoints").glob("*.index"):
        path.write_bytes(b"")
    assert find_resume_point(run) is None
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["latest-50", "latest-40", "best-40"]
    assert all(line.endswith("there is no other to go on from") for line in lines)


def test_the_best_is_gone_on_from_where_it_is_the_newest(toy_runs, tmp_path, capsys):
    run = copy(toy_runs[4], tmp_path / "run")
    spoil(run / "checkpoints" / "latest-40")
    assert resumed(run) == 40
    assert find_resume_point(run).prefix.name == "best-40"
    assert "latest-40 is damaged" in capsys.readouterr().err
    toy = ToyRun(run)
    toy.epoch()
    assert resumed(run) == 50
    assert {entry.name for entry in complete_entries(run)} == {"latest-50", "latest-30", "best-40"}


def test_a_damaged_newest_checkpoint_is_written_again(toy_runs, tmp_path):
    run = copy(toy_runs[5], tmp_path / "run")
    spoil(run / "checkpoints" / "latest-50")
    toy = ToyRun(run)
    assert toy.state.step == 40
    toy.epoch()
    toy.epoch()
    assert names_in(run) == names_in(toy_runs[6])
    assert [named(run, kind) for kind in ("latest", "best")] == [
        named(toy_runs[6], kind) for kind in ("latest", "best")
    ]
    assert all(find_damage(entry) is None for entry in complete_entries(run))


def test_a_damaged_best_is_linked_again_from_a_latest_one(run, capsys):
    """Epoch 4 was the best, and latest-40 is still there."""
    spoil(run / "checkpoints" / "best-40")
    assert resumed(run) == 50
    assert run_folder.locate(run)[1].name == "best-40"
    assert capsys.readouterr().err == f"note: best-40 is damaged ({FLIPPED}); the best is latest-40\n"


def test_a_lost_best_is_chosen_anew(toy_runs, tmp_path, capsys):
    """Epoch 4 was the best, and nothing has its weights any more; epoch 7 with its score must become the best."""
    run = copy(toy_runs[6], tmp_path / "run")
    spoil(run / "checkpoints" / "best-40")
    assert resumed(run) == 60
    line = f"note: best-40 is damaged ({FLIPPED}); the best is chosen anew from latest-60 on\n"
    assert capsys.readouterr().err == line
    state = find_resume_point(run).state
    assert (state.best_score, state.best_epoch, state.epochs_since_best) == (None, 6, 0)
    assert run_folder.locate(run)[1].name == "best-60"
    toy = ToyRun(run)
    toy.epoch()
    assert (named(run, "best")["checkpoint"], named(run, "best")["best_score"]) == ("best-70", 1)
    assert {entry.name for entry in complete_entries(run)} == {"latest-70", "latest-60", "best-70"}


def test_a_lost_best_and_a_lost_newest_one(toy_runs, tmp_path, capsys):
    """latest-40 and best-40 are one file on the disk; epoch 3 stands in, and epoch 4 is the best again."""
    run = copy(toy_runs[4], tmp_path / "run")
    for name in ("latest-40", "best-40"):
        spoil(run / "checkpoints" / name)
    assert resumed(run) == 30
    told = capsys.readouterr().err.splitlines()
    assert [line.split(";")[1] for line in told[:2]] == [
        " going on from latest-30",
        " the best is chosen anew from latest-30 on",
    ]
    toy = ToyRun(run)
    toy.epoch()
    for kind in ("latest", "best"):
        assert named(run, kind) == named(toy_runs[4], kind)
    assert names_in(run) == names_in(toy_runs[4])


def test_no_epoch_was_judged_yet(tmp_path):
    toy = ToyRun(tmp_path / "run")
    toy.state.step = 7
    toy.fill(7)
    toy.save(None, False)
    toy.resume()
    assert (toy.state.step, toy.state.best_epoch) == (7, 0)
    assert not (toy.folder / "best.json").exists()
    assert run_folder.locate(toy.folder)[1].name == "latest-7"


def test_to_look_only_writes_nothing(run):
    (run / "best.json").unlink()
    (run / "latest.json").unlink()
    before = names_in(run)
    looked = find_resume_point(run, repair=False)
    assert names_in(run) == before
    assert looked == find_resume_point(run)
    assert names_in(run) > before


def test_a_run_of_before_there_were_entries_goes_on(toy_runs, run, capsys):
    old_style(run)
    point = find_resume_point(run)
    assert (point.prefix.name, point.state.step, point.state.best_epoch) == ("latest-50", 50, 4)
    assert run_folder.locate(run)[1].name == "best-40"
    assert run_folder.read_thresholds(run, point.prefix).tolist() == [0.25, 0.5]
    toy = ToyRun(run)
    toy.epoch()
    assert {entry.name for entry in complete_entries(run)} == {"latest-60", "best-40"}
    assert [named(run, kind) for kind in ("latest", "best")] == [
        named(toy_runs[6], kind) for kind in ("latest", "best")
    ]
    assert capsys.readouterr().err == ""


def test_a_run_of_before_there_were_entries_with_a_damaged_file(run, capsys):
    old_style(run)
    spoil(run / "checkpoints" / "latest-50")
    assert find_resume_point(run).prefix.name == "best-40"
    assert "latest-50 is damaged" in capsys.readouterr().err
    assert find_resume_point(run).state == named_state(run, "best")


def test_a_run_of_before_there_were_entries_that_was_killed_before_best_json(toy_runs, tmp_path):
    run = old_style(copy(toy_runs[4], tmp_path / "run"))
    for path in (run / "checkpoints").glob("best-*"):
        path.unlink()
    (run / "best.json").unlink()
    assert resumed(run) == 40
    assert named(run, "best")["checkpoint"] == "best-40"


def test_a_folder_that_cannot_be_written_is_told(run, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "x")

    assert find_resume_point(run) is not None
    (run / "best.json").unlink()
    monkeypatch.setattr("tienet.files.write_json", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        find_resume_point(run)


def named_state(folder: Path, kind: str) -> TrainingState:
    entry = named(folder, kind)
    return TrainingState(**{key: entry[key] for key in TrainingState.__dataclass_fields__})


# ---- stats.json ----


def log_of(*epochs: int) -> list[dict]:
    return [{"loss": float("nan"), "epoch_num": epoch, "global_step": epoch * STEPS} for epoch in epochs]


@pytest.mark.parametrize(("epoch", "kept"), [(0, []), (2, [1, 2]), (3, [1, 2, 3, 3]), (9, [1, 2, 3, 3, 4])])
def test_the_log_is_cut_back(tmp_path, epoch, kept):
    path = tmp_path / "stats.json"
    path.write_text(json.dumps(log_of(1, 2, 3, 3, 4)))
    truncate_log(tmp_path, epoch)
    assert [entry["epoch_num"] for entry in JSONWriter.load_existing_json(str(tmp_path))] == kept
    assert names_in(tmp_path) == {"stats.json"}


@pytest.mark.parametrize(
    "text", ["", "[{", "3", "null", "[1]", '[{"loss": 1}]', '[{"epoch_num": "a"}]', '{"a": 1}', "{}", "\xff"]
)
def test_a_broken_log_is_moved_aside(tmp_path, text, capsys):
    """Tensorpack stops at one."""
    (tmp_path / "stats.json").write_bytes(text.encode("latin-1"))
    truncate_log(tmp_path, 3)
    assert names_in(tmp_path) == {"stats.json.broken"}
    assert "the log starts anew" in capsys.readouterr().err
    assert JSONWriter.load_existing_json(str(tmp_path)) is None


def test_no_log(tmp_path):
    truncate_log(tmp_path, 3)
    assert names_in(tmp_path) == set()
