"""What the reports of a checkpoint were like on the validation split: kept in its entry, said where it is loaded."""

import sys
from dataclasses import asdict, dataclass, fields

CUT_SHARE = 0.1
"""The largest share of written reports that may be cut because they do not end."""

DISTINCT_SHARE, DISTINCT_ENOUGH = 0.02, 20
"""Different reports that must be written at least: one for every fifty studies, but at least two of them, and never
more than DISTINCT_ENOUGH, since a large split needs no more."""


@dataclass(frozen=True)
class Writing:
    """What the written reports of a validation split were like.

    Attributes:
        studies: The number of studies, for each of which a report was written.
        cut: How many reports were cut at `cut_at` words, since they had not come to an end there.
        cut_at: The largest number of words that were written (`Config.written_words`).
        distinct: The number of different reports.
        words_mean: The mean number of words of a report.
        bleu4: BLEU-4, 0 to 1, as `captions.bleu4` gives it; None without a true report.
        cider: CIDEr, 0 to 10, as `captions.cider` gives it; None without a true report.
    """

    studies: int
    cut: int
    cut_at: int
    distinct: int
    words_mean: float
    bleu4: float | None
    cider: float | None

    @property
    def ended(self) -> float:
        """The share of the reports that came to their end."""
        return 1 - self.cut / self.studies

    @property
    def flaw(self) -> str | None:
        """Why nobody can use such reports, in one line: they do not end, or are all one or nearly; None: one can."""
        enough = max(min(2, self.studies), min(DISTINCT_SHARE * self.studies, DISTINCT_ENOUGH))
        found, needed = [], "more epochs or more reports to learn from"
        if self.cut > CUT_SHARE * self.studies:
            found.append(f"{self.cut:,} do not end and were cut at {self.cut_at} words")
            needed += ", or a larger written_words if true reports are as long"
        if self.distinct < enough:
            found.append("all are the same" if self.distinct == 1 else f"only {self.distinct} are different")
        if not found:
            return None
        return f"of the {self.studies:,} reports that it wrote in validation {' and '.join(found)}; it needs {needed}"

    @classmethod
    def from_json(cls, value: object) -> "Writing | None":
        """The inverse of `to_json`; None if the value is not what was written there."""
        if not isinstance(value, dict) or value.keys() != {field.name for field in fields(cls)}:
            return None
        counts = [value[name] for name in ("studies", "cut", "cut_at", "distinct")]
        numbers = [value["words_mean"], *(value[name] for name in ("bleu4", "cider") if value[name] is not None)]
        sound = (
            all(type(count) is int and 0 <= count < 2**63 for count in counts)
            and value["studies"] >= max(value["cut"], value["distinct"], 1)
            and all(type(number) in (int, float) and 0 <= number <= sys.float_info.max for number in numbers)
        )
        return cls(**value) if sound else None

    def to_json(self) -> dict[str, object]:
        """The facts as JSON holds them."""
        return asdict(self)
