"""The page of a reader, served until it is stopped: what labelling and deciding have in common."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tienet.commands import serving
from tienet.hand_labels.desk import Desk, Question
from tienet.hand_labels.journal import open_journal
from tienet.hand_labels.sheet import Sheet


@contextlib.contextmanager
def ready_to_serve(args: argparse.Namespace) -> Iterator[Callable[[Desk, str, str], None]]:
    """Check what a page needs and take its address before the work of seconds.

    Yields:
        What serves a desk until Ctrl-C or SIGTERM; its arguments are the desk, the data set's name, and in words what
        comes out at the end.
    Raises:
        InputError: A flag is wrong, the address is taken, or the system lacks files in memory.
    """
    from tienet.server.images import ImageDecoder, check_system

    check_system()
    token = serving.check_flags(args)
    with serving.bound_socket(args.host, args.port) as listener:

        def serve(desk: Desk, data: str, result: str) -> None:
            from tienet.server.labelling.app import create_label_app

            serving.start_listening(listener, args.host, args.port)
            decoder = ImageDecoder()
            try:
                app = create_label_app(desk, decoder, data, result, token, serving.allowed_hosts(args.host))
                serving.serve(app, listener, args.host, token is not None)
            finally:
                decoder.close()
            done = sum(desk.finished())
            print(f"{desk.reader}: {done:,} of {len(desk):,} studies are finished: {desk.sheet_path}", file=sys.stderr)

        yield serve


@contextlib.contextmanager
def open_desk(
    kind: str,
    args: argparse.Namespace,
    questions: Sequence[Question],
    assist: str = "",
    givers: tuple[str, ...] = (),
    finish: Callable[[Sheet], None] | None = None,
) -> Iterator[Desk]:
    """A reader's desk, with the journal and the table in --out; arguments as of `Desk`."""
    journal_path, sheet_path = (Path(args.out) / f"{args.reader}.{ending}" for ending in ("jsonl", "csv"))
    with open_journal(journal_path, {"kind": kind, "reader": args.reader}) as journal:
        yield Desk(kind, args.reader, questions, journal, sheet_path, assist, givers, finish)
