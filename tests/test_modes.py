"""The table of modes, and what is said of a mode that there is not."""

import pytest

from tienet.errors import InputError
from tienet.modes import MODES, mode_from_name


def test_the_table_of_modes():
    """Which parts are on, from the design's table: image, report read, classifies, writes."""
    parts = {m.name: (m.paper_name, m.image, m.reads, m.classifies, m.writes) for m in MODES.values()}
    assert parts == {
        "annotate": ("I+R", True, True, True, False),
        "annotate-text": ("R", False, True, True, False),
        "classify": ("I", True, False, True, False),
        "caption": ("Captioning", True, True, False, True),
        "report": ("I+GR", True, True, True, True),
    }
    with pytest.raises(InputError, match="annotate-text"):
        mode_from_name("annotate_text")


def test_the_best_checkpoint_is_chosen_by_all_that_a_mode_gives():
    assert {name: mode.chosen_by for name, mode in MODES.items()} == {
        **dict.fromkeys(("annotate", "annotate-text", "classify"), "validation AUC"),
        "caption": "validation BLEU-4 and CIDEr",
        "report": "validation AUC with BLEU-4 and CIDEr",
    }


def test_alpha_is_0_or_1_where_there_is_one_loss_only():
    for mode in MODES.values():
        assert (mode.alpha == 1) == (not mode.writes) and (mode.alpha == 0) == (not mode.classifies)


def test_an_image_without_a_report_is_pooled():
    assert [name for name, mode in MODES.items() if mode.pools] == ["classify"]
