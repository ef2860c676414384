"""What `benchmarks.gpu` measures, in the order of its weight, and what is aimed at.

VARIANTS are undecided settings of the environment: each is measured as further rows of a case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks.case import Case

GRAPHS = "--xla_gpu_enable_command_buffer=+WHILE --xla_gpu_command_buffer_unroll_loops=true"

VARIANTS: list[tuple[str, str, dict[str, str]]] = [
    ("graphs unrolled", "head", {"XLA_FLAGS": GRAPHS}),
    ("code kept", "train/annotate", {"TIENET_XLA_CACHE": "FOLDER/xla"}),
    ("code kept, again", "train/annotate", {"TIENET_XLA_CACHE": "FOLDER/xla"}),
]
"""(name, case, environment variables). XLA_FLAGS are added to those that are there; FOLDER is the temporary folder."""

SHORTER: dict[str, dict[str, object]] = {"head": {"words": [64]}}
"""Arguments of a case that its variants have instead, to save time."""

ADDED = ("XLA_FLAGS", "TF_XLA_FLAGS")
"""Variables whose value is added to the one that is there."""

DEFAULTS = {"TIENET_XLA_CACHE": "off"}
"""Variables of every case: what is compiled is compiled anew, so that its time is known."""


@dataclass(frozen=True)
class Planned:
    """A case of the plan.

    Attributes:
        case: What is measured.
        timeout: Seconds after which it is given up.
        variant: Added to the names of its rows, in brackets; empty for the case itself.
        environment: Variables beside those of this process.
    """

    case: Case
    timeout: float = 90.0
    variant: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the case, with that of the variant."""
        return self.row_name(self.case.name)

    def row_name(self, name: str) -> str:
        """The name of a row of this case, with that of the variant."""
        return f"{name} [{self.variant}]" if self.variant else name


@dataclass(frozen=True)
class Aim:
    """What a row should reach.

    Attributes:
        at_most, at_least: The limit, of the figure or of the ratio; None: there is no such one.
        of: The row that the figure is divided by; None: the figure itself counts.
    """

    at_most: float | None = None
    at_least: float | None = None
    of: str | None = None

    def __str__(self) -> str:
        limit = f"at most {self.at_most:g}" if self.at_least is None else f"at least {self.at_least:g}"
        return f"{limit} times {self.of}" if self.of else limit

    def reached_by(self, value: float) -> bool:
        """Whether the figure, or the ratio where `of` is given, is within the limit."""
        return value <= self.at_most if self.at_least is None else value >= self.at_least


AIMS = {
    "head/T=64": Aim(at_most=5),
    "head/T=128": Aim(at_most=2, of="head/T=64"),
    "head in PyTorch, eager/T=64": Aim(at_least=15, of="head/T=64"),
    "write/greedy/B=64": Aim(at_most=15),
    "write/beam/B=64": Aim(at_most=2, of="write/greedy/B=64"),
    "train/annotate": Aim(at_most=6),
    "train/annotate/compiling": Aim(at_most=20),
    "train/report": Aim(at_most=25),
    "train/report/compiling": Aim(at_most=20),
    "features/256 px JPEG to res4f": Aim(at_least=2500),
    "features/512 px JPEG to res5c": Aim(at_least=800),
    "classify/training": Aim(at_least=0.8, of="classify/decoding alone"),
    "one image to its report": Aim(at_most=40),
    "towers/float32/difference": Aim(at_most=1e-6),
    "share the GPU": Aim(at_least=2),
    "openi/all": Aim(at_most=300),
}
"""By the name of a row."""


def plan(pictures: str, data: tuple[str, str] | None, small: bool = False) -> list[Planned]:
    """All cases, in the order in which they are measured.

    Args:
        pictures: The folder for made-up pictures.
        data: A data set's folder and the file of the backbone's weights; None: no data set is trained on.
        small: Sizes for the CPU, to see that everything runs.
    """
    sizes = SMALL if small else {}

    def case(name: str, function: str, timeout: float = 90.0, **arguments: object) -> Planned:
        return Planned(Case(name, function, arguments | sizes.get(name, {})), timeout)

    half = {"classify_on": "half", "written_words": 60}
    cases = [
        case("head", "gpu_rows:head"),
        case("head in PyTorch", "gpu_rows:torch_head"),
        case("write", "gpu_rows:writing"),
        case("train/annotate", "gpu_rows:training", 120, mode="annotate"),
        case("train/report", "gpu_rows:training", 150, mode="report", settings=half),
        case("features", "gpu_images:features", 90, folder=pictures),
        case("classify", "gpu_images:classify", 90, folder=pictures),
        case("one image", "gpu_images:one_image", folder=pictures),
        case("placement", "gpu_rows:placement", 100),
        case("towers/TF32", "gpu_rows:towers", 120, tf32=True),
        case("towers/float32", "gpu_rows:towers", 120, tf32=False, updates=2),
        case("share the GPU", "gpu_rows:sharing", 90, seconds=3.0),  # long enough that they overlap
        case("bfloat16", "gpu_images:bfloat16", folder=pictures),
    ]
    cases += [_variant(cases, small, *variant) for variant in VARIANTS]
    if data is not None:
        whole = case("openi", "gpu_images:data_set", 900, data=data[0], backbone_weights=data[1])
        cases.append(replace(whole, environment={"TIENET_XLA_CACHE": "FOLDER/xla-of-openi"}))
    return [*cases, case("head in PyTorch, compiled", "gpu_rows:torch_head", 300, words=[64], compiled=True)]


def _variant(cases: list[Planned], small: bool, name: str, of: str, environment: dict[str, str]) -> Planned:
    base = next(planned for planned in cases if planned.case.name == of)
    case = base.case if small else replace(base.case, arguments=base.case.arguments | SHORTER.get(of, {}))
    return replace(base, case=case, variant=name, environment=environment)


_NETWORK = {
    "transition_channels": 8, "attention_units": 5, "lstm_units": 7, "attention_rows": 3, "attention_hidden": 11,
}  # fmt: skip
_TRAINING = {"studies": 12, "settings": {**_NETWORK, "batch": 4}}
_WRITING = {"written_words": 5, "classify_on": "half"}

SMALL = {
    "head": {"words": [3], "batch": 2, "side": 3, "steps": 2, "seconds": 0.0, "settings": _NETWORK},
    "head in PyTorch": {"words": [3], "batch": 2, "side": 3, "seconds": 0.0, "settings": _NETWORK},
    "write": {"tasks": [["greedy", 2], ["beam", 2]], "words": 4, "repeats": 1, "settings": _NETWORK},
    "train/annotate": _TRAINING,
    "train/report": {"studies": 8, "settings": {**_TRAINING["settings"], **_WRITING}},
    "features": {"images": 4, "kinds": [[256, "res4f"]], "batches": [2]},
    "classify": {"images": 8, "px": 300, "settings": {"batch": 4, "image_px": 256, "backbone_end": "res4f"}},
    "one image": {"px": 300, "words": 3, "repeats": 2, "settings": _NETWORK},
    "placement": {"studies": 8, "step": 2, "settings": {**_TRAINING["settings"], **_WRITING}},
    "towers/TF32": {"studies": 8, "updates": 2, "settings": {**_TRAINING["settings"], "written_words": 5}},
    "towers/float32": {"studies": 8, "updates": 2, "settings": {**_TRAINING["settings"], "written_words": 5}},
    "share the GPU": {"words": [3], "batch": 2, "side": 3, "steps": 2, "seconds": 0.0, "settings": _NETWORK},
    "bfloat16": {"images": 4, "compared": 2},
    "head in PyTorch, compiled": {"words": [3], "batch": 2, "side": 3, "seconds": 0.0, "settings": _NETWORK},
}
"""Arguments of each case for sizes that a CPU computes in seconds."""
