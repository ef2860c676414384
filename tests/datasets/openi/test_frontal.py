"""Which view is frontal: the rule, its exceptions, and both against Kaggle's table."""

import pytest

from tests.datasets.openi.nlm import FRONTAL_CODES, LATERAL_CODES
from tienet.datasets.openi import frontal
from tienet.datasets.openi.reports import read_reports
from tienet.datasets.openi.views import Views, read_projections

FRONT, SIDE = tuple(FRONTAL_CODES.items()), tuple(LATERAL_CODES.items())
UNKNOWN = (("EdgeHistogram", "f9p9k9"), ("CEDD", ""))


def test_views_are_told_by_their_codes_whatever_their_order():
    codes = {"7": {"7_IM-1-1": FRONT, "7_IM-1-2": SIDE}, "8": {"8_IM-1-1": SIDE, "8_IM-1-2": FRONT, "8_IM-1-3": FRONT}}
    views = frontal.told_views(codes)
    assert views == Views({"7": ["7_IM-1-1"], "8": ["8_IM-1-2", "8_IM-1-3"]}, {"7": ["7_IM-1-2"], "8": ["8_IM-1-1"]})


def test_of_two_views_exactly_one_is_frontal():
    for first, second in ((FRONT, FRONT), (SIDE, SIDE), (UNKNOWN, UNKNOWN)):
        assert frontal.by_rule({"a_IM-1-1": first, "a_IM-1-2": second}) == {"a_IM-1-1": True, "a_IM-1-2": False}


def test_a_view_of_which_nothing_is_known_is_frontal_where_it_is_alone():
    assert frontal.by_rule({"a_IM-1-7": UNKNOWN}) == {"a_IM-1-7": True}
    assert frontal.by_rule({"a_IM-1-2001": UNKNOWN}) == {"a_IM-1-2001": False}  # the number in the name
    assert frontal.by_rule({}) == {}


def test_an_exception_goes_before_the_rule():
    view, projection = next(iter(frontal._exceptions().items()))
    uid = view.split("_")[0]
    codes = SIDE if projection == "Frontal" else FRONT
    of_projection = frontal.told_views({uid: {view: codes}})
    assert getattr(of_projection, projection.lower()) == {uid: [view]}


@pytest.fixture(scope="module")
def real(shared) -> tuple[dict, dict[str, bool]]:
    """The codes of each report, and which views are frontal in Kaggle's table."""
    data = shared / "data" / "openi"
    codes = {uid: report.codes for uid, report in read_reports(data / "NLMCXR_reports.tgz").items()}
    table = read_projections(data / "indiana_projections.csv")
    frontal_names = {view for views in table.frontal.values() for view in views}
    return codes, {view: view in frontal_names for view in table.names()}


def test_the_real_views_are_those_of_kaggles_table(real):
    codes, truth = real
    views = frontal.told_views(codes)
    told = {view: True for of_report in views.frontal.values() for view in of_report}
    told |= {view: False for of_report in views.lateral.values() for view in of_report}
    assert len(told) == 7470 and {view: told[view] for view in truth} == truth


def test_the_rule_alone_is_wrong_for_about_one_real_view_in_a_hundred(real):
    codes, truth = real
    told = {view: front for of_report in codes.values() for view, front in frontal.by_rule(of_report).items()}
    wrong = {view for view, front in truth.items() if told[view] != front}
    assert wrong == frontal._exceptions().keys() and len(wrong) == 78
