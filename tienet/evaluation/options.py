"""What an evaluation is asked for, and what several of them share."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tienet.errors import InputError
from tienet.evaluation.labeller import Labeller
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.modeling.generate import Decoding
from tienet.modes import Mode

METRICS = ("all", "auc", "captions")


@dataclass(frozen=True)
class Options:
    """What to judge, and how.

    Attributes:
        split: train, val or test. features: "cache" or "off".
        metrics: "auc", "captions", or "all" that the mode has.
        controls: judge scikit-learn models and simple reports beside. pages: studies that get a page.
        resamples: of the bootstrap.
        decoding: how reports are written; None: greedily, as in training.
        labeller: a checkpoint of mode annotate-text that names the findings in reports; None: findings are not judged.
        java: False leaves METEOR out.
        allow_seen: judge studies that the checkpoint was trained on, too.
    """

    split: str = "test"
    features: str = "cache"
    metrics: str = "all"
    controls: bool = False
    pages: int = 20
    resamples: int = 1000
    decoding: Decoding | None = None
    labeller: str | None = None
    java: bool = True
    allow_seen: bool = False

    def __post_init__(self) -> None:
        for name, least in (("pages", 0), ("resamples", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)}: expected {least} or more")
        if self.metrics not in METRICS:
            raise InputError(f"--metrics {self.metrics}: expected {', '.join(METRICS)}")

    def check(self, mode: Mode, load: str) -> None:
        """Raise InputError where a checkpoint is asked for what its mode does not have."""
        if self.metrics == "auc" and not mode.classifies:
            raise InputError(f"{load}: mode {mode.name} has no classifier, so there is no AUC; leave --metrics auc out")
        asked = {"--metrics captions": self.metrics == "captions", "--decode": self.decoding is not None}
        for flag, given in asked.items():
            if given and not mode.writes:
                raise InputError(
                    f"{load}: mode {mode.name} writes no reports; leave {flag} out, or load caption or report"
                )


@dataclass
class Shared:
    """What several evaluations in one process use together: METEOR's process, the labeller, the controls.

    Use as a context manager; each part is started when it is needed first.
    """

    options: Options
    _stack: ExitStack = field(default_factory=ExitStack)
    _parts: dict = field(default_factory=dict)

    def __enter__(self) -> "Shared":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def once(self, key: object, make: Callable[[], Any]) -> Any:
        """What `make()` gave the first time that `key` was asked for."""
        if key not in self._parts:
            self._parts[key] = make()
        return self._parts[key]

    @property
    def scorer(self) -> CaptionScorer:
        """The caption metrics; InputError without Java, before anything is judged."""
        return self.once("scorer", lambda: self._stack.enter_context(CaptionScorer(java=self.options.java)))

    @property
    def labeller(self) -> Labeller | None:
        """The labeller, if there is to be one."""
        load = self.options.labeller
        return self.once("labeller", lambda: self._stack.enter_context(Labeller(load))) if load else None
