"""What several evaluations in one process make once and use together."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from tienet.evaluation.labeller import Labeller
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.options import Options


class EvaluationCache:
    """METEOR's process, the labeller, and results such as the controls' metrics, which do not depend on the checkpoint.

    Use it as a context manager, which ends the process and the labeller. Each entry is made when it is first needed.

    Args:
        options: The options that all evaluations with this cache have in common.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._stack = ExitStack()
        self._entries: dict[object, Any] = {}

    def __enter__(self) -> "EvaluationCache":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def get_or_make(self, key: object, make: Callable[[], Any]) -> Any:
        """The entry of `key`: what `make()` returned when the key was asked for the first time."""
        if key not in self._entries:
            self._entries[key] = make()
        return self._entries[key]

    @property
    def scorer(self) -> CaptionScorer:
        """The scorer of the caption metrics.

        Raises:
            InputError: Java is asked for, and it is missing or does not work.
        """
        return self.get_or_make("scorer", lambda: self._stack.enter_context(CaptionScorer(java=self.options.java)))

    @property
    def labeller(self) -> Labeller | None:
        """The labeller that the options name; None if they name none."""
        load = self.options.labeller
        return self.get_or_make("labeller", lambda: self._stack.enter_context(Labeller(load))) if load else None
