"""What an evaluation is asked for."""

from dataclasses import dataclass
from pathlib import Path

from tienet.errors import InputError
from tienet.modeling.decoding import Decoding
from tienet.modes import Mode

METRICS = ("all", "auc", "captions")
PROTOCOLS = ("r2gen", "rexrank")


@dataclass(frozen=True)
class Options:
    """What to evaluate, and how.

    Attributes:
        split: The split whose studies are evaluated: train, val or test.
        features: "cache" to use cached backbone features, "off" to compute them from the images.
        metrics: "auc", "captions", or "all" for every metric that the checkpoint's mode has.
        controls: Whether scikit-learn models and simple reports are evaluated for comparison.
        pages: The number of studies that get a page.
        resamples: The number of bootstrap resamples.
        decoding: How reports are written; None: greedily, as in training.
        reader, judge: The runs that choose among the candidates if the method of `decoding` is `consistent`; each one
            run, or several as one model.
        labeller: A checkpoint of mode annotate-text that names the findings in reports, or several that do it as one
            model; None: the findings in the reports are not compared.
        java: Whether Java may be used; without it METEOR is left out.
        allow_seen: Whether the studies may be ones that the checkpoint was trained on.
        protocol: One of PROTOCOLS: the reports are judged as another work does (`tienet.evaluation.protocols`), and
            nothing else is measured; None: the project's own evaluation.
        protocol_file: The file of that work with its studies.
    Raises:
        InputError: A number is too small, a word is not one of METRICS or PROTOCOLS, or options exclude each other.
    """

    split: str = "test"
    features: str = "cache"
    metrics: str = "all"
    controls: bool = False
    pages: int = 20
    resamples: int = 1000
    decoding: Decoding | None = None
    reader: str | tuple[str, ...] | None = None
    judge: str | tuple[str, ...] | None = None
    labeller: str | tuple[str, ...] | None = None
    java: bool = True
    allow_seen: bool = False
    protocol: str | None = None
    protocol_file: Path | None = None

    def __post_init__(self) -> None:
        for name, minimum in (("pages", 0), ("resamples", 1)):
            if getattr(self, name) < minimum:
                raise InputError(f"--{name} {getattr(self, name)}: expected {minimum} or more")
        if self.metrics not in METRICS:
            raise InputError(f"--metrics {self.metrics}: expected {', '.join(METRICS)}")
        if self.chooses and None in (self.reader, self.judge):
            raise InputError("--decode consistent: needs --reader and --judge")
        self._check_protocol()

    def _check_protocol(self) -> None:
        flag = f"--protocol {self.protocol}"
        if self.protocol is None:
            if self.protocol_file is not None:
                raise InputError(
                    f"--protocol-file {self.protocol_file}: needs --protocol, one of {', '.join(PROTOCOLS)}"
                )
            return
        if self.protocol not in PROTOCOLS:
            raise InputError(f"{flag}: expected {', '.join(PROTOCOLS)}")
        if self.protocol_file is None:
            theirs = (
                "annotation.json" if self.protocol == "r2gen" else "annotation.json, or ReXrank's test set of IU X-ray"
            )
            raise InputError(f"{flag}: needs --protocol-file, which names its studies: R2Gen's {theirs}")
        if self.metrics == "auc":
            raise InputError(f"{flag}: judges reports, and --metrics auc asks for labels; leave one of them out")
        if self.labeller is not None:
            raise InputError(f"{flag}: names no findings in reports; leave --labeller out")

    @property
    def chooses(self) -> bool:
        """Whether each report is chosen among candidates."""
        return self.decoding is not None and self.decoding.method == "consistent"

    def check(self, mode: Mode, load: str) -> None:
        """Raise InputError if the options ask for something that a checkpoint of this mode does not have."""
        if self.metrics == "auc" and not mode.classifies:
            raise InputError(f"{load}: mode {mode.name} has no classifier, so there is no AUC; leave --metrics auc out")
        needs_reports = {
            "--metrics captions": self.metrics == "captions",
            "--decode": self.decoding is not None,
            f"--protocol {self.protocol}": self.protocol is not None,
        }
        for flag, given in needs_reports.items():
            if given and not mode.writes:
                raise InputError(
                    f"{load}: mode {mode.name} writes no reports; leave {flag} out, or load caption or report"
                )
