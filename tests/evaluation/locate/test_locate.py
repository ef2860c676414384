"""Which cases the page shows, and which runs are refused. What a whole evaluation writes is in the command's test."""

from pathlib import Path

import numpy as np
import pytest

from tests.light_run import light_run
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.locate.cases import Case, Cases, read_cases
from tienet.evaluation.locate.locate import choose, open_runs
from tienet.evaluation.options import Options


def test_findings_take_turns():
    findings = ["Mass"] * 4 + ["Nodule"] * 2 + ["Hernia"]
    cases = [Case(n, finding, np.zeros((1, 4))) for n, finding in enumerate(findings)]
    nothing = Manifest("x", Path("x"), [], [], [], [], np.array([]), np.zeros((0, 15)))
    made = Cases(nothing, cases, Path("boxes.csv"), 0)
    assert choose(made, 4) == [0, 1, 4, 6]
    assert choose(made, 100) == list(range(7)) and choose(made, 0) == []


@pytest.fixture(scope="module")
def of_split(data_root):
    """The cases of a split of the phantoms."""
    return lambda split: read_cases(manifests.load("phantom", data_root).split(split), None)


@pytest.fixture(scope="module")
def lights(data_root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lights")
    for mode in ("report", "classify", "caption", "annotate"):
        light_run(folder / mode, manifests.load("phantom", data_root), mode, data="phantom")
    return folder


def test_runs_are_named_by_what_tells_them_apart(lights, of_split, data_root):
    loads, cases = [str(lights / mode) for mode in ("report", "classify", "annotate")], of_split("test")
    assert list(open_runs(loads, cases, Options())) == ["report", "classify", "annotate"]
    latest = light_run(
        lights / "others" / "report", manifests.load("phantom", data_root), "report", "latest-10", data="phantom"
    )
    assert list(open_runs([loads[0], str(latest)], cases, Options())) == ["report/best-10", "report/latest-10"]
    same = [str(lights / "report"), str(lights / "report" / "checkpoints")]
    assert list(open_runs(same, cases, Options())) == same


def test_what_cannot_be_judged_is_refused(lights, of_split):
    report = str(lights / "report")
    with pytest.raises(InputError, match="is given twice"):
        open_runs([report, report], of_split("test"), Options())
    with pytest.raises(InputError, match="mode caption, but tienet locate needs"):
        open_runs([str(lights / "caption")], of_split("test"), Options())
    with pytest.raises(InputError, match="was trained on"):
        open_runs([report], of_split("train"), Options(split="train"))
    assert open_runs([report], of_split("train"), Options(split="train", allow_seen=True))
