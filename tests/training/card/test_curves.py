"""The curves of a run: a panel for what its log has, and the epoch that was kept."""

import json

import pytest

from tienet.training.card.curves import plot_curves, read_log

LOG = [
    {"epoch_num": n, "loss": 2 / n, "val_avg": 0.7 + n / 50, "val_read_avg": 0.8, "val_bleu4": 0.1, "val_cider": 0.2,
     "val_distinct_reports": 0.3, "val_words_mean": 40.0 + n / 100}
    for n in range(1, 6)
]  # fmt: skip


def test_a_panel_has_what_the_log_has(drawn, tmp_path):
    assert plot_curves(tmp_path / "curves.png", LOG, 4)
    (figure,) = drawn
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["Loss in training", "Mean AUC in validation", "BLEU-4 in validation"] and len(titles) == 6
    for axes in figure.axes:
        assert axes.get_xlabel() == "epoch (kept: 4)" and axes.lines[-1].get_xdata()[0] == 4
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([2 / n for n in range(1, 6)])
    assert len(figure.axes[1].lines) == 3  # of written and of true reports, and the mark
    low, high = figure.axes[5].get_ylim()
    assert high - low >= 5  # .04 words more are nothing


def test_a_labeller_has_two_panels_and_an_undefined_score_is_a_gap(drawn, tmp_path):
    log = [{"epoch_num": 1, "loss": 1.0, "val_avg": None}, {"epoch_num": 2, "loss": 0.5, "val_avg": 0.7}]
    assert plot_curves(tmp_path / "curves.png", log, 2)
    assert [len(axes.lines[0].get_xdata()) for axes in drawn[0].axes] == [2, 1]


@pytest.mark.parametrize("content", [None, "{", "7", '[1, {"epoch_num": "x"}]', "[]"])
def test_without_a_sound_log_there_is_no_picture(tmp_path, content):
    if content is not None:
        (tmp_path / "stats.json").write_text(content)
    assert read_log(tmp_path) == []
    assert not plot_curves(tmp_path / "curves.png", read_log(tmp_path), 1)
    assert not (tmp_path / "curves.png").exists()


def test_the_log_is_read(tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps(LOG))
    assert read_log(tmp_path) == LOG
