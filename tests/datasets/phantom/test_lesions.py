"""The drawing of each finding: it changes the image, and mostly inside its box."""

import numpy as np

from tienet.datasets.phantom import drawing, lesions
from tienet.datasets.phantom.facts import PLACES, Fact
from tienet.labels import FINDINGS


def test_a_lesion_changes_the_picture_inside_its_box_only():
    """Every finding that is drawn onto the same chest; noise is drawn from the same stream afterwards."""
    anatomy = drawing.Anatomy.from_rng(np.random.default_rng(0))
    for finding in FINDINGS:
        if finding in ("Cardiomegaly", "Emphysema"):  # these are another anatomy
            continue
        sides, zones = PLACES[finding]
        fact = Fact(finding, sides[-1], zones[-1], "severe")
        chest = drawing.Chest(anatomy.with_facts([fact]), 128)
        before = drawing._soft_tissue(chest)
        for side in fact.lungs or (None,):
            after, mask = lesions.DRAW[finding](chest, before, fact, side, np.random.default_rng(1))
            x, y, w, h = drawing._bounds(mask)
            changed = np.abs(after - before)
            inside = changed[y : y + h, x : x + w].sum()
            assert changed.max() > 0.1, finding
            # an effusion also covers the dome below; a blob has a soft rim
            assert inside > 0.55 * changed.sum(), (finding, inside / changed.sum())
