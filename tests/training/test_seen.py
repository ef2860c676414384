"""What a new run has seen by the runs that it starts from."""

import dataclasses

import numpy as np
import pytest

from tests.both_splits import learn_both
from tests.light_run import light_run
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.training.seen import check_unseen, runs_before, with_seen


@pytest.fixture
def data_set(data_root):
    return manifests.load("phantom", data_root)


def test_a_run_on_both_splits_is_no_start_for_one_that_is_validated_on_what_it_has_learnt(data_set, tmp_path):
    on_train = light_run(tmp_path / "train", data_set, "annotate-text")
    both = learn_both(light_run(tmp_path / "both", data_set, "annotate-text"), data_set)
    val = data_set.split("val")
    check_unseen(runs_before(str(on_train), on_train), val)
    for before in (runs_before(str(both), None), runs_before(None, both)):
        with pytest.raises(InputError, match=rf"^--\w+ .*both: was trained on {len(val)} of the {len(val)} studies"):
            check_unseen(before, val)


def test_what_is_not_a_run_was_not_trained(tmp_path):
    assert runs_before(None, None) == {} and runs_before(None, tmp_path) == {}
    assert runs_before(str(tmp_path / "weights.npz"), None) == {}


def test_studies_of_a_loaded_run_stay_seen_each_once(data_set, tmp_path, capsys):
    turned = dataclasses.replace(data_set, splits=np.where(data_set.splits == "test", "train", "test"))
    turned.splits[:2] = "val"
    own = leaks.fingerprints(data_set.split("train"))
    loaded = light_run(tmp_path / "loaded", turned, "annotate-text")
    before = runs_before(str(loaded), loaded)
    assert len(before) == 2  # by --load and by --vocab
    found = with_seen(own, before)
    assert found[: len(own)] == own and len(set(found)) == len(found)
    assert sorted(found[len(own) :]) == sorted(set(leaks.fingerprints(turned.split("train"))) - set(own))
    assert with_seen(own, {}) == own
    (loaded / "studies.json").unlink()
    assert with_seen(own, runs_before(str(loaded), None)) == own
    assert "has no studies.json" in capsys.readouterr().err
