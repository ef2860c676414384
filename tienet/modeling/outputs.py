"""The names of everything that the graph gives outside of training, declared once.

`TieNet` names its tensors by this module, and whoever fetches one asks this module for the names. B is the batch, K the
labels, T the words of a report (<START> among them), D the grid's side and r the rows of the text attention.

In the modes that write, the names without a prefix belong to the report that the network wrote. What the network makes
of the true report then has the prefix `read/`.
"""

from typing import TYPE_CHECKING

from tienet.modes import Mode

if TYPE_CHECKING:
    import tensorflow as tf

PROBABILITIES = "probabilities"  # float32 [B, K], sigmoid(logits), not calibrated
LOGITS = "logits"  # float32 [B, K]
FINDING_MAPS = "finding_maps"  # float32 [B, D, D, K], what each place adds to the logits (`modeling.finding_maps`)
POOLED_FEATURES = "pooled_features"  # float32 [B, channels], the backbone's features, the mean over their grid
CLASS_ACTIVATION = "class_activation"  # float32 [B, D, D, K], the classifier at each place; mode `classify`
G = "G"  # float32 [B, r, T], text attention, eq. 3
A = "a"  # float32 [B, T, D, D], spatial attention of each word
A_WS = "a_ws"  # float32 [B, D, D], saliency attention, eq. 4
G_ENTROPY = "G_entropy"  # float32 [B], mean over the rows of G; 1 is uniform
A_ENTROPY = "a_entropy"  # float32 [B], mean over the words; 1 is uniform

WORD_IDS = "written/word_ids"  # int32 [B, T], <START> and the words, then <PAD>
WORD_LEN = "written/word_len"  # int32 [B], how many of T count
LOG_PROBABILITY = "written/log_probability"  # float32 [B], of the written report
WRITTEN = (WORD_IDS, WORD_LEN, LOG_PROBABILITY)

# Where a report is chosen among candidates, outside of the graph (W candidates of an image):
CANDIDATE_IDS = "candidates/word_ids"  # int32 [B, W, T], as `WORD_IDS`; the first candidate is the greedy report
CANDIDATE_LEN = "candidates/word_len"  # int32 [B, W]
CANDIDATE_LOG_PROBABILITY = "candidates/log_probability"  # float32 [B, W]
CANDIDATES = (CANDIDATE_IDS, CANDIDATE_LEN, CANDIDATE_LOG_PROBABILITY)
CHOSEN_IDS, CHOSEN_LEN = "chosen/word_ids", "chosen/word_len"
"""Placeholders of the chosen report, which `WRITTEN` and what belongs to it are then of; by default the first one."""


def of_true_report(name: str) -> str:
    """The name of the same output for the true report, in the modes that write."""
    return f"read/{name}"


L_R = of_true_report("L_R")  # float32 [B], -ln p per word of the true report
READ_PROBABILITIES = of_true_report(PROBABILITIES)


# ---- which outputs a mode has ----


def graph_outputs(mode: Mode, candidates: bool = False) -> list[str]:
    """All outputs of the mode's graph; `name_outputs` makes sure that the graph has exactly these.

    Args:
        candidates: Whether the network writes candidates, of which one is chosen.
    """
    names = [PROBABILITIES, LOGITS] * mode.classifies + [CLASS_ACTIVATION] * mode.pools + map_outputs(mode)
    names += finding_map_outputs(mode)
    names += [G_ENTROPY] * (G in names) + [A_ENTROPY] * (A in names)
    if mode.writes:
        names += [of_true_report(name) for name in names] + [L_R, *WRITTEN] + [*CANDIDATES] * candidates
    return names + [POOLED_FEATURES] * mode.image


def is_of_written_report(name: str) -> bool:
    """Whether an output depends on the report that is written, in the modes that write."""
    return not name.startswith(of_true_report("")) and name not in (*CANDIDATES, POOLED_FEATURES)


def map_outputs(mode: Mode) -> list[str]:
    """The attention maps; none in mode `classify`, which has no attention."""
    if not mode.reads:
        return []
    return [G] * mode.classifies + [A] * mode.image + [A_WS] * (mode.classifies and mode.image)


def finding_map_outputs(mode: Mode) -> list[str]:
    """The map of each finding, in the modes that label by an image."""
    return [FINDING_MAPS] * (mode.classifies and mode.image)


def prediction_outputs(mode: Mode, maps: bool = False) -> list[str]:
    """What a prediction is made of: the probabilities, the written report and, if asked for, the maps."""
    maps_of_mode = map_outputs(mode) + finding_map_outputs(mode)
    return [PROBABILITIES] * mode.classifies + [*WRITTEN] * mode.writes + maps_of_mode * maps


def explanation_outputs(mode: Mode) -> list[str]:
    """The attention maps, and the words that they belong to where the network wrote them."""
    return map_outputs(mode) + [WORD_IDS] * mode.writes


def validation_outputs(mode: Mode) -> list[str]:
    """What the figures of the validation split are computed from, and the logits, which are kept."""
    names = [PROBABILITIES, LOGITS] * mode.classifies
    names += [name for name in (G_ENTROPY, A_ENTROPY) if name in graph_outputs(mode)]
    if mode.writes:
        names += [WORD_IDS, WORD_LEN, L_R] + [READ_PROBABILITIES] * mode.classifies
    return names


def saved_model_outputs(mode: Mode) -> list[str]:
    """What the signature of a SavedModel is computed from; it calibrates the logits itself."""
    return [LOGITS] * mode.classifies + [*WRITTEN] * mode.writes + map_outputs(mode)


# ---- when the graph is built ----


def name_outputs(mode: Mode, tensors: "dict[str, tf.Tensor]", candidates: bool = False) -> None:
    """Give the tensors their names, inside the current name scope.

    Raises:
        AssertionError: the tensors are not exactly those of `graph_outputs`, or a name is taken already.
    """
    import tensorflow as tf  # only here, so that the names are known without it

    promised = set(graph_outputs(mode, candidates))
    missing, unexpected = sorted(promised - tensors.keys()), sorted(tensors.keys() - promised)
    assert not missing and not unexpected, f"mode {mode.name}: outputs missing {missing}, unexpected {unexpected}"
    scope = tf.compat.v1.get_default_graph().get_name_scope()
    for name, tensor in tensors.items():
        full_name, expected = tf.identity(tensor, name).op.name, f"{scope}/{name}".lstrip("/")
        assert full_name == expected, f"mode {mode.name}: output {expected} is named {full_name}; the name is taken"
