"""The plan of the phantom's studies: shares, splits, patients, and the places of the findings."""

from collections import Counter

import pytest

from tienet.datasets.phantom.facts import PLACES, SEVERITIES, plan
from tienet.labels import FINDINGS


def facts_of(studies) -> Counter:
    return Counter(fact.finding for study in studies for fact in study.facts)


def test_plan_has_the_shares_and_all_findings_in_all_splits():
    studies = plan(400, 0)
    by_split = {split: [study for study in studies if study.split == split] for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in by_split.items()} == {"train": 280, "val": 40, "test": 80}
    for split, least in (("train", 20), ("val", 2), ("test", 5)):
        counts = facts_of(by_split[split])
        assert min(counts[finding] for finding in FINDINGS) >= least, split
        assert max(counts.values()) - min(counts.values()) <= 3, split
    sizes = Counter(len(study.facts) for study in studies)
    assert set(sizes) == {0, 1, 2, 3} and 0.35 <= sizes[0] / 400 <= 0.45
    assert [study.number for study in studies] == list(range(1, 401))


def test_a_patient_lies_in_one_split_and_some_have_several_studies():
    studies = plan(400, 0)
    splits = {
        study.patient_id: {other.split for other in studies if other.patient == study.patient} for study in studies
    }
    assert all(len(of_patient) == 1 for of_patient in splits.values())
    assert set(Counter(Counter(study.patient for study in studies).values())) == {1, 2, 3}


def test_facts_are_where_they_may_be_and_do_not_overlap():
    for study in plan(300, 5):
        places = [(lung, fact.zone) for fact in study.facts for lung in fact.lungs]
        assert len(set(places)) == len(places), study
        assert len({fact.finding for fact in study.facts}) == len(study.facts)
        for fact in study.facts:
            sides, zones = PLACES[fact.finding]
            assert fact.side in sides and fact.zone in zones and fact.severity in SEVERITIES


@pytest.mark.parametrize("studies", [10, 11, 29, 1000])
def test_other_sizes(studies):
    planned = plan(studies, 1)
    assert len(planned) == studies and {study.split for study in planned} == {"train", "val", "test"}
    assert any(study.facts for study in planned if study.split == "train")


def test_seeds_differ():
    assert plan(50, 0) == plan(50, 0) != plan(50, 1)
