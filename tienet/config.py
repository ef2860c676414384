"""The settings of a run: a frozen dataclass, with presets, checks, and reading and writing as JSON."""

import dataclasses
import json
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path

from tienet import files
from tienet.errors import InputError
from tienet.grid import transition_for
from tienet.modes import Mode, mode_from_name

BACKBONE_DTYPES = ("float32", "bfloat16")
"""What the frozen ResNet-50 may compute in."""


@dataclass(frozen=True)
class Config:
    """All settings of a run. The defaults are the paper's (preset `paper`); letters are as in `tienet/README.md`."""

    # What is trained, on what
    mode: str = "annotate"  # a name of the table in tienet/modes.py
    data: str = "chestxray14"  # NAME of data/NAME/manifest.csv, or the path of a manifest or of its folder
    seed: int = 0  # seed of the weights, the order of the batches and dropout

    # Image side
    image_px: int = 512  # side in pixels of the square that the image is resized to
    backbone_end: str = "res5c"  # last layer of the frozen ResNet-50: res5c (stride 32) or res4f (stride 16)
    backbone_dtype: str = "float32"  # what the ResNet-50 computes in: float32, or bfloat16, with 8 bits of precision
    feature_norm: bool = False  # standardise the backbone's channels by their mean and std on the training images
    grid_position: bool = False  # the transition also gets each location's position, so that reports can name the side
    transition_channels: int = 1024  # C
    attention_units: int = 256  # hidden units of the spatial attention
    attention_norm: bool = False  # standardise W_x x over the locations before the scores (see tienet/README.md)
    attention_gate: bool = False  # use Xu's beta_t: how much a step uses the image
    uniform_share: float = 0.0  # share of the saliency attention that is spread evenly over the image (eq. 5: 0)
    pooling: str = "lse"  # pooling of mode classify: lse, mean or max
    lse_r: float = 10.0  # r of log-sum-exp pooling
    features: str = "cache"  # "cache": the backbone's outputs are computed once; "off": at every step, from the images
    feature_dtype: str = "float16"  # how the cache keeps them: float16, or int8, half as large (data/features/rows.py)

    # Text side
    lstm_units: int = 256  # H
    attention_rows: int = 5  # r of eq. 3
    attention_hidden: int = 2000  # s of eq. 3
    output_hidden: int = 0  # ReLU units before the output layer; 0: no such layer
    max_words: int = 300  # words of a report that are read; a longer report is cut, and counted in a note
    word_vector_std: float | None = None  # rescale the first word vectors to this std; null: leave them as they are
    report_drop: float = 0.0  # share of the training words (or reports) that are hidden from the network
    report_drop_unit: str = "words"  # "words" or "reports"
    shuffle_sentences: bool = False  # training reports are read with their sentences in another order at each update
    join_reports: float = 0.0  # share of the updates at which annotate* read two studies as one

    # Writing
    deep_output: bool = False  # Xu's output layer: the next word depends on w_t, h_t and z_t, not on h_t alone
    written_words: int = 100  # the largest number of words that are written
    no_repeat: int = 0  # no sequence of so many words is written twice in a report; 0: any may
    findings_penalty: float = 0.0  # what ln p of the heading "impression" loses at first in greedy writing; 0: nothing
    findings_words: int = 40  # the number of words after which it loses nothing
    classify_on: str = "true"  # the report that mode report trains its classifier on: true, own or half
    scheduled_sampling: float = (
        0.0  # share of the words read in training that are drawn from the model's own predictions
    )

    # Loss
    alpha: float | None = None  # alpha of eq. 7; null: the mode's own value; below 1, annotate* also learn L_R
    finding_share: float | None = None  # share of L_R that studies with a finding have; null: what their number gives
    sentence_power: float = 0.0  # in L_R a sentence that stands n times in the training reports counts n^-power
    report_loss: str = "reports"  # whose mean L_R is: of "reports", each the mean of its words, or of all "words"
    penalty: float = 1.0  # weight of ||G G^T - I||_F^2
    weighted_loss: bool = True  # use the weights beta and lambda of eq. 6; false: all weights are 1
    l2: float = 1e-4  # weight decay, not on biases and word vectors
    doubly_stochastic: float = 1e-4  # weight of Xu's term; a large one makes the attention uniform (tienet/README.md)
    dropout: float = 0.5  # share of [x_aete; x_swgap] that is dropped in training
    dropout_image: float | None = None  # share of x_swgap that is dropped; null: the same as dropout

    # Optimisation
    batch: int = 32  # studies per update
    epochs: int = 50  # the largest number of epochs
    patience: int = 8  # epochs without a better checkpoint (Mode.chosen_by) before training stops; 0: never stops
    learning_rate: float = 1e-3  # learning rate of Adam
    writer_rate: float = 1.0  # what mode report's parts that write learn with, as a share of learning_rate
    lr_drop_at: float = 1.0  # share of the epochs after which the learning rate is divided by ten; 1: never

    def __post_init__(self) -> None:
        _check_types(self)
        _check_ranges(self)
        if mode_from_name(self.mode).image:
            transition_for(self.image_px, self.backbone_end)  # raises an InputError that names the possible sizes

    @property
    def loss_alpha(self) -> float:
        """alpha of eq. 7: the setting, or the mode's own value."""
        return self.mode_parts.alpha if self.alpha is None else self.alpha

    @property
    def map_remark(self) -> str | None:
        """What users of the attention map should know; None: nothing."""
        if not self.uniform_share or "uniform_share" in settings_without_effect(self.mode):
            return None
        share = f"{1 - self.uniform_share:.0%}"
        return f"the labels go by the attention map for {share}, and for the rest by all places of the image alike"

    @property
    def predicts_words(self) -> bool:
        """Whether there is a softmax over the next word: in the modes that write, and where L_R is a second task."""
        return self.mode_parts.writes or (self.mode_parts.reads and self.loss_alpha < 1)

    @property
    def reads_own_words(self) -> bool:
        """Whether the classifier learns from reports that the network writes itself."""
        return self.mode_parts.writes and self.mode_parts.classifies and self.classify_on != "true"

    @property
    def own_rows(self) -> slice:
        """The rows of a part of a batch whose reports the network writes itself for the classifier."""
        return slice(None) if self.classify_on == "own" else slice(1, None, 2)

    @property
    def weighs_sentences(self) -> bool:
        """Whether words count in L_R by how often their sentence is written."""
        return self.mode_parts.writes and self.sentence_power > 0

    @property
    def mode_parts(self) -> Mode:
        """Which parts of the network the mode has."""
        return mode_from_name(self.mode)

    def replace(self, **settings: object) -> "Config":
        """A copy of this config with other values.

        Raises:
            InputError: A name is unknown (the message lists the names), or a value is not allowed.
        """
        _check_names(settings)
        return dataclasses.replace(self, **settings)

    def with_texts(self, texts: dict[str, str], settings: dict[str, object] | None = None) -> "Config":
        """A copy of this config with values given as texts, and others given as values.

        Args:
            texts: The texts of settings, as typed on the command line (`--set KEY=VALUE`).
            settings: The values of further settings.
        Raises:
            InputError: As in `replace`; also if a setting is given twice, or one of `texts` has no effect in the mode.
        """
        _check_names(texts)
        for name in texts.keys() & (settings or {}).keys():
            raise InputError(f"setting {name} is given twice, as --set {name}={texts[name]} too; leave one of them out")
        config = self.replace(**{name: _parse(name, text) for name, text in texts.items()}, **(settings or {}))
        reasons = settings_without_effect(config.mode)
        for name, text in texts.items():
            if name in reasons:
                raise InputError(
                    f"setting {name}={text} has no effect: mode {config.mode} {reasons[name]}; leave it out"
                )
        return config

    def to_json(self) -> dict[str, object]:
        """The settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, object]) -> "Config":
        """The config with these settings, the inverse of `to_json`; an unknown name raises InputError."""
        return cls().replace(**settings)

    def save(self, path: Path) -> None:
        """Write the settings to a JSON file."""
        files.write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read the settings that `save` wrote; a file that is not JSON, or holds no settings, raises InputError."""
        settings = files.read_json(path)
        if not isinstance(settings, dict):
            raise InputError(f"{path}: not what was written there; expected settings by their names")
        try:
            return cls.from_json(settings)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


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
"""Settings that belong together. `paper` is the defaults. `lin2017` takes the sizes of Lin et al. (2017), whom the
paper's paragraph on training follows. `openi` was chosen on the validation split of OpenI, which is far smaller than
the paper's data."""

PRESETS_BY_MODE: dict[str, dict[str, dict[str, object]]] = {
    "openi": {
        "annotate-text": {"shuffle_sentences": True, "join_reports": 0.3},
        "annotate": {"dropout_image": 0.8, "shuffle_sentences": True, "join_reports": 0.3},
        "classify": {"feature_norm": True, "pooling": "mean", "dropout": 0.5, "epochs": 10},
        "caption": {"feature_norm": True, "sentence_power": 0.5, "findings_penalty": 4.0, "no_repeat": 5},
        "report": {
            "feature_norm": True,
            "sentence_power": 0.5,
            "findings_penalty": 4.0,
            "no_repeat": 5,
            "classify_on": "half",
            "uniform_share": 0.8,
            "dropout": 0.5,
        },
    },
}
"""Further settings of a preset, by mode."""


def preset_settings(name: str, mode: str) -> dict[str, object]:
    """The settings of a preset for a mode. Raises InputError, which lists the presets, if the name is unknown."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(PRESETS)}")
    return PRESETS[name] | PRESETS_BY_MODE.get(name, {}).get(mode, {})


def preset(name: str, mode: str = Config.mode) -> Config:
    """The config of a preset for a mode. Raises InputError, which lists the choices, if a name is unknown."""
    return Config().replace(mode=mode, **preset_settings(name, mode))


_SETTINGS_OF_PARTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("image",): (
        "image_px", "backbone_end", "backbone_dtype", "feature_norm", "grid_position", "transition_channels",
        "features", "feature_dtype",
    ),
    ("image", "reads"): ("attention_units", "attention_norm", "attention_gate"),
    ("pools",): ("pooling", "lse_r"),
    ("reads",): ("lstm_units", "max_words", "word_vector_std", "report_drop", "report_drop_unit"),
    ("reads", "classifies"): ("attention_rows", "attention_hidden", "penalty", "shuffle_sentences", "join_reports"),
    ("classifies",): ("output_hidden", "weighted_loss", "dropout"),
    ("image", "classifies"): ("dropout_image",),
    ("image", "reads", "classifies"): ("uniform_share",),
    ("writes",): (
        "deep_output", "written_words", "no_repeat", "findings_penalty", "findings_words", "scheduled_sampling",
        "doubly_stochastic", "finding_share", "sentence_power", "report_loss",
    ),
    ("classifies", "writes"): ("classify_on", "writer_rate"),
    ("classifies", "reads"): ("alpha",),
}  # fmt: skip
"""The settings that not every mode uses, by the parts of the network (properties of `Mode`) that have to be there."""

_WITHOUT_PART = {
    "image": "has no image",
    "reads": "reads no report",
    "pools": "has no pooling",
    "classifies": "has no classifier",
    "writes": "writes no report",
}


def settings_without_effect(mode: str) -> dict[str, str]:
    """The settings that have no effect in a mode, each with the reason, such as "reads no report".

    A preset or a stored config may have them; only where a user types one it is refused (`Config.with_texts`).
    """
    parts, reasons = mode_from_name(mode), {}
    for needed, names in _SETTINGS_OF_PARTS.items():
        missing = [part for part in needed if not getattr(parts, part)]
        if missing:
            reasons |= dict.fromkeys(names, _WITHOUT_PART[missing[0]])
    return reasons


_TYPES = typing.get_type_hints(Config)
CHOICES = {
    "backbone_end": ("res5c", "res4f"),
    "backbone_dtype": BACKBONE_DTYPES,
    "features": ("cache", "off"),
    "feature_dtype": ("float16", "int8"),
    "report_drop_unit": ("words", "reports"),
    "pooling": ("lse", "mean", "max"),
    "classify_on": ("true", "own", "half"),
    "report_loss": ("reports", "words"),
}
"""Maps each setting that is one of several words to these words."""

_AT_LEAST_ONE = (
    "image_px", "transition_channels", "attention_units", "lstm_units", "attention_rows", "attention_hidden",
    "max_words", "written_words", "findings_words", "batch", "epochs",
)  # fmt: skip
_AT_LEAST_ZERO = ("seed", "output_hidden", "penalty", "l2", "patience", "doubly_stochastic", "findings_penalty")
_MAX_SHARES = {
    "report_drop": 1.0,
    "alpha": 1.0,
    "dropout": 0.99,
    "dropout_image": 0.99,
    "lr_drop_at": 1.0,
    "scheduled_sampling": 1.0,
    "finding_share": 0.99,
    "sentence_power": 1.0,
    "uniform_share": 1.0,
    "writer_rate": 1.0,
    "join_reports": 1.0,
}  # each share is a number from 0 to this value
_POSITIVE = ("learning_rate", "word_vector_std", "lse_r")


def _check_names(settings: dict[str, object]) -> None:
    for name in settings:
        if name not in _TYPES:
            raise InputError(f"setting {name!r} is not known; there are {', '.join(_TYPES)}")


def _allowed_types(name: str) -> tuple[type, ...]:
    annotation = _TYPES[name]
    return typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)


def _parse(name: str, text: str) -> object:
    if _allowed_types(name) == (str,):
        return text
    for read in (json.loads, float):  # ".5" and "1." are numbers for people, but not in JSON
        try:
            return read(text)
        except ValueError:
            continue
    return text  # the check of the types then says what was expected


def _check_types(config: Config) -> None:
    for field in dataclasses.fields(config):
        value, allowed = getattr(config, field.name), _allowed_types(field.name)
        if float in allowed and type(value) is int:
            object.__setattr__(config, field.name, _as_float(value))
        elif type(value) not in allowed:
            expected = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
            raise InputError(f"setting {field.name}={value!r}: expected {expected}")


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _check_ranges(config: Config) -> None:
    def refuse(name: str, expected: str) -> typing.NoReturn:
        raise InputError(f"setting {name}={getattr(config, name)!r}: expected {expected}")

    def violates(name: str, is_allowed: typing.Callable[[float], bool]) -> bool:
        value = getattr(config, name)
        return value is not None and not is_allowed(value)  # no comparison with NaN is true

    for name, choices in CHOICES.items():
        if getattr(config, name) not in choices:
            refuse(name, " or ".join(choices))
    for name in _AT_LEAST_ONE:
        if violates(name, lambda value: value >= 1):
            refuse(name, "1 or more")
    for name in _AT_LEAST_ZERO:
        if violates(name, lambda value: 0 <= value < float("inf")):
            refuse(name, "0 or more")
    for name, maximum in _MAX_SHARES.items():
        if violates(name, lambda value, maximum=maximum: 0 <= value <= maximum):
            refuse(name, f"a number from 0 to {maximum:g}")
    for name in _POSITIVE:
        if violates(name, lambda value: 0 < value < float("inf")):
            refuse(name, "a number above 0")
    if config.no_repeat < 0 or config.no_repeat == 1:
        refuse("no_repeat", "2 or more words, or 0")
    mode = config.mode_parts
    if not (mode.reads and mode.classifies) and config.alpha not in (None, mode.alpha):
        refuse("alpha", f"{mode.alpha:g} or null: mode {config.mode} has one of the two losses only")
    if mode.writes and config.shuffle_sentences:
        refuse("shuffle_sentences", f"false: mode {config.mode} learns to write reports as they are")
    if mode.writes and config.join_reports:
        refuse("join_reports", f"0: mode {config.mode} learns to write reports as they are")
    if mode.classifies and not mode.writes and config.loss_alpha == 0:
        refuse("alpha", f"a number above 0: mode {config.mode} is there for its labels")
    if config.mode_parts.writes and config.report_drop and config.report_drop_unit == "reports":
        refuse("report_drop_unit", f"words: mode {config.mode} learns to write from every report")
