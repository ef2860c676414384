"""Drawings of chests: the box of the heart, and the letter that marks the side."""

import numpy as np

from tienet.datasets.phantom import drawing, prepare
from tienet.datasets.phantom.facts import SEVERITIES, Fact, plan


def test_an_enlarged_heart_is_wider_the_more_severe_it_is():
    anatomy = drawing.Anatomy.from_rng(np.random.default_rng(0))
    _, (normal,) = drawing.draw(
        anatomy, [Fact("Hernia", "midline", "retrocardiac", "mild")], 128, np.random.default_rng(0)
    )
    assert normal.fact.finding == "Hernia"
    widths = []
    for severity in SEVERITIES:
        _, (box,) = drawing.draw(
            anatomy, [Fact("Cardiomegaly", "midline", "cardiac", severity)], 128, np.random.default_rng(0)
        )
        widths.append(box.w)
    assert widths == sorted(set(widths))


def test_the_picture_tells_the_side():
    """The letter R stands on the image's left, and nowhere else."""
    image, _ = prepare.draw_study(plan(10, 0)[0], 256, 0)
    assert image[10:26, 8:22].max() > 200 > 60 > image[10:26, -22:-8].max()
