"""The cases that the benchmarks measure, and their names."""

from importlib.util import find_spec
from pathlib import Path

from benchmarks.case import ROOT, Case
from tienet.modes import MODES

WORDS = (32, 64, 128)
BATCHES = (1, 16, 64)
WRITTEN = 60
EPOCH_STUDIES = (500, 2000)
SHARED_CORPUS = ROOT.parent / "shared/data/text/pubmed_abstracts.txt.gz"
"""The text for the vocabulary where no --corpus is given, if this file is there."""


def step_name(mode: str, words: int | None = None, head_only: bool = False) -> str:
    """The name of a training step's case."""
    return f"step/{mode}{' head' if head_only else ''}" + (f"/T={words}" if words else "")


def all_cases(corpus: Path | None) -> list[Case]:
    """All cases that `python -m benchmarks.run` measures.

    Args:
        corpus: Text for the vocabulary, one abstract a line; None leaves that case out.
    """
    few = growth((16, 32, 64), (8, 16, 32), (8, 16), 3)
    return [*steps(), *torch_head(), *writing(), *data(corpus), *few, *(epochs(studies) for studies in EPOCH_STUDIES)]


def steps() -> list[Case]:
    """A training step of each mode, and of the head of mode `report` alone."""
    cases = []
    for mode in MODES.values():
        for words in WORDS if mode.reads else (None,):
            arguments = {"mode": mode.name, "words": words or 1}
            cases.append(Case(step_name(mode.name, words), "measure_network:step", arguments))
    head = [
        Case(step_name("report", words, True), "measure_network:step", {"mode": "report", "words": words, "side": 16})
        for words in WORDS
    ]
    return cases + head


def torch_head() -> list[Case]:
    """A step of the head of mode `report` in PyTorch, for comparison; none where PyTorch is not installed."""
    if find_spec("torch") is None:
        return []
    return [Case("step/report head/torch/T=64", "torch_head:step", {"words": 64})]


def writing() -> list[Case]:
    """Writing reports, by greedy decoding and by beam search, for each batch size."""
    return [
        Case(f"write/{method}/B={batch}", "measure_network:write", {"method": method, "batch": batch, "words": WRITTEN})
        for method in ("greedy", "beam")
        for batch in BATCHES
    ]


def data(corpus: Path | None) -> list[Case]:
    """The feature cache, the batches, an evaluation and, if there is a text, the vocabulary."""
    cases = [
        Case("cache/write", "measure_data:cache_write"),
        Case("cache/read", "measure_data:cache_read"),
        Case("images/1024 px", "measure_data:image_read"),
        Case("data flow/T=64", "measure_data:data_flow"),
        Case("evaluation", "measure_text:evaluation"),
    ]
    if corpus:
        cases.append(Case("vocabulary", "measure_text:vocabulary", {"corpus": str(corpus)}))
    return cases


def growth(words: tuple[int, ...], batches: tuple[int, ...], sides: tuple[int, ...], steps: int) -> list[Case]:
    """A step of mode `report` by T (B 32), by B (T 64) and, for the head alone, by the grid's side (B 32, T 64)."""

    def point(T: int, B: int, side: int | None = None) -> Case:
        name = f"growth/T={T},B={B}" if side is None else f"growth/L={side**2}"
        arguments = {"mode": "report", "words": T, "batch": B, "side": side, "steps": steps}
        return Case(name, "measure_network:step", arguments | {"least_seconds": 0.0, "product": 0})

    cases = [point(T, 32) for T in words] + [point(64, B) for B in batches] + [point(64, 32, side) for side in sides]
    return list({case.name: case for case in cases}.values())


def epochs(studies: int, count: int = 1) -> Case:
    """`count` epochs of mode `classify` with preset `openi`."""
    arguments = {"studies": studies, "epochs": count}
    return Case(f"growth/studies={studies}", "measure_epoch:epoch", arguments)
