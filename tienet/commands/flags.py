"""The flags that several sub-commands share, and the start of TensorFlow on the GPUs that they name."""

import argparse

from tienet import cli, devices


def add_load(parser: argparse.ArgumentParser, modes: str) -> None:
    """Add --load, which takes a run of one of these modes."""
    parser.add_argument(
        "--load",
        required=True,
        metavar="DIR|FILE",
        help=f"a run's folder (its best checkpoint) or a checkpoint, of mode {modes}",
    )


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
