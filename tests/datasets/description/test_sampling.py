"""Which studies are drawn, and their pictures."""

import cv2
import numpy as np
import pytest

from tienet.datasets.description.sampling import MAX_SIDE_PX, draw_samples, small_image
from tienet.errors import InputError
from tienet.labels import LABELS, NO_FINDING, K

NONE = LABELS.index(NO_FINDING)


def one_label_each(per_label: int) -> np.ndarray:
    return np.repeat(np.eye(K, dtype=np.float32), per_label, axis=0)


def test_every_turn_goes_to_another_label():
    labels = one_label_each(50)
    drawn = draw_samples(labels, [LABELS] * len(labels), 12, 0)
    of = labels[drawn].argmax(1)
    assert len(set(drawn)) == 12 and len(set(of)) == 12 and of[0] == NONE


def test_labels_take_turns_again_where_few_are_there():
    labels = np.zeros((40, K), np.float32)
    labels[:20, 3], labels[20:, 8] = 1, 1
    drawn = draw_samples(labels, ["i"] * 40, 12, 0)
    assert (labels[drawn, 3].sum(), labels[drawn, 8].sum()) == (6, 6)


def test_the_seed_draws():
    labels = one_label_each(50)
    draws = [draw_samples(labels, ["i"] * len(labels), 12, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_others_fill_up_and_only_studies_with_an_image_are_drawn():
    labels = np.full((9, K), np.nan, np.float32)
    labels[[0, 1], 4] = 1
    images = ["i", None, "i", "i", None, "i", "i", "i", "i"]
    drawn = draw_samples(labels, images, 12, 0)
    assert drawn[0] == 0 and sorted(drawn) == [0, 2, 3, 5, 6, 7, 8]
    assert draw_samples(labels, [None] * 9, 12, 0) == []


@pytest.mark.parametrize(("shape", "size"), [((1000, 500), (192, 384)), ((30, 40), (40, 30)), ((5000, 1), (1, 384))])
def test_a_picture_keeps_its_aspect_and_is_never_larger(tmp_path, shape, size):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full(shape, 90, np.uint8))
    jpeg, found = small_image(path)
    gray = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found == size and gray.shape == size[::-1] and max(size) <= MAX_SIDE_PX
    assert abs(int(gray.mean()) - 90) <= 1


def test_a_picture_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    with pytest.raises(InputError, match="truncated"):
        small_image(tmp_path / "a.png")
