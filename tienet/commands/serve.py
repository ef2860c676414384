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
from tienet.commands import flags
from tienet.errors import InputError
from tienet.server import MAX_REQUESTS

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
TOKEN_VARIABLE = "TIENET_TOKEN"

MAX_STOP_SECONDS = 5
"""How long requests that are being answered may still take when the server is told to stop."""

MAX_CONNECTIONS = 1000
"""Open connections; further ones are answered 503."""

_BACKLOG = 2048  # connections that the system keeps until the server accepts them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet serve`."""
    add = parser.add_argument
    add(
        "--load",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="a run of report, classify or caption, one of annotate or annotate-text, or one of each kind; several of "
        "classify, annotate or annotate-text label as one model",
    )
    add(
        "--host",
        default=DEFAULT_HOST,
        metavar="H",
        help=f"address to listen at; another than this computer's own ({DEFAULT_HOST}) needs a token",
    )
    add("--port", type=int, default=DEFAULT_PORT, metavar="N", help=f"0: any free one ({DEFAULT_PORT})")
    add("--token", metavar="T", help=f"what clients must show; better in {TOKEN_VARIABLE}, where `ps` does not show it")
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
    token = _check_flags(args)
    samples = _read_samples(args.samples)
    with bound_socket(args.host, args.port) as listener:
        runs = engine.open_runs(args.load)
        flags.choose_gpus(args.gpu)
        print("loading ...", file=sys.stderr, flush=True)
        flags.start_tensorflow()
        with engine.Engine.load(runs) as loaded:
            for network in loaded.networks:
                batch = f"up to {network.batches.max_size} requests at once"
                print(f"{network.name}: mode {network.mode}, {batch}", file=sys.stderr)
                for note in network.notes:
                    print(f"note: {note}", file=sys.stderr)
            start_listening(listener, args.host, args.port)
            _serve(loaded, listener, args, token, samples)
    return 0


def _check_flags(args: argparse.Namespace) -> str | None:
    """The token that clients must show, or None; raises InputError if a flag is wrong."""
    from tienet.server import guard

    if not 0 <= args.port <= 65535:
        raise InputError(f"--port {args.port}: expected 0 to 65535")
    if args.queue < 1:
        raise InputError(f"--queue {args.queue}: expected 1 or more")
    token = args.token if args.token is not None else os.environ.get(TOKEN_VARIABLE) or None
    guard.check_token(token, args.host)
    return token


def _read_samples(folder: Path | None) -> list | None:
    if folder is None:
        return None
    from tienet.server.samples import from_folder

    samples, left_out = from_folder(folder)
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    return samples


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that is bound to an address but does not listen yet, so that connections are still refused.

    It is made before the networks are loaded, which takes long, so that a wrong address is reported at once.

    Raises:
        InputError: The address is not one of this computer, or it is taken.
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
            raise _taken(host, port, error) from None
        yield listener


def start_listening(listener: socket.socket, host: str, port: int) -> None:
    """From now on the system accepts connections to a bound socket and keeps them until the server takes them.

    Raises:
        InputError: Another socket, which was bound to the same address at about the same time, listens already.
    """
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _taken(host, port, error) from None


def _taken(host: str, port: int, error: OSError) -> InputError:
    return InputError(f"--host {host} --port {port}: {error.strerror}; choose another --port")


def _serve(
    engine: object, listener: socket.socket, args: argparse.Namespace, token: str | None, samples: list | None
) -> None:
    """Run the server on a socket that listens, and print its address as soon as it answers."""
    import uvicorn

    from tienet.server import guard
    from tienet.server.app import create_app

    hosts = None
    if guard.is_loopback(args.host):
        hosts = {"localhost", "127.0.0.1", "::1", args.host}
    config = uvicorn.Config(
        create_app(engine, token, hosts, args.queue, samples),
        log_level="warning",
        access_log=False,  # the log would hold the token of /?token=
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=MAX_STOP_SECONDS,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=_BACKLOG,
    )
    host = f"[{args.host}]" if ":" in args.host else args.host
    address = f"http://{host}:{listener.getsockname()[1]}"

    class Server(uvicorn.Server):
        print_error: OSError | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            try:
                _log_address(address, token is not None)
            except OSError as error:  # as where the program that reads standard output went away
                self.print_error, self.should_exit = error, True  # raised when uvicorn has stopped in order

    server = Server(config)
    # At these signals uvicorn stops in order, and then raises them again for the handlers that were there before, which
    # would end the process. With uvicorn's own there, a signal that comes before it has begun stops it in order, too.
    signals = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.signal(number, server.handle_exit) for number in signals}
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if server.print_error is not None:
        raise server.print_error


def _log_address(address: str, with_token: bool) -> None:
    """Print the address, for people and for programs that wait for this line before they connect."""
    hint = "   (in a browser add /?token=TOKEN once)" if with_token else ""
    print(f"{address}{hint}\nResearch software, not a medical device: not for diagnosis. Ctrl-C stops it.", flush=True)


def main() -> int:
    """Run `python -m tienet.commands.serve`; returns the exit status."""
    parser = cli.Parser(prog="tienet serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
