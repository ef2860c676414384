"""The earlier run of a run that has learnt from the training and the validation split (`--train-on train+val`).

Such a run has no studies left to be validated on. The earlier run, which was trained on the training split alone, says
how many epochs it takes, and has the thresholds and temperatures that were chosen on the validation split while that
was not learnt from. All of it is copied into run.json when the run starts, so that it ends as it should where the
earlier run is gone:

train_on       "train+val"; a run that was trained on the training split alone has neither of these two
earlier_run    `EarlierRun.to_json`
"""

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from tienet.checkpoint.entries import is_number
from tienet.config import Config
from tienet.errors import InputError
from tienet.labels import K

if TYPE_CHECKING:
    from tienet.checkpoint.calibration import Calibration

TRAIN, BOTH = "train", "train+val"
"""What a run may be trained on: the training split, or the training and the validation split."""

LAST_EPOCH = "the last epoch"
"""`chosen_by` of the checkpoint that such a run keeps as its best."""

MEASURES = ("AUC", "BLEU-4", "CIDEr")
"""What `EarlierRun.validation` may have."""


@dataclass(frozen=True)
class EarlierRun:
    """What a run on both splits has from the earlier one.

    Attributes:
        name: The name of its folder.
        checkpoint: The name of its best checkpoint.
        sha256: The SHA-256 of that checkpoint's .index file, which holds a checksum of every tensor.
        epoch: The epoch of that checkpoint, from 1 on, which is how many the run on both splits takes.
        chosen_by: The score that it was chosen by.
        validation: What it reached on the validation split, by the names in MEASURES; those that are known.
        flaw: Why nobody can use its reports (`Writing.flaw`); empty: one can, or it writes none.
        identity: The fingerprints of its data set, vocabulary, word vectors and backbone, and of the weights that it
            started from, by their names in run.json; None for what it has not, or does not say.
        thresholds: K thresholds of its uncalibrated probabilities; None in mode `caption`.
        calibration: Its calibration; None if it has none.
        differs: Its values of the settings that the run on both splits was given otherwise, by name.
    """

    name: str
    checkpoint: str
    sha256: str
    epoch: int
    chosen_by: str
    validation: dict[str, float]
    flaw: str
    identity: dict[str, str | None]
    thresholds: list[float] | None
    calibration: "Calibration | None"
    differs: dict[str, object] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Its name and its checkpoint, for people."""
        return f"{self.name}, {self.checkpoint}"

    @property
    def given_calibration(self) -> "Calibration | None":
        """Its calibration as the run on both splits takes it: with its source."""
        return None if self.calibration is None else replace(self.calibration, source=self.source)

    def to_json(self) -> dict[str, object]:
        """All of it as a dict that JSON can hold; `from_json` reads it."""
        from tienet.checkpoint import calibration as calibrations  # only here, as below: it imports SciPy

        calibration = None if self.calibration is None else calibrations.to_json(self.calibration)
        return {name: value for name, value in asdict(self).items() if name != "calibration"} | {
            "calibration": calibration
        }

    @classmethod
    def from_facts(cls, where: str, facts: dict[str, object]) -> "EarlierRun | None":
        """Read it from the content of a run.json; None for a run that was trained on the training split alone.

        Args:
            where: The path of that file, for the message of an error.
        Raises:
            InputError: It is not what was written there.
        """
        from tienet.checkpoint import calibration as calibrations

        if facts.get("train_on", TRAIN) == TRAIN and "earlier_run" not in facts:
            return None
        entry = facts.get("earlier_run")
        if facts.get("train_on") != BOTH or not _is_sound(entry):
            raise InputError(f"{where}: its train_on and earlier_run are not what was written there; put it back")
        given = entry["calibration"]
        calibration = None if given is None else calibrations.from_json(f"{where}, earlier_run", given)
        return cls(**{**entry, "calibration": calibration})


_TEXTS = ("name", "checkpoint", "sha256", "chosen_by", "flaw")


def _is_sound(entry: object) -> bool:
    if not isinstance(entry, dict) or set(entry) != set(EarlierRun.__dataclass_fields__):
        return False
    validation, identity, thresholds = entry["validation"], entry["identity"], entry["thresholds"]
    return (
        all(type(entry[name]) is str for name in _TEXTS)
        and type(entry["epoch"]) is int
        and entry["epoch"] >= 1
        and isinstance(validation, dict)
        and all(name in MEASURES and is_number(value, 0, 10) for name, value in validation.items())
        and isinstance(identity, dict)
        and all(type(value) in (str, type(None)) for value in identity.values())
        and (thresholds is None or _are_thresholds(thresholds))
        and isinstance(entry["calibration"], dict | None)
        and isinstance(entry["differs"], dict)
        and set(entry["differs"]) <= set(Config.__dataclass_fields__)
    )


def _are_thresholds(values: object) -> bool:
    return isinstance(values, list) and len(values) == K and all(is_number(value, 0, 1) for value in values)
