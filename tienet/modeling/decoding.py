"""How a report is written: the method and its settings, without TensorFlow. The methods are in `generate`."""

from dataclasses import dataclass, replace

from tienet.config import Config
from tienet.errors import InputError

ALONE = ("greedy", "beam", "sample")
"""The methods of which the network needs no other one."""

METHODS = (*ALONE, "consistent")
"""All methods. By `consistent` the network writes several candidates, of which two other networks choose one."""


MAX_WIDTH, MAX_CANDIDATES = 100, 1000
"""The most beams and candidates of an image: each takes memory, and no report gets better by more."""


class DecodingError(InputError):
    """A setting of a `Decoding` is wrong: its name, its value, and what was expected."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"decoding: {name} is {value}, expected {expected}")
        self.name, self.value, self.expected = name, value, expected


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
        no_repeat: No sequence of so many words comes twice in a report; 0: any may. None: the run's setting. Not by
            beam search.
        findings_penalty, findings_words: `greedy` and `consistent` take ln p of the heading "impression" after n words
            as lower by findings_penalty * max(0, 1 - n / findings_words): the likeliest findings are much shorter than
            usual ones, as one word ends them and many go on with them. None: the run's settings.
        impression: The id of that heading, which the network sets; None: the vocabulary has no such word.
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
    no_repeat: int | None = None
    findings_penalty: float | None = None
    findings_words: int | None = None
    impression: int | None = None
    candidates: int = 16
    likelihood_weight: float = 0.0
    consistency_weight: float = 1.0
    agreement_weight: float = 0.05
    margin: float = 0.5

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"decoding {self.method!r} is not known; choose one of {', '.join(METHODS)}")
        if self.temperature is None:
            object.__setattr__(self, "temperature", CONSISTENT_TEMPERATURE if self.method == "consistent" else 1.0)
        for name in ("max_words", "findings_words"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise self._refusal(name, "1 or more")
        for name, most in (("width", MAX_WIDTH), ("candidates", MAX_CANDIDATES)):
            if not 1 <= getattr(self, name) <= most:
                raise self._refusal(name, f"1 to {most:,}")
        if not -(2**63) <= self.seed < 2**63:
            raise self._refusal("seed", "a number of 64 bits")
        if self.no_repeat is not None and (self.no_repeat < 0 or self.no_repeat == 1):
            raise self._refusal("no_repeat", "2 or more words, or 0")
        for name in ("length_norm", "likelihood_weight", "consistency_weight", "agreement_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise self._refusal(name, "0 or more")
        if self.findings_penalty is not None and not 0 <= self.findings_penalty < float("inf"):
            raise self._refusal("findings_penalty", "0 or more")
        if not abs(self.margin) < float("inf"):
            raise self._refusal("margin", "a number")
        if not 0 < self.temperature < float("inf"):
            raise self._refusal("temperature", "a number above 0")

    def _refusal(self, name: str, expected: str) -> InputError:
        return DecodingError(name, getattr(self, name), expected)

    def completed(self, config: Config, impression: int | None = None) -> "Decoding":
        """This decoding with the settings of a run where it has none of its own.

        Args:
            config: The run's settings.
            impression: The id of the heading "impression" in the run's vocabulary.
        """
        of_run = {
            "max_words": config.written_words,
            "no_repeat": config.no_repeat,
            "findings_penalty": config.findings_penalty,
            "findings_words": config.findings_words,
            "impression": impression,
        }
        return replace(self, **{name: value for name, value in of_run.items() if getattr(self, name) is None})


CONSISTENT_TEMPERATURE = 0.7
"""At temperature 1 most samples have a sentence that fits nothing."""
