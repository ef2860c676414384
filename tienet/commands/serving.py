"""What the commands that start a server have in common: where it listens, who is let in, and how it ends."""

import argparse
import contextlib
import os
import signal
import socket
from collections.abc import Iterator

from tienet.errors import InputError

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
TOKEN_VARIABLE = "TIENET_TOKEN"

MAX_STOP_SECONDS = 5
"""How long requests that are being answered may still take when the server is told to stop."""

MAX_CONNECTIONS = 1000
"""Open connections; further ones are answered 503."""

_BACKLOG = 2048  # connections that the system keeps until the server accepts them


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add --host, --port and --token."""
    parser.add_argument(
        "--host",
        default=DEFAULT_HOST,
        metavar="H",
        help=f"address to listen at; another than this computer's own ({DEFAULT_HOST}) needs a token",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N", help=f"0: any free one ({DEFAULT_PORT})")
    parser.add_argument(
        "--token", metavar="T", help=f"what clients must show; better in {TOKEN_VARIABLE}, where `ps` does not show it"
    )


def check_flags(args: argparse.Namespace) -> str | None:
    """The token that clients must show, or None; raises InputError if a flag is wrong."""
    from tienet.server import guard

    if not 0 <= args.port <= 65535:
        raise InputError(f"--port {args.port}: expected 0 to 65535")
    token = args.token if args.token is not None else os.environ.get(TOKEN_VARIABLE) or None
    guard.check_token(token, args.host)
    return token


def allowed_hosts(host: str) -> set[str] | None:
    """The names that the Host header may have where a server listens at `host`; None: any."""
    from tienet.server import guard

    return {"localhost", "127.0.0.1", "::1", host} if guard.is_loopback(host) else None


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


def serve(app: object, listener: socket.socket, host: str, with_token: bool) -> None:
    """Run an application on a socket that listens until Ctrl-C or SIGTERM; its address is printed once it answers.

    Args:
        app: The ASGI application.
        listener: As `start_listening` leaves it.
        host: The address that --host named.
        with_token: Whether clients must show a token.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # the log would hold the token of /?token=
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=MAX_STOP_SECONDS,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=_BACKLOG,
    )
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listener.getsockname()[1]}"

    class Server(uvicorn.Server):
        print_error: OSError | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            try:
                _log_address(address, with_token)
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
