"""The flags that several sub-commands share, and the start of TensorFlow on the GPUs that they name."""

import argparse
from collections.abc import Sequence

from tienet import cli, devices


def add_load(parser: argparse.ArgumentParser, modes: str, several: bool = False) -> None:
    """Add --load, which takes a run of one of these modes, or `several` that label as one model."""
    words = f"a run's folder (its best checkpoint) or a checkpoint, of mode {modes}"
    if several:
        words += "; several of one mode label as one model"
    kind = {"nargs": "+", "action": "append"} if several else {}
    parser.add_argument("--load", required=True, metavar="DIR|FILE", help=words, **kind)


def runs_and_rest(given: Sequence[Sequence[str]], rest_is_given: bool) -> tuple[list[str], list[str]]:
    """The runs after --load where it takes several, and the arguments without a flag that stand behind them.

    argparse gives --load all words up to the next flag. The first of them is a run, and so is each further one that is
    the folder of a run or lies in its `checkpoints`; all are, if the other arguments stand elsewhere.

    Args:
        given: The words after each --load; the last one counts.
        rest_is_given: Whether the other arguments stand elsewhere.
    """
    from tienet.checkpoint.run_folder import folder_of_run

    def count_runs(words: Sequence[str]) -> int:
        return next((n for n, word in enumerate(words) if n and folder_of_run(word) is None), len(words))

    *before, last = given
    rest = [word for words in before for word in words[count_runs(words) :]]
    runs = len(last) if rest_is_given or rest else count_runs(last)
    return list(last[:runs]), [*rest, *last[runs:]]


def add_gpu(parser: argparse.ArgumentParser) -> None:
    """Add --gpu."""
    parser.add_argument("--gpu", metavar="N", help="a GPU's number, or cpu (GPU 0 where there is one)")


def start(gpu: str | None) -> list[int]:
    """Choose the GPUs, or the CPU, import TensorFlow quietly, and check that it can use them.

    The import takes seconds, so a command calls this after all that it can check without TensorFlow.

    Args:
        gpu: The value of --gpu; None takes GPU 0 if there is one, otherwise the CPU.
    Returns:
        The numbers of the GPUs, as `devices.choose_devices` gives them.
    Raises:
        InputError: The value is wrong, or a GPU is there that TensorFlow cannot use.
    """
    gpus = choose_gpus(gpu)
    cli.say_notes()
    start_tensorflow()
    return gpus


def choose_gpus(gpu: str | None) -> list[int]:
    """The first half of `start`: choose the GPUs, or the CPU; raises InputError if the value is wrong."""
    if gpu is None:
        gpu = "0" if devices.given_gpus() else "cpu"
    return devices.choose_devices(gpu)


def start_tensorflow() -> None:
    """The second half: import TensorFlow; raises InputError if it cannot use the GPUs that were chosen."""
    cli.start_tensorflow()
    devices.check_gpus()
