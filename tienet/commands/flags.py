"""Flags and start that several sub-commands share."""

import argparse

from tienet import cli


def add_load(parser: argparse.ArgumentParser, modes: str) -> None:
    """--load, of a run of one of these modes."""
    parser.add_argument(
        "--load",
        required=True,
        metavar="DIR|FILE",
        help=f"a run's folder (its best checkpoint) or a checkpoint, of mode {modes}",
    )


def add_gpu(parser: argparse.ArgumentParser) -> None:
    """--gpu."""
    parser.add_argument("--gpu", metavar="N", help="a GPU's number, or cpu (GPU 0 where there is one)")


def start(gpu: str | None) -> None:
    """Import TensorFlow quietly and take the GPU."""
    from tienet import devices

    if gpu is None:
        gpu = "0" if devices.count() else "cpu"
    devices.choose_devices(gpu)
    cli.start_tensorflow()
