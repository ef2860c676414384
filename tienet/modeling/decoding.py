"""How a report is written: the method and its settings, without TensorFlow. The methods are in `generate`."""

from dataclasses import dataclass

from tienet.errors import InputError

METHODS = ("greedy", "beam", "sample")


@dataclass(frozen=True)
class Decoding:
    """How a report is written.

    Attributes:
        method: One of `METHODS`.
        max_words: The largest number of words of a report.
        width: The number of beams that beam search keeps.
        length_norm: Beam search divides a beam's log-probability by its length, <END> counted, to this power; 0: not at
            all.
        temperature: What sampling divides the logits by; below 1 it makes likely words likelier.
        seed: The seed of sampling.
    """

    method: str = "greedy"
    max_words: int = 100
    width: int = 3
    length_norm: float = 1.0
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"decoding {self.method!r} is not known; choose one of {', '.join(METHODS)}")
        for name in ("max_words", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"decoding: {name} is {getattr(self, name)}, expected 1 or more")
        if not 0 <= self.length_norm < float("inf"):
            raise InputError(f"decoding: length_norm is {self.length_norm}, expected 0 or more")
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"decoding: temperature is {self.temperature}, expected a number above 0")
