"""`tienet serve`: a web page and a JSON API for one X-ray at a time.

    tienet serve --load runs/openi/report runs/openi/annotate
    tienet serve --load runs/openi/annotate-text
    python -m tienet.commands.serve --load runs/openi/report          # the same

A run of mode report, classify (no report) or caption (no labels) reads an X-ray alone. One of annotate reads an X-ray
with its report, one of annotate-text a report alone.
Research software, not a medical device: not for diagnosis.
"""

import argparse
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tienet import cli
from tienet.errors import InputError

HOST, PORT, QUEUE = "127.0.0.1", 8000, 64
TOKEN_VARIABLE = "TIENET_TOKEN"

_STOP_SECONDS = 5
"""What requests that are being answered still get when the server stops."""

_MAX_CONNECTIONS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `tienet serve`."""
    add = parser.add_argument
    add(
        "--load",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="a run of report, classify or caption, one of annotate or annotate-text, or one of each kind",
    )
    add(
        "--host",
        default=HOST,
        metavar="H",
        help=f"address to listen at; another than this computer's own ({HOST}) needs a token",
    )
    add("--port", type=int, default=PORT, metavar="N", help=f"0: any free one ({PORT})")
    add("--token", metavar="T", help=f"what clients must show; better in {TOKEN_VARIABLE}, where `ps` does not show it")
    add(
        "--queue",
        type=int,
        default=QUEUE,
        metavar="N",
        help=f"requests that are let in at once; more are told to wait ({QUEUE})",
    )
    add("--samples", type=Path, metavar="DIR", help="pictures to try; NAME.txt beside one is its report (drawn ones)")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit status.

    Raises:
        InputError, FileNotFoundError: a run, an address or a flag that is wrong, or a system that lacks something.
    """
    from tienet.server.images import check_system

    check_system()
    token = _checked_token(args)
    pictures = _samples(args.samples)
    with listening(args.host, args.port) as listener:
        print("loading ...", file=sys.stderr, flush=True)
        cli.start_tensorflow()
        from tienet.server.engine import Engine

        with Engine.load(args.load) as engine:
            for network in engine.networks:
                together = f"up to {network.batches.most} requests at once"
                print(f"{network.name}: mode {network.mode}, {together}", file=sys.stderr)
            _serve(engine, listener, args, token, pictures)
    return 0


def _checked_token(args: argparse.Namespace) -> str | None:
    from tienet.server import guard

    if len(args.load) > 2:
        raise InputError(f"--load: {len(args.load)} runs; expected one or two")
    if not 0 <= args.port <= 65535:
        raise InputError(f"--port {args.port}: expected 0 to 65535")
    if args.queue < 1:
        raise InputError(f"--queue {args.queue}: expected 1 or more")
    token = args.token if args.token is not None else os.environ.get(TOKEN_VARIABLE) or None
    guard.check_token(token, args.host)
    return token


def _samples(folder: Path | None) -> list | None:
    if folder is None:
        return None
    from tienet.server import samples

    found, left_out = samples.from_folder(folder)
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    return found


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, bound before the slow part, so that a wrong address is told at once.

    Raises:
        InputError: the address is no own one of this computer, or taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(f"--host {host}: no such address ({error})") from None
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise InputError(f"--host {host} --port {port}: {error.strerror}; choose another --port") from None
        yield listener


def _serve(
    engine: object, listener: socket.socket, args: argparse.Namespace, token: str | None, pictures: list | None
) -> None:
    import uvicorn

    from tienet.server import guard
    from tienet.server.app import create_app

    hosts = None
    if guard.is_loopback(args.host):
        hosts = {"localhost", "127.0.0.1", "::1", args.host}
    app = create_app(engine, token, hosts, args.queue, pictures)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # it would hold the token of /?token=
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=_STOP_SECONDS,
        limit_concurrency=_MAX_CONNECTIONS,
    )
    port = listener.getsockname()[1]
    host = f"[{args.host}]" if ":" in args.host else args.host
    once = "" if token is None else "   (in a browser add /?token=TOKEN once)"
    print(
        f"http://{host}:{port}{once}\nResearch software, not a medical device: not for diagnosis. Ctrl-C stops it.",
        flush=True,
    )
    # uvicorn stops in order at these signals and then raises them anew.
    kept = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def main() -> int:
    """`python -m tienet.commands.serve`."""
    parser = cli.Parser(prog="tienet serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
