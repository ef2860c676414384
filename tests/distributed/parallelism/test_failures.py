"""Trainings that cannot go on: they end with one line, and the last checkpoint is kept."""

import re
import shutil
import subprocess
from functools import partial

import numpy as np
import pytest

from tests.distributed.parallelism.disturb import at_save, at_step, fill, in_validation, limit_save, poison, send_term
from tests.distributed.parallelism.runs import DRAWN, QUICK, SEED, assert_same_bits, read
from tienet.checkpoint.resume import find_resume_point
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.dataflow import Studies, epoch_batches
from tienet.data.text import Vocab


def test_a_loss_that_is_not_finite_names_step_studies_and_gradients_and_keeps_the_last_checkpoint(start, studies):
    """One of four parts (two towers x 2 accumulations) is bad: its 2 studies are named, the others are not."""
    stopped = start("run", "--gpu", "0,1", "--tower-batch", 2, tamper=partial(poison, 7, 2), **DRAWN)
    assert stopped.status() == 2, stopped.text
    train = manifests.load("phantom", studies).split("train")
    config = Config.load(stopped.logdir / "config.json")
    lengths = Studies.from_manifest(config, train, Vocab.load(stopped.logdir / "vocab.txt")).lengths
    bad = np.split(epoch_batches(lengths, 8, SEED, 1)[7 - 1 - 4], 4)[2]
    gradient = r"[\w/]+ ([\d.e+-]+|nan)"
    assert re.fullmatch(
        r"train.py: the loss is not finite at step 7, epoch 2 \(loss [^)]*(nan|inf)[^)]*\); "
        rf"studies: {', '.join(train.study_ids[n] for n in bad)}; largest gradients: .*; "
        "the last checkpoint is good: look at these studies, or lower --lr",
        stopped.error,
    ), stopped.error
    assert re.search(rf"largest gradients: {gradient}(, {gradient}){{2}};", stopped.error), stopped.error
    point = find_resume_point(stopped.logdir)
    assert point.state.step == read(stopped.logdir)["step"] == 4
    assert not list((stopped.logdir / "checkpoints").glob("*7*"))


def test_a_learning_rate_that_is_far_too_high_ends_in_a_line(start):
    stopped = start("run", "--lr", 1e30, **QUICK)
    assert stopped.status() == 2, stopped.text
    assert "is not finite at step" in stopped.error


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_it(start, straight):
    stopped = start("run", tamper=partial(limit_save, 2, 10_000), **QUICK)
    assert stopped.status() == 2, stopped.text
    assert stopped.error.endswith(
        "latest-8 cannot be written (File too large); the checkpoint before it, latest-4, is kept"
    )
    assert read(stopped.logdir)["step"] == 4 and not list((stopped.logdir / "checkpoints").glob("*8*"))
    start("run", "--resume", **QUICK).done()
    assert_same_bits(stopped.logdir, straight["quick"])


def test_a_disk_without_room_ends_in_a_line_and_the_run_goes_on_once_there_is_some(start, straight, tmp_path):
    """The run has the disk alone, so its logs find no room either; it is full in a validation, then at a save."""
    folder = tmp_path / "run"
    folder.mkdir()
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        for tamper, step in ((in_validation, 4), (at_save, 8)):
            stopped = start("run", "--resume", tamper=partial(tamper, 2, partial(fill, folder)), **QUICK)
            assert stopped.status() == 2, stopped.text
            assert "No space left on device" in stopped.error or "disk full" in stopped.error
            assert read(folder)["step"] == step
            (folder / "filler").unlink()
        start("run", "--resume", **QUICK).done()
        assert_same_bits(folder, straight["quick"])
    finally:
        subprocess.run(["umount", folder], check=True)


def limit_last_save_and_stop() -> None:
    at_step(6, send_term)
    limit_save(2, 10_000)


def test_a_checkpoint_that_cannot_be_written_after_sigterm_is_told_in_a_line(start):
    stopped = start("run", tamper=limit_last_save_and_stop, **QUICK)
    assert stopped.status() == 2, stopped.text
    assert stopped.error.endswith(
        "latest-5 cannot be written (File too large); the checkpoint before it, latest-4, is kept"
    )
