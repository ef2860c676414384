"""`tienet serve`: a web page and a JSON API for one X-ray at a time.

    tienet serve --load runs/openi/report runs/openi/annotate
    tienet serve --load runs/openi/annotate-text
    python -m tienet.commands.serve --load runs/openi/report          # the same

A run of mode report, classify (no report) or caption (no labels) reads an X-ray alone. One of annotate reads an X-ray
with its report, one of annotate-text a report alone.
Research software, not a medical device: not for diagnosis.
"""

import argparse
import sys
from pathlib import Path

from tienet import cli
from tienet.commands import flags, serving
from tienet.errors import InputError
from tienet.server import MAX_REQUESTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet serve`."""
    add = parser.add_argument
    add(
        "--load",
        type=Path,
        nargs="+",
        action=cli.Several,
        required=True,
        metavar="DIR",
        help="a run of report, classify or caption, one of annotate or annotate-text, or one of each kind; several of "
        "classify, annotate or annotate-text label as one model",
    )
    serving.add_flags(parser)
    add(
        "--queue",
        type=int,
        default=MAX_REQUESTS,
        metavar="N",
        help=f"requests that are let in at once; more are told to wait ({MAX_REQUESTS})",
    )
    flags.add_gpu(parser)
    add("--samples", type=Path, metavar="DIR", help="pictures to try; NAME.txt beside one is its report (drawn ones)")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Returns:
        The exit status.
    Raises:
        InputError, FileNotFoundError: A run, an address or a flag is wrong, or the system lacks files in memory.
    """
    from tienet.server import engine
    from tienet.server.images import check_system

    check_system()
    token = serving.check_flags(args)
    if args.queue < 1:
        raise InputError(f"--queue {args.queue}: expected 1 or more")
    samples = _read_samples(args.samples)
    with serving.bound_socket(args.host, args.port) as listener:
        runs = engine.open_runs(args.load)
        flags.choose_gpus(args.gpu)
        print("loading ...", file=sys.stderr, flush=True)
        flags.start_tensorflow()
        from tienet.server.app import create_app

        with engine.Engine.load(runs) as loaded:
            for network in loaded.networks:
                batch = f"up to {network.batches.max_size} requests at once"
                print(f"{network.name}: mode {network.mode}, {batch}", file=sys.stderr)
                for note in network.notes:
                    print(f"note: {note}", file=sys.stderr)
            serving.start_listening(listener, args.host, args.port)
            app = create_app(loaded, token, serving.allowed_hosts(args.host), args.queue, samples)
            serving.serve(app, listener, args.host, token is not None)
    return 0


def _read_samples(folder: Path | None) -> list | None:
    if folder is None:
        return None
    from tienet.server.samples import from_folder

    samples, left_out = from_folder(folder)
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    return samples


def main() -> int:
    """Run `python -m tienet.commands.serve`; returns the exit status."""
    parser = cli.Parser(prog="tienet serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
