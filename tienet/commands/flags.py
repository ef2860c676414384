"""The flags that several sub-commands share, and the start of TensorFlow on the GPUs that they name."""

import argparse

from tienet import cli


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

    Args:
        gpu: The value of --gpu; None takes GPU 0 if there is one, otherwise the CPU.
    Returns:
        The numbers of the GPUs, as `devices.choose_devices` gives them.
    Raises:
        InputError: The value is wrong, or a GPU is there that TensorFlow cannot use.
    """
    from tienet import devices

    if gpu is None:
        gpu = "0" if devices.given_gpus() else "cpu"
    gpus = devices.choose_devices(gpu)
    cli.start_tensorflow()
    devices.check_gpus()
    return gpus
