"""How a report is written: the method and its settings, without TensorFlow. The methods are in `generate`."""

from dataclasses import dataclass, replace

from tienet.config import Config
from tienet.errors import InputError

ALONE = ("greedy", "beam", "sample")
"""The methods of which the network needs no other one."""

METHODS = (*ALONE, "consistent")
"""All methods. By `consistent` the network writes several candidates, of which two other networks choose one."""


@dataclass(frozen=True)
class Decoding:
    """How a report is written.

    Attributes:
        method: One of `METHODS`.
        max_words: The largest number of words of a report. None: the run's `written_words`.
        width: The number of beams that beam search keeps.
        length_norm: Beam search divides a beam's log-probability by its length, <END> counted, to this power; 0: not at
            all.
        temperature: What sampling divides the logits by; below 1 it makes likely words likelier. None: 1 for `sample`
            and `CONSISTENT_TEMPERATURE` for `consistent`.
        seed: The seed of sampling.
        no_repeat: No sequence of so many words comes twice in a report; 0: any may. Not by beam search.
        end_penalty, end_penalty_words: Greedy decoding takes ln p(<END>) after n words as lower by end_penalty * max(0,
            1 - n / end_penalty_words), since the likeliest report is much shorter than a usual one. None: the run's
            settings.
        candidates: How many reports `consistent` writes of an image to choose from: the greedy one, and samples.
        likelihood_weight, consistency_weight, agreement_weight: What `consistent` chooses by is the sum of the three
            scores of `tienet.inference.candidate_scores`, each times its weight.
        margin: How far the log-odds of a finding may lie below the judge's threshold and still count for a candidate
            that says it.
    """

    method: str = "greedy"
    max_words: int | None = None
    width: int = 3
    length_norm: float = 1.0
    temperature: float | None = None
    seed: int = 0
    no_repeat: int = 0
    end_penalty: float | None = None
    end_penalty_words: int | None = None
    candidates: int = 16
    likelihood_weight: float = 0.0
    consistency_weight: float = 1.0
    agreement_weight: float = 0.05
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"decoding {self.method!r} is not known; choose one of {', '.join(METHODS)}")
        if self.temperature is None:
            object.__setattr__(self, "temperature", CONSISTENT_TEMPERATURE if self.method == "consistent" else 1.0)
        for name in ("max_words", "width", "candidates", "end_penalty_words"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"decoding: {name} is {getattr(self, name)}, expected 1 or more")
        if self.no_repeat < 0 or self.no_repeat == 1:
            raise InputError(f"decoding: no_repeat is {self.no_repeat}, expected 2 or more words, or 0")
        for name in ("length_norm", "likelihood_weight", "consistency_weight", "agreement_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"decoding: {name} is {getattr(self, name)}, expected 0 or more")
        if self.end_penalty is not None and not 0 <= self.end_penalty < float("inf"):
            raise InputError(f"decoding: end_penalty is {self.end_penalty}, expected 0 or more")
        if not abs(self.margin) < float("inf"):
            raise InputError(f"decoding: margin is {self.margin}, expected a number")
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"decoding: temperature is {self.temperature}, expected a number above 0")

    def completed(self, config: Config) -> "Decoding":
        """This decoding with the settings of a run where it has none of its own."""
        of_run = {
            "max_words": config.written_words,
            "end_penalty": config.end_penalty,
            "end_penalty_words": config.end_penalty_words,
        }
        return replace(self, **{name: value for name, value in of_run.items() if getattr(self, name) is None})


CONSISTENT_TEMPERATURE = 0.7
"""At temperature 1 most samples have a sentence that fits nothing."""
