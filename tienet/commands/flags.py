"""The flags that several sub-commands share, and the start of TensorFlow on the GPU that they name."""

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


def start(gpu: str | None) -> None:
    """Choose the GPU, or the CPU, and import TensorFlow quietly.

    Args:
        gpu: The value of --gpu; None takes GPU 0 if there is one, otherwise the CPU.
    """
    from tienet import devices

    if gpu is None:
        gpu = "0" if devices.count() else "cpu"
    devices.choose_devices(gpu)
    cli.start_tensorflow()
