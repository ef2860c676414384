"""The five modes: one architecture with parts switched on or off (the table of DESIGN: R, I+R, I, Captioning, I+GR)."""

from dataclasses import dataclass

from tienet.errors import InputError


@dataclass(frozen=True)
class Mode:
    """Which parts of the network a mode has.

    Attributes:
        name: as in `--mode`.
        paper_name: the column of the paper's tables.
        image: the image goes in: transition, spatial attention.
        reads: the report goes in, at least in training.
        classifies: has the classifier and L_C.
        writes: has the word softmax and L_R.
        alpha: weight of L_C in L = alpha L_C + (1 - alpha) L_R, unless the config sets another.
    """

    name: str
    paper_name: str
    image: bool
    reads: bool
    classifies: bool
    writes: bool
    alpha: float

    @property
    def chosen_by(self) -> str:
        """What the best checkpoint has most of, on the validation split."""
        return "validation AUC" if self.classifies else "validation BLEU-4"


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("annotate", "I+R", image=True, reads=True, classifies=True, writes=False, alpha=1.0),
        Mode(
            "annotate-text",
            "R",
            image=False,
            reads=True,
            classifies=True,
            writes=False,
            alpha=1.0,
        ),
        Mode("classify", "I", image=True, reads=False, classifies=True, writes=False, alpha=1.0),
        Mode("caption", "Captioning", image=True, reads=True, classifies=False, writes=True, alpha=0.0),
        Mode("report", "I+GR", image=True, reads=True, classifies=True, writes=True, alpha=0.85),
    )
}


def mode_from_name(name: str) -> Mode:
    """The mode called `name`; InputError that lists the modes otherwise."""
    if name not in MODES:
        raise InputError(f"mode {name!r} is not known; choose one of {', '.join(MODES)}")
    return MODES[name]
