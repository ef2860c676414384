"""The map of each case: what a run looks at, or where it sees the finding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun
from tienet.data.dataflow import Studies
from tienet.evaluation.locate.cases import Case, Cases
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS
from tienet.modeling import outputs
from tienet.modes import Mode

MODES = ("report", "annotate", "classify")
"""The modes whose maps can be judged."""

WHAT = {
    "report": "a_ws (eq. 4) while it writes its own report, one map for all findings of a study",
    "annotate": "a_ws (eq. 4) while it reads the report, one map for all findings of a study",
    "classify": "the class activation of the finding: the classifier's w x at each place",
}
"""The map of each mode, in words."""


@dataclass(frozen=True)
class RunMaps:
    """The maps of one run.

    Attributes:
        name: What the run is called in tables.
        mode: The run's mode.
        maps: For each case float [D, D].
        untrained: The same of the same network with weights that were never trained, but for the frozen backbone.
    """

    name: str
    mode: str
    maps: Sequence[np.ndarray]
    untrained: Sequence[np.ndarray]


def maps_of(run: OpenedRun, name: str, cases: Cases, seed: int) -> RunMaps:
    """The maps of a run for all cases; `seed` draws the weights of the network that was not trained.

    Raises:
        InputError: The run's checkpoint or its backbone is damaged, or an image cannot be read.
    """
    found, studies = [], None
    for untrained in (None, seed):
        with Predictor(run, untrained=untrained) as predictor:
            studies = studies or predictor.studies(cases.studies)
            found.append(list(_each(predictor, studies, cases.cases)))
    return RunMaps(name, run.config.mode, *found)


def _each(predictor: Predictor, studies: Studies, cases: Sequence[Case]) -> Iterator[np.ndarray]:
    """Yield the map of each case."""
    output = _output(predictor.config.mode_parts)
    rows = predictor.fetch(studies, [output], progress=True)[output]
    for case in cases:
        yield rows[case.n][..., LABELS.index(case.finding)] if output == outputs.CLASS_ACTIVATION else rows[case.n]


def _output(mode: Mode) -> str:
    return outputs.CLASS_ACTIVATION if mode.pools else outputs.A_WS
