"""A checkpoint is loaded whole or not at all, and an error names what can be used instead."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.toy_run import spoil, value_in
from tienet.checkpoint import restore, run_folder
from tienet.checkpoint.restore import ACCUMULATION, StrictRestore, WordVectors
from tienet.config import Config
from tienet.errors import InputError

tf1 = tf.compat.v1


@pytest.fixture
def run(toy_runs, tmp_path) -> Path:
    """A copy of the run after 3 epochs: latest-30, latest-20 and best-20."""
    return shutil.copytree(toy_runs[3], tmp_path / "run")


def load(prefix: Path, way: str = "restore", also: tuple[str, ...] = (), size: int = 50) -> dict[str, np.ndarray]:
    """The values after a checkpoint was restored, in one of both ways; `also` are accumulation's."""
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [tf1.get_variable(name, [size]) for name in "abc"]
        variables.append(tf1.get_variable("global_step", [], tf.int64, trainable=False))
        for name in also:
            collections = [tf1.GraphKeys.GLOBAL_VARIABLES, ACCUMULATION]
            zeros = tf1.zeros_initializer()
            variables.append(tf1.get_variable(name, [3], initializer=zeros, trainable=False, collections=collections))
        if way == "restore":
            restore.restore(session, prefix, variables)
        else:
            restoring = StrictRestore(prefix)
            restoring._setup_graph()
            tf1.get_default_graph().finalize()
            restoring._run_init(session)
        return {variable.op.name: session.run(variable) for variable in variables}


def write(prefix: Path, values: dict[str, np.ndarray]) -> None:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [tf1.get_variable(name, initializer=tf.constant(value)) for name, value in values.items()]
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver(variables).save(session, str(prefix), write_meta_graph=False, write_state=False)


BOTH = pytest.mark.parametrize("way", ["restore", "StrictRestore"])


def test_one_variable_is_read(run, tmp_path):
    prefix = shutil.copytree(run, tmp_path / "run [1]*") / "checkpoints" / "latest-30"
    np.testing.assert_array_equal(restore.read_variable(prefix, "b"), np.full(50, 30, np.float32))
    with pytest.raises(InputError, match="latest-30: has no variable word_vectors"):
        restore.read_variable(prefix, "word_vectors")
    spoil(prefix)
    with pytest.raises(InputError, match=r"latest-30: the checkpoint is damaged .*; use .*latest-20"):
        restore.read_variable(prefix, "b")


@BOTH
def test_what_was_saved_is_restored(run, way):
    for name, step in (("latest-30", 30), ("latest-20", 20), ("best-20", 20)):
        loaded = load(run / "checkpoints" / name, way)
        assert all((value == step).all() for value in loaded.values())


@BOTH
def test_all_that_does_not_fit_is_named(tmp_path, way):
    write(tmp_path / "x", {"a": np.zeros(50, np.float32), "b": np.zeros(7, np.float32), "d": np.zeros(1, np.float32)})
    with pytest.raises(InputError) as caught:
        load(tmp_path / "x", way)
    assert str(caught.value) == (
        f"{tmp_path / 'x'}: does not fit this network: b has shape [7], expected [50]; c is missing; "
        "global_step is missing"
    )


@BOTH
def test_accumulation_may_be_missing_in_the_checkpoint(run, way):
    loaded = load(run / "checkpoints" / "latest-30", way, also=("sum", "counter"))
    assert loaded["sum"].tolist() == loaded["counter"].tolist() == [0, 0, 0]
    assert (loaded["a"] == 30).all()


@BOTH
def test_accumulation_may_be_there_only_in_the_checkpoint(tmp_path, way):
    values = {name: np.full(50, 7, np.float32) for name in "abc"} | {"global_step": np.int64(7)}
    write(tmp_path / "x", values | {"sum": np.zeros(3, np.float32)})
    assert (load(tmp_path / "x", way)["c"] == 7).all()
    write(tmp_path / "y", values | {"sum": np.full(3, 5, np.float32)})
    assert load(tmp_path / "y", way, also=("sum", "counter"))["sum"].tolist() == [5, 5, 5]
    write(tmp_path / "z", values | {"sum": np.zeros(4, np.float32)})
    with pytest.raises(InputError, match=r"sum has shape \[4\], expected \[3\]"):
        load(tmp_path / "z", way, also=("sum",))


@BOTH
def test_only_accumulation_may_be_missing(tmp_path, way):
    write(tmp_path / "x", {"a": np.zeros(50, np.float32)})
    with pytest.raises(InputError, match=r"network: b is missing; c is missing; global_step is missing$"):
        load(tmp_path / "x", way, also=("sum",))


@BOTH
def test_a_damaged_file_is_refused_and_a_sound_one_named(run, way):
    spoil(run / "checkpoints" / "best-20")
    with pytest.raises(InputError) as caught:
        load(run_folder.locate(run)[1], way)
    best, latest = (run / "checkpoints" / name for name in ("best-20", "latest-30"))
    assert str(caught.value) == (
        f"{best}: the checkpoint is damaged (its .data file is not what was written); use {latest}"
    )
    spoil(latest)
    with pytest.raises(InputError, match=r"damaged .*use .*latest-20$"):
        load(latest, way)
    spoil(run / "checkpoints" / "latest-20", ".index")
    with pytest.raises(InputError, match=r"; there is no sound one beside it$"):
        load(latest, way)


@BOTH
def test_a_damaged_file_without_an_entry_is_refused_in_a_line(run, way):
    path = run / "checkpoints" / "latest-30"
    path.with_name("latest-30.json").unlink()
    assert (load(path, way)["a"] == 30).all()
    spoil(path)
    with pytest.raises(
        InputError, match=r"latest-30: the checkpoint is damaged \(.*use .*best-20$|latest-20$"
    ) as caught:
        load(path, way)
    assert "\n" not in str(caught.value)
    path.with_name("latest-30.index").write_text("nothing")
    with pytest.raises(InputError, match="the checkpoint is damaged") as caught:
        load(path, way)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_was_copied_elsewhere(run, tmp_path):
    for path in (run / "checkpoints").glob("best-20.[id]*"):
        shutil.copy(path, tmp_path / path.name)
    assert value_in(tmp_path / "best-20") == 20
    assert (load(tmp_path / "best-20")["a"] == 20).all()
    spoil(tmp_path / "best-20")
    with pytest.raises(InputError, match="there is no sound one beside it"):
        load(tmp_path / "best-20")


def test_word_vectors_get_their_first_values():
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [
            tf1.get_variable(name, [3, 2], initializer=tf1.zeros_initializer()) for name in ("word_vectors", "W")
        ]
        init = WordVectors(vectors)
        init._setup_graph()
        session.run(tf1.global_variables_initializer())
        init._run_init(session)
        np.testing.assert_array_equal(session.run(variables), [vectors, np.zeros((3, 2))])


def test_a_run_starts_from_one_of_another_mode_with_what_both_have(tmp_path):
    """Mode report from caption: the classifier and the text attention start anew, all else is loaded or missed."""
    caption, report = Config().replace(mode="caption"), Config().replace(mode="report")
    new = restore.new_scopes(report, caption)
    assert new == ("classifier/", "text_attention/")
    assert restore.new_scopes(report, Config().replace(mode="annotate")) == ("word_softmax/",)
    assert restore.new_scopes(report, Config().replace(mode="annotate", alpha=0.5)) == ()
    assert restore.new_scopes(caption, report) == ()
    assert restore.new_scopes(caption, Config().replace(mode="classify")) == ("lstm/", "word_softmax/", "word_vectors")
    write(tmp_path / "latest-1", {"lstm/b": np.full(3, 7, np.float32), "classifier/W": np.zeros(3, np.float32)})
    with tf.Graph().as_default(), tf1.Session() as session:
        for name in ("lstm/b", "classifier/W", "text_attention/W"):
            tf1.get_variable(name, [3], initializer=tf1.ones_initializer())
        restoring = StrictRestore(tmp_path / "latest-1", trainable_only=True, new=new)
        restoring._setup_graph()
        tf1.get_default_graph().finalize()
        restoring._run_init(session)
        values = {variable.op.name: session.run(variable).tolist() for variable in tf1.global_variables()}
        assert values == {"lstm/b": [7] * 3, "classifier/W": [1] * 3, "text_attention/W": [1] * 3}
    with tf.Graph().as_default():
        tf1.get_variable("lstm/W", [3])
        with pytest.raises(InputError, match="lstm/W is missing"):
            StrictRestore(tmp_path / "latest-1", trainable_only=True, new=new)._setup_graph()
