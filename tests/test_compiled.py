"""What XLA has compiled is kept between processes, and nothing else than that is ever read."""

import atexit
import json
import multiprocessing
import os
import re
from pathlib import Path

import pytest

from tests.conftest import XLA_BY_DEFAULT
from tienet import cli, compiled


def compute(environment: dict[str, str], out: Path) -> None:
    """What a process does: it starts as every command does, compiles a function, and writes the result to `out`."""
    os.environ.update(environment)
    cli.start_tensorflow()
    import numpy as np
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def turn(x):
        return tf.tanh(tf.matmul(x, x) + tf.sin(x))

    x = np.random.default_rng(0).standard_normal((7, 7)).astype(np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        given = tf.compat.v1.placeholder(tf.float32, [7, 7])
        out.write_bytes(session.run(turn(given), {given: x}).tobytes())
    atexit._run_exitfuncs()  # as at the end of a process that `multiprocessing` did not start


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The environment of a user, whose cache folder is empty."""
    for name in XLA_BY_DEFAULT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled.atexit, "register", lambda *_: None)
    return monkeypatch


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pb"))


def filled(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(f"code of {name}")
    return folder


def test_tensorflow_is_told_the_folder_of_this_machine(environment, tmp_path):
    environment.setenv("TF_XLA_FLAGS", "--tf_xla_clustering_debug")
    folder = compiled.keep()
    assert folder.parent == tmp_path / "cache" / "tienet" / "xla" and folder.stat().st_mode & 0o777 == 0o700
    assert os.environ["TF_XLA_FLAGS"] == f"--tf_xla_clustering_debug --tf_xla_persistent_cache_directory={folder}"
    before = os.environ["TF_XLA_FLAGS"]
    assert compiled.keep() is None and os.environ["TF_XLA_FLAGS"] == before  # a folder is named already


@pytest.mark.parametrize("value", ["off", "", "0", "OFF"])
def test_nothing_is_kept_where_the_user_does_not_want_it(environment, tmp_path, value):
    environment.setenv(compiled.VARIABLE, value)
    assert compiled.keep() is None and "TF_XLA_FLAGS" not in os.environ and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_no_error(environment, tmp_path):
    (tmp_path / "file").touch()
    environment.setenv(compiled.VARIABLE, str(tmp_path / "file"))
    assert compiled.keep() is None and "TF_XLA_FLAGS" not in os.environ
    environment.delenv(compiled.VARIABLE)
    environment.delenv("XDG_CACHE_HOME")
    environment.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert compiled.keep() is None


def test_the_key_has_what_compiled_code_depends_on(environment):
    keys = [compiled.machine_key()]
    assert keys[0] == compiled.machine_key() and re.fullmatch("[0-9a-f]{16}", keys[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
        keys.append(compiled.machine_key())
    for name in ("_processor", "_gpus"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, name, lambda: "another")
            keys.append(compiled.machine_key())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled.importlib.metadata, "version", lambda package: "3.0.0")
        keys.append(compiled.machine_key())
    assert len(set(keys)) == len(keys)


def test_only_files_that_are_as_they_were_written_are_left(tmp_path):
    folder = filled(tmp_path / "kept", "whole.pb", "flipped.pb", "cut.pb", "other")
    compiled.record(folder)
    filled(folder, "killed.pb")  # by a process that did not come to its end
    (folder / "flipped.pb").write_text("c0de of flipped.pb")
    (folder / "cut.pb").write_text("code")
    compiled.tidy(folder)
    assert files_of(folder) == ["whole.pb"] and (folder / "other").exists()
    compiled.record(folder)
    assert list(json.loads((folder / "sums.json").read_text())) == ["whole.pb"]


def test_a_damaged_file_that_is_compiled_to_other_bytes_is_kept_from_then_on(tmp_path):
    folder = filled(tmp_path / "kept", "a.pb", "b.pb")
    compiled.record(folder)
    (folder / "a.pb").write_text("damaged")
    compiled.tidy(folder)
    (folder / "a.pb").write_text("compiled again, to something else")
    compiled.record(folder)
    compiled.tidy(folder)
    assert files_of(folder) == ["a.pb", "b.pb"]


@pytest.mark.parametrize("content", ["", "[1]", '{"whole.pb": 7}', '{"whole.pb": nonsense'])
def test_a_damaged_list_leaves_nothing(tmp_path, content):
    folder = filled(tmp_path / "kept", "whole.pb")
    (folder / "sums.json").write_text(content)
    compiled.tidy(folder)
    assert files_of(folder) == []


def test_the_oldest_files_make_room(tmp_path, monkeypatch):
    folder = filled(tmp_path / "kept", "a.pb", "b.pb", "c.pb")
    for n, name in enumerate(("b.pb", "a.pb", "c.pb")):
        os.utime(folder / name, (n, n))
    compiled.record(folder)
    monkeypatch.setattr(compiled, "MAX_BYTES", 2 * (folder / "a.pb").stat().st_size)
    compiled.tidy(folder)
    assert files_of(folder) == ["a.pb", "c.pb"]


def test_a_second_process_takes_what_the_first_compiled_and_a_damaged_file_is_compiled_again(tmp_path):
    context = multiprocessing.get_context("forkserver")  # loads TensorFlow once
    context.set_forkserver_preload(["tensorflow", "tensorpack"])
    environment = {**XLA_BY_DEFAULT, compiled.VARIABLE: str(tmp_path / "kept")}

    def computed() -> bytes:
        process = context.Process(target=compute, args=(environment, tmp_path / "out"))
        process.start()
        process.join()
        assert process.exitcode == 0
        return (tmp_path / "out").read_bytes()

    first = computed()
    (folder,) = (tmp_path / "kept").iterdir()
    (entry,) = folder.glob("*.pb")
    whole, written = entry.read_bytes(), entry.stat().st_mtime_ns
    assert computed() == first and entry.stat().st_mtime_ns == written  # nothing was compiled
    entry.write_bytes(whole[: len(whole) // 2])
    assert computed() == first
    assert list(folder.glob("*.pb")) == [entry] and len(entry.read_bytes()) > len(whole) // 2
    assert computed() == first
