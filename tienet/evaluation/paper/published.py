"""The figures that the paper printed in its Table 1 (AUC) and Table 2 (written reports).

`tienet.evaluation.paper.tables` puts them beside ours. The paper's rows of means agree within .001 with the means of
its cells over the 14 findings without No_Finding (13 on OpenI, which has no Hernia). The exceptions: AVG and #wAVG of
I+R on OpenI are .005 and .004 above the means of the cells, and the #wAVG row of the hand-labeled set is .036 to .046
below them.
"""

import re
from collections.abc import Sequence

from tienet.config import Config

COLUMNS: tuple[str, ...] = ("R", "I+R", "I", "I+GR")
"""The columns of Table 1 for a test set, in the paper's order; the names are those of `Mode.paper_name`."""

CAPTION_COLUMNS: tuple[str, ...] = ("Captioning", "I+GR")
"""The columns of Table 2 in the paper's order; the names are those of `Mode.paper_name`."""

BASELINE_LSE_R = 10.0
"""r of the log-sum-exp pooling of the paper's I, which is its baseline [35], Wang et al. 2017."""

CAPTION_DATA = "chestxray14"
"""The test set of Table 2."""

SETTINGS: dict[str, object] = {
    "backbone_end": "res5c",  # 3.1: "ResNet-50 (from Conv1 to Res5c)"
    "transition_channels": 1024,  # 3.1: C
    "uniform_share": 0.0,  # eq. 5
    "weighted_loss": True,  # eq. 6
    "classify_on": "true",  # 3.6: "During the training, both image and report are fed"
    "lstm_units": 256,  # this and all below: section 5, "Training"
    "attention_hidden": 2000,  # s
    "attention_rows": 5,  # r
    "penalty": 1.0,
    "dropout": 0.5,
    "dropout_image": 0.5,  # "0.5 dropout on the MLP", whose input has the image's part in it
    "l2": 1e-4,
    "batch": 32,
    "learning_rate": 1e-3,
    "lr_drop_at": 1.0,  # "a constant learning rate": never
}
"""The settings for which the paper states a value, and that value. Of all others it says nothing: the size of the
images, the units of the spatial attention, alpha and the weight of Xu's term are among them."""

# The AUCs of R, I+R, I and I+GR, then the number of studies with the finding; None where the paper prints no figure.
_TABLE_1: dict[str, dict[str, tuple[float | None, float | None, float | None, float | None, int | None]]] = {
    "chestxray14": {
        "Atelectasis": (0.983, 0.993, 0.700, 0.732, 3255),
        "Cardiomegaly": (0.978, 0.994, 0.810, 0.844, 1065),
        "Effusion": (0.984, 0.995, 0.759, 0.793, 4648),
        "Infiltration": (0.960, 0.986, 0.661, 0.666, 6088),
        "Mass": (0.984, 0.994, 0.693, 0.725, 1712),
        "Nodule": (0.981, 0.994, 0.668, 0.685, 1615),
        "Pneumonia": (0.947, 0.969, 0.658, 0.720, 477),
        "Pneumothorax": (0.983, 0.995, 0.799, 0.847, 2661),
        "Consolidation": (0.989, 0.997, 0.703, 0.701, 1815),
        "Edema": (0.976, 0.989, 0.805, 0.829, 925),
        "Emphysema": (0.996, 0.997, 0.833, 0.865, 1093),
        "Fibrosis": (0.986, 0.986, 0.786, 0.796, 435),
        "Pleural_Thickening": (0.988, 0.997, 0.684, 0.735, 1143),
        "Hernia": (0.929, 0.958, 0.871, 0.876, 86),
        "No_Finding": (0.920, 0.985, None, 0.701, 9912),
        "AVG": (0.976, 0.989, 0.745, 0.772, None),
        "#wAVG": (0.978, 0.992, 0.722, 0.748, None),
    },
    "hand-labeled": {
        "Atelectasis": (0.886, 0.919, 0.680, 0.715, 261),
        "Cardiomegaly": (0.964, 0.989, 0.820, 0.872, 185),
        "Effusion": (0.938, 0.967, 0.780, 0.823, 257),
        "Infiltration": (0.849, 0.879, 0.648, 0.664, 271),
        "Mass": (0.935, 0.943, 0.696, 0.710, 93),
        "Nodule": (0.974, 0.974, 0.662, 0.684, 130),
        "Pneumonia": (0.917, 0.946, 0.724, 0.681, 55),
        "Pneumothorax": (0.983, 0.996, 0.784, 0.855, 166),
        "Consolidation": (0.923, 0.910, 0.609, 0.631, 60),
        "Edema": (0.970, 0.987, 0.815, 0.834, 33),
        "Emphysema": (0.980, 0.981, 0.835, 0.863, 44),
        "Fibrosis": (0.930, 0.989, 0.688, 0.714, 11),
        "Pleural_Thickening": (0.904, 0.923, 0.679, 0.776, 41),
        "Hernia": (0.757, 0.545, 0.864, 0.647, 2),
        "No_Finding": (0.889, 0.908, None, 0.666, 85),
        "AVG": (0.922, 0.925, 0.735, 0.748, None),
        "#wAVG": (0.878, 0.900, 0.687, 0.719, None),
    },
    "openi": {
        "Atelectasis": (0.981, 0.976, 0.702, 0.774, 293),
        "Cardiomegaly": (0.944, 0.962, 0.803, 0.847, 315),
        "Effusion": (0.968, 0.977, 0.890, 0.899, 140),
        "Infiltration": (0.981, 0.984, 0.585, 0.718, 57),
        "Mass": (0.959, 0.903, 0.756, 0.723, 14),
        "Nodule": (0.967, 0.960, 0.647, 0.658, 102),
        "Pneumonia": (0.983, 0.994, 0.642, 0.731, 36),
        "Pneumothorax": (0.960, 0.960, 0.631, 0.709, 22),
        "Consolidation": (0.969, 0.989, 0.790, 0.855, 28),
        "Edema": (0.984, 0.995, 0.799, 0.879, 40),
        "Emphysema": (0.849, 0.868, 0.675, 0.792, 94),
        "Fibrosis": (0.985, 0.960, 0.744, 0.791, 18),
        "Pleural_Thickening": (0.948, 0.953, 0.691, 0.749, 52),
        "Hernia": (None, None, None, None, 0),
        "No_Finding": (0.933, 0.936, None, 0.747, 2789),
        "AVG": (0.960, 0.965, 0.719, 0.779, None),
        "#wAVG": (0.957, 0.966, 0.741, 0.798, None),
    },
}

PAPER_AUC: dict[str, dict[str, dict[str, float | None]]] = {
    data: {column: {row: cells[c] for row, cells in rows.items()} for c, column in enumerate(COLUMNS)}
    for data, rows in _TABLE_1.items()
}
"""Table 1: PAPER_AUC[test set][column][label, "AVG" or "#wAVG"], in 0..1, to three digits; None if not printed."""

PAPER_POSITIVES: dict[str, dict[str, int]] = {
    data: {row: cells[-1] for row, cells in rows.items() if cells[-1] is not None} for data, rows in _TABLE_1.items()
}
"""The column # of Table 1: PAPER_POSITIVES[test set][label] is the number of studies that have the label."""

PAPER_CAPTIONS: dict[str, dict[str, float]] = {
    "Captioning": {
        "BLEU-1": 0.2391, "BLEU-2": 0.1248, "BLEU-3": 0.0861, "BLEU-4": 0.0658, "METEOR": 0.1024, "ROUGE-L": 0.1988,
    },
    "I+GR": {
        "BLEU-1": 0.2860, "BLEU-2": 0.1597, "BLEU-3": 0.1038, "BLEU-4": 0.0736, "METEOR": 0.1076, "ROUGE-L": 0.2263,
    },
}  # fmt: skip
"""Table 2: PAPER_CAPTIONS[column][metric], on the test set CAPTION_DATA. The paper has no CIDEr."""


def paper_test_set(data: str) -> str | None:
    """The paper's test set that a data set is compared with; None if there is none.

    It is the one of the same name, and "openi" for every data set whose name starts with that.
    """
    if data.startswith("openi"):
        return "openi"
    return data if data in PAPER_AUC else None


def column_of(config: Config) -> str:
    """The name of the column in the paper's tables that a run belongs to.

    It is that of its mode (`Mode.paper_name`). Where a run of mode `classify` does not pool as the paper's I does, the
    name also says how it pools, and no figure of the paper belongs to it.
    """
    mode, with_lse = config.mode_parts, config.pooling == "lse"
    if not mode.pools or (with_lse and config.lse_r == BASELINE_LSE_R):
        return mode.paper_name
    pooling = f"LSE pooling with r = {config.lse_r:g}" if with_lse else f"{config.pooling} pooling"
    return f"{mode.paper_name}, {pooling}"


def base_column(name: str) -> str:
    """The paper's column that a column stands beside: "I" for "I, mean pooling" and "I, 3 runs together"."""
    return name.partition(", ")[0]


def column_together(name: str, runs: int) -> str:
    """The name of the column of several runs that are judged as one model, each of which is of the column `name`."""
    return f"{name}, {runs} runs together"


def column_alone(name: str) -> str:
    """The column of the single runs of a column: "I, mean pooling" for "I, mean pooling, 3 runs together"."""
    return re.sub(r", \d+ runs together$", "", name)


def place_of(name: str, order: Sequence[str]) -> tuple[int, bool, bool]:
    """What columns are sorted by: the paper's in this order, others last.

    Behind each come several of its runs as one model, then what pools otherwise.
    """
    base, alone = base_column(name), column_alone(name)
    return [*order, base].index(base), alone != base, alone != name
