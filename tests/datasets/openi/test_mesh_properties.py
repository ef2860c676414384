"""What holds of the labels that follow from MeSH majors, for any majors."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.label_cells import steady
from tienet.datasets.openi import mesh
from tienet.labels import FINDINGS, LABELS, NO_FINDING

headings = [rule for rules in mesh.RULES.values() for rule in rules]
majors = st.lists(st.sampled_from([*headings, "normal", "Spine/degenerative", "Thickening/bronchi", "Mass"]) |
                  st.text(max_size=10), max_size=6)  # fmt: skip


def found(of: Sequence[str]) -> set[str]:
    labels_of = mesh.findings(of)
    return {name for name in FINDINGS if labels_of and labels_of[name]}


@steady
@given(majors)
def test_majors_give_all_15_labels_or_none_at_all(some):
    labels_of = mesh.findings(some)
    if labels_of is None:
        indexed = [major for major in some if major.strip()]
        assert not indexed or any("no indexing" in major.lower() for major in indexed)
        return
    assert tuple(labels_of) == LABELS and set(labels_of.values()) <= {0, 1}
    assert labels_of[NO_FINDING] == (0 if any(labels_of[name] for name in FINDINGS) else 1)


@steady
@given(majors, st.randoms())
def test_order_case_repetition_and_space_do_not_matter(some, random):
    some = [major for major in some if major.isascii()]
    other = [f" {major.upper()} ".replace("/", " / ") for major in [*some, *some[:1]]]
    random.shuffle(other)
    assert mesh.findings(other) == mesh.findings(some)


@steady
@given(majors, majors)
def test_each_major_counts_by_itself(some, more):
    assert found([*some, *more]) == found(some) | found(more)


@steady
@given(st.sampled_from([(finding, rule) for finding, rules in mesh.RULES.items() for rule in rules]),
       st.lists(st.sampled_from(["left", "mild", "apex", "bilateral", "pleura"]), max_size=4))  # fmt: skip
def test_a_rule_fits_whatever_qualifiers_stand_beside_its_own(rule, qualifiers):
    finding, wanted = rule
    heading, *needed = wanted.split("/")
    assert finding in found(["/".join([heading, *qualifiers, *needed])])


@steady
@given(majors, st.sampled_from([*LABELS, "all"]))
def test_the_majors_to_look_at_are_some_of_the_reports(some, label):
    matter = mesh.relevant_majors(label, some)
    assert set(matter) <= set(some) and (matter or not some)
    if label in found(some):
        assert all(label in found([major]) for major in matter)
