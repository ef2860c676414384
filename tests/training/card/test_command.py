"""The command in a card: as it was typed, without folders, other computers and lines of its own."""

from hypothesis import given
from hypothesis import strategies as st

from tienet.config import Config
from tienet.training.card.command import changed_settings, command_text


def text(*arguments, program="/opt/venv/bin/tienet", config=None):
    return command_text([program, *arguments], config or Config(), "phantom")


def test_of_a_path_the_last_part_is_shown():
    assert (
        text("train", "--data", "/archive/Smith, Anna/openi", "--logdir=runs/Anna Smith/r1", "--set", "data=/a/b/x y")
        == "tienet train --data .../openi --logdir=.../r1 --set 'data=.../x y'"
    )
    assert text("--epochs", "3", program="./train.py") == "python train.py --epochs 3"
    assert text("train", program="tienet/__main__.py") == "python -m tienet train"


def test_other_computers_are_not_named():
    for flag in (["--workers", "ct1.clinic:2222,ct2:2222"], ["--workers=ct1.clinic:2222,ct2:2222"]):
        assert "ct" not in text(*flag) and "HOST:PORT" in text(*flag)


@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_arguments_are_one_line_without_folders(arguments):
    found = text("train", *arguments)
    assert len(found.splitlines()) == 1
    assert "/" not in found.replace(".../", "")


def test_another_program_has_a_command_that_trains_with_the_same_settings():
    config = Config().replace(mode="report", epochs=1, weighted_loss=False, alpha=0.25)
    found = text("-q", program="/usr/bin/pytest", config=config)
    assert (
        found == "tienet train --mode report --data phantom --set alpha=0.25 --set weighted_loss=false --set epochs=1"
    )
    assert Config().replace(mode="report").with_texts(changed_settings(config), {}) == config
