"""A run is saved, loaded and resumed whatever characters its path has; TensorFlow takes some of them for a pattern."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.toy_run import ToyRun, names_in, toy_run, value_in
from tienet.checkpoint import restore, run_folder
from tienet.checkpoint.entries import complete_entries, find_damage
from tienet.checkpoint.restore import StrictRestore
from tienet.checkpoint.tensorflow_path import readable_prefix

tf1 = tf.compat.v1

NAMES = [
    "[1]", "seed[0-9]", "[", "]", "run*", "run?", "back\\slash", "a b", "it's", 'a "b"', "%s", "Röntgen", "胸部[2]",
    "x" * 250, "[" + "y" * 240 + "]",
]  # fmt: skip

each_name = pytest.mark.parametrize("name", NAMES, ids=ascii)


def load(prefix: Path, way: str) -> np.ndarray:
    """The values of `a` after the checkpoint was restored."""
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [tf1.get_variable("a", [50])]
        if way == "restore":
            restore.restore(session, prefix, variables)
        else:
            restoring = StrictRestore(prefix)
            restoring._setup_graph()
            restoring._run_init(session)
        return session.run(variables[0])


@each_name
def test_a_run_is_saved_loaded_and_resumed(name, tmp_path):
    folder = tmp_path / name
    toy_run(folder, 3).session.close()
    assert [entry.name for entry in complete_entries(folder)] == ["latest-30", "latest-20", "best-20"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    for given in (folder, folder / "checkpoints", folder / "checkpoints" / "best-20.index"):
        found, prefix = run_folder.locate(given)
        assert (found, prefix.name, value_in(prefix)) == (folder, "best-20", 20)
    for way in ("restore", "StrictRestore"):
        assert (load(folder / "checkpoints" / "latest-30", way) == 30).all()
    run = ToyRun(folder)
    assert run.state.step == 30
    run.epoch()
    assert value_in(folder / "checkpoints" / "latest-40") == value_in(folder / "checkpoints" / "best-40") == 40


@each_name
def test_a_run_without_entries_is_read_to_its_end(name, toy_runs, tmp_path):
    folder = shutil.copytree(toy_runs[3], tmp_path / name)
    for path in (folder / "checkpoints").glob("*.json"):
        path.unlink()
    entries = complete_entries(folder)
    assert [(entry.name, entry.files, find_damage(entry)) for entry in entries] == [
        ("latest-30", None, None), ("best-20", None, None),
    ]  # fmt: skip
    assert ToyRun(folder).state.step == 30


@pytest.mark.parametrize("name", ["[1]", "run*", "\\", "best?"])
def test_the_name_of_a_copied_checkpoint_and_a_relative_path(name, toy_runs, tmp_path, monkeypatch):
    for path in (toy_runs[3] / "checkpoints").glob("best-20.[id]*"):
        shutil.copy(path, tmp_path / path.name.replace("best-20", name))
    monkeypatch.chdir(tmp_path)
    for way in ("restore", "StrictRestore"):
        assert (load(Path(name), way) == 20).all()


def test_an_ordinary_prefix_is_given_as_it_is_and_links_are_removed(toy_runs, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with readable_prefix(Path("runs/a b/checkpoints/best-20")) as readable:
        assert readable == "runs/a b/checkpoints/best-20"
    (tmp_path / "temporary").mkdir()
    folder = shutil.copytree(toy_runs[3], tmp_path / "[1]")
    before = names_in(folder)
    with readable_prefix(folder / "checkpoints" / "best-20") as readable:
        assert Path(readable).is_relative_to(tmp_path / "temporary")
        assert Path(f"{readable}.index").read_bytes() == (folder / "checkpoints" / "best-20.index").read_bytes()
    assert names_in(folder) == before and not list((tmp_path / "temporary").iterdir())


def test_the_temporary_folder_may_have_such_a_name_too(toy_runs, tmp_path, monkeypatch):
    """As batch systems name it for the jobs of an array."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "4711[2]"))
    (tmp_path / "4711[2]").mkdir()
    folder = shutil.copytree(toy_runs[3], tmp_path / "4711[2]" / "run")
    assert (load(folder / "checkpoints" / "best-20", "restore") == 20).all()


def test_a_checkpoint_that_is_not_there(tmp_path):
    with readable_prefix(tmp_path / "[1]" / "best-20") as readable:
        assert not Path(f"{readable}.index").exists()
