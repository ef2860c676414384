"""Every setting of a run: one frozen dataclass, its presets, its checks and its JSON."""

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from pathlib import Path

from tienet import files
from tienet.errors import InputError
from tienet.grid import transition_for
from tienet.modes import Mode, mode_from_name


@dataclass(frozen=True)
class Config:
    """All settings; the defaults are the paper's (preset `paper`). Letters as in `tienet/README.md`."""

    # What is trained, on what
    mode: str = "annotate"
    data: str = "chestxray14"  # NAME of data/NAME/manifest.csv, or a manifest's path
    seed: int = 0  # of the weights, the batch order and dropout

    # Image side
    image_px: int = 512  # side of the square that the image is resized to, in pixels
    backbone_end: str = "res5c"  # last layer of the frozen ResNet-50: res5c (stride 32) or res4f (stride 16)
    feature_norm: bool = False  # standardise the backbone's channels by the training images' mean and std
    grid_position: bool = False  # the transition also sees where a location is, so that words can tell the side
    transition_channels: int = 1024  # C
    attention_units: int = 256  # hidden units of the spatial attention
    attention_norm: bool = False  # standardise W_x x over the locations before the scores (see tienet/README.md)
    attention_gate: bool = False  # Xu's beta_t: how much a step looks at the image
    pooling: str = "lse"  # of mode classify: lse, mean or max
    lse_r: float = 10.0  # r of log-sum-exp pooling
    features: str = "cache"  # "cache": backbone outputs are computed once; "off": at every step, from images

    # Text side
    lstm_units: int = 256  # H
    attention_rows: int = 5  # r of eq. 3
    attention_hidden: int = 2000  # s of eq. 3
    output_hidden: int = 0  # ReLU units before the output layer; 0: none
    max_words: int = 300  # words of a report that are read; what is longer is cut, and counted
    word_vector_std: float | None = None  # rescale the first word vectors to this std; null: as they were made
    report_drop: float = 0.0  # share of training words (or reports) that the network does not see
    report_drop_unit: str = "words"  # "words" or "reports"

    # Writing
    deep_output: bool = False  # Xu's output layer: the next word depends on w_t, h_t and z_t, not on h_t alone
    written_words: int = 100  # most words that are written
    classify_on: str = "true"  # report that the classifier of mode report is trained on: true, own or half
    scheduled_sampling: float = 0.0  # share of the words read in training that the model drew itself

    # Loss
    alpha: float | None = None  # of eq. 7; null: the mode's own
    penalty: float = 1.0  # weight of ||G G^T - I||_F^2
    weighted_loss: bool = True  # beta and lambda of eq. 6; false: all 1
    l2: float = 1e-4  # weight decay, not on biases and word vectors
    doubly_stochastic: float = 1e-4  # weight of Xu's term; more makes the attention uniform (tienet/README.md)
    dropout: float = 0.5  # share of [x_aete; x_swgap] dropped in training
    dropout_image: float | None = None  # share of x_swgap that is dropped; null: as dropout

    # Optimisation
    batch: int = 32  # studies per update
    epochs: int = 50  # at most
    patience: int = 8  # epochs without a better validation AUC before training stops; 0: never stops
    learning_rate: float = 1e-3  # of Adam
    lr_drop_at: float = 1.0  # share of the epochs after which the rate is divided by ten; 1: constant

    def __post_init__(self) -> None:
        _check_types(self)
        _check_ranges(self)
        if mode_from_name(self.mode).image:
            transition_for(self.image_px, self.backbone_end)  # raises with the sizes that are possible

    @property
    def loss_alpha(self) -> float:
        """alpha of eq. 7."""
        return self.mode_parts.alpha if self.alpha is None else self.alpha

    @property
    def mode_parts(self) -> Mode:
        """The row of the table of modes."""
        return mode_from_name(self.mode)

    def replace(self, **settings: object) -> "Config":
        """This config with other values; an unknown name is an InputError that lists the names."""
        _check_names(settings)
        return dataclasses.replace(self, **settings)

    def with_texts(self, texts: dict[str, str], settings: dict[str, object] | None = None) -> "Config":
        """As `replace`, with `texts` as typed at the prompt (`--set KEY=VALUE`), and further `settings`."""
        _check_names(texts)
        for name in texts.keys() & (settings or {}).keys():
            raise InputError(f"setting {name} is given twice, as --set {name}={texts[name]} too; leave one of them out")
        return self.replace(**{name: _parse(name, text) for name, text in texts.items()}, **(settings or {}))

    def to_json(self) -> dict[str, object]:
        """The settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, object]) -> "Config":
        """The inverse of `to_json`; an unknown or misspelt name is an InputError."""
        return cls().replace(**settings)

    def save(self, path: Path) -> None:
        """Write the settings as JSON."""
        files.write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read what `save` wrote; a file that is not JSON is an InputError."""
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not a JSON file ({error})") from error
        return cls.from_json(settings)


PRESETS: dict[str, dict[str, object]] = {
    "paper": {},
    "lin2017": {"attention_hidden": 350, "output_hidden": 2000},
    "openi": {
        "image_px": 256,
        "backbone_end": "res4f",
        "transition_channels": 128,
        "attention_units": 64,
        "attention_norm": True,
        "doubly_stochastic": 0.0,
        "word_vector_std": 1.0,
        "attention_rows": 16,
        "penalty": 0.01,
        "dropout": 0.2,
        "lr_drop_at": 0.6,
        "epochs": 18,
        "patience": 0,
    },
}
"""Settings that go together: `paper` is the defaults; `lin2017` reads the paper's training paragraph as Lin et al.
(2017) have it; `openi` was found on the validation split of OpenI, which is far smaller than the paper's data."""

PRESETS_BY_MODE: dict[str, dict[str, dict[str, object]]] = {
    "openi": {
        "annotate": {"dropout_image": 0.8},
        "classify": {"feature_norm": True, "pooling": "mean", "dropout": 0.5, "epochs": 10},
        "caption": {"feature_norm": True},
        "report": {"feature_norm": True, "classify_on": "half", "dropout": 0.5},
    },
}
"""What a preset has besides for one mode."""


def preset_settings(name: str, mode: str) -> dict[str, object]:
    """The settings of a preset for a mode; InputError that lists the presets for another name."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(PRESETS)}")
    return PRESETS[name] | PRESETS_BY_MODE.get(name, {}).get(mode, {})


def preset(name: str, mode: str = Config.mode) -> Config:
    """The config of a preset for a mode; InputError that lists the presets, or the modes, for another name."""
    return Config().replace(mode=mode, **preset_settings(name, mode))


_TYPES = typing.get_type_hints(Config)
_CHOICES = {
    "backbone_end": ("res5c", "res4f"),
    "features": ("cache", "off"),
    "report_drop_unit": ("words", "reports"),
    "pooling": ("lse", "mean", "max"),
    "classify_on": ("true", "own", "half"),
}
_AT_LEAST_ONE = (
    "image_px", "transition_channels", "attention_units", "lstm_units", "attention_rows", "attention_hidden",
    "max_words", "written_words", "batch", "epochs",
)  # fmt: skip
_AT_LEAST_ZERO = ("seed", "output_hidden", "penalty", "l2", "patience", "doubly_stochastic")
_SHARES = {
    "report_drop": 1.0,
    "alpha": 1.0,
    "dropout": 0.99,
    "dropout_image": 0.99,
    "lr_drop_at": 1.0,
    "scheduled_sampling": 1.0,
}  # 0 to this value
_POSITIVE = ("learning_rate", "word_vector_std", "lse_r")


def _check_names(settings: dict[str, object]) -> None:
    for name in settings:
        if name not in _TYPES:
            raise InputError(f"setting {name!r} is not known; there are {', '.join(_TYPES)}")


def _allowed(name: str) -> tuple[type, ...]:
    annotation = _TYPES[name]
    return typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)


def _parse(name: str, text: str) -> object:
    if _allowed(name) == (str,):
        return text
    for read in (json.loads, float):  # ".5" and "1." are numbers to people, not to JSON
        try:
            return read(text)
        except ValueError:
            continue
    return text  # the type check says what was expected


def _check_types(config: Config) -> None:
    for field in dataclasses.fields(config):
        value, allowed = getattr(config, field.name), _allowed(field.name)
        if float in allowed and type(value) is int:
            object.__setattr__(config, field.name, float(value))
        elif type(value) not in allowed:
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
            raise InputError(f"setting {field.name}={value!r}: expected {wanted}")


def _check_ranges(config: Config) -> None:
    def refuse(name: str, expected: str) -> typing.NoReturn:
        raise InputError(f"setting {name}={getattr(config, name)!r}: expected {expected}")

    def misses(name: str, holds: typing.Callable[[float], bool]) -> bool:
        value = getattr(config, name)
        return value is not None and not holds(value)  # NaN holds nothing

    for name, choices in _CHOICES.items():
        if getattr(config, name) not in choices:
            refuse(name, " or ".join(choices))
    for name in _AT_LEAST_ONE:
        if misses(name, lambda value: value >= 1):
            refuse(name, "1 or more")
    for name in _AT_LEAST_ZERO:
        if misses(name, lambda value: 0 <= value < float("inf")):
            refuse(name, "0 or more")
    for name, most in _SHARES.items():
        if misses(name, lambda value, most=most: 0 <= value <= most):
            refuse(name, f"a number from 0 to {most:g}")
    for name in _POSITIVE:
        if misses(name, lambda value: 0 < value < float("inf")):
            refuse(name, "a number above 0")
    if config.mode_parts.alpha in (0.0, 1.0) and config.alpha not in (None, config.mode_parts.alpha):
        refuse("alpha", f"{config.mode_parts.alpha:g} or null: mode {config.mode} has one of the two losses only")
    if config.mode_parts.writes and config.report_drop and config.report_drop_unit == "reports":
        refuse("report_drop_unit", f"words: mode {config.mode} learns to write from every report")
