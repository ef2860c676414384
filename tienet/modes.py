"""The five modes: one architecture with parts switched on or off (in the paper: R, I+R, I, Captioning, I+GR)."""

from dataclasses import dataclass

from tienet.errors import InputError


@dataclass(frozen=True)
class Mode:
    """Which parts of the network a mode has.

    Attributes:
        name: The name, as in `--mode`.
        paper_name: The column of the paper's tables.
        image: Whether the image is an input, with the transition and the spatial attention.
        reads: Whether the report is an input, at least in training.
        classifies: Whether there is a classifier, with the loss L_C.
        writes: Whether there is a softmax over words, with the loss L_R.
        alpha: The weight of L_C in L = alpha L_C + (1 - alpha) L_R, unless the config sets another one.
    """

    name: str
    paper_name: str
    image: bool
    reads: bool
    classifies: bool
    writes: bool
    alpha: float

    @property
    def pools(self) -> bool:
        """Whether the image is pooled, since there is no report whose words would weigh its locations."""
        return self.image and not self.reads

    @property
    def chosen_by(self) -> str:
        """The name of the validation score by which the best checkpoint is chosen (`tienet.training.choice`)."""
        writing = "BLEU-4 and CIDEr" * self.writes
        return f"validation {' with '.join(filter(None, ['AUC' * self.classifies, writing]))}"


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("annotate", "I+R", image=True, reads=True, classifies=True, writes=False, alpha=1.0),
        Mode("annotate-text", "R", image=False, reads=True, classifies=True, writes=False, alpha=1.0),
        Mode("classify", "I", image=True, reads=False, classifies=True, writes=False, alpha=1.0),
        Mode("caption", "Captioning", image=True, reads=True, classifies=False, writes=True, alpha=0.0),
        Mode("report", "I+GR", image=True, reads=True, classifies=True, writes=True, alpha=0.85),
    )
}


def mode_from_name(name: str) -> Mode:
    """The mode with this name. Raises InputError, which lists the modes, if there is none."""
    if name not in MODES:
        raise InputError(f"mode {name!r} is not known; choose one of {', '.join(MODES)}")
    return MODES[name]
