"""`tienet label --adjudicate`: a third reader decides where two differ, and a data set comes out."""

import argparse
import sys

from tienet.commands.label_page import open_desk, ready_to_serve
from tienet.errors import InputError
from tienet.folders import contents
from tienet.hand_labels import agreement, decided
from tienet.hand_labels.desk import DECIDING
from tienet.hand_labels.draw import order_of
from tienet.hand_labels.sheet import Sheet, read
from tienet.hand_labels.source import open_source


def run_decide(args: argparse.Namespace) -> int:
    """Serve the page of what differs until it is stopped; the data set is written as soon as all is decided."""
    sheets = [read(path) for path in args.adjudicate]
    shared = agreement.share(*sheets)
    if args.reader in {sheet.reader for sheet in sheets}:
        raise InputError(f"--reader {args.reader}: is one of the two who differ; a third one decides")
    studies = open_source(args.adjudicate, args.of, args.data_root)
    if studies is None:
        raise InputError(
            f"{args.adjudicate[0].parent}: no labelling.json says which data set it is; give it with --data"
        )
    for note in _notes(shared):
        print(f"note: {note}", file=sys.stderr)
    asked = decided.questions(shared, studies)
    contents.check(args.out, contents.DECIDED, "--out")
    if not asked:
        decided.write_data_set(args.out, shared, None, studies)
        print(f"{sheets[0].reader} and {sheets[1].reader} differ nowhere: {args.out / 'manifest.csv'}")
        return 0

    def finish(answers: Sheet) -> None:
        decided.write_data_set(args.out, shared, answers, studies)

    with ready_to_serve(args) as serve:
        questions = [asked[n] for n in order_of(args.reader, 0, len(asked))]
        readers = tuple(sheet.reader for sheet in sheets)
        with open_desk(DECIDING, args, questions, givers=readers, finish=finish) as desk:
            there = f"The decided data set is {args.out / 'manifest.csv'}. To use it: tienet evaluate --data {args.out}"
            serve(desk, studies.name, there)
            left = len(desk) - sum(desk.finished())
        print(f"{left:,} studies are not decided yet" if left else there, file=sys.stderr)
    return 0


def _notes(shared: agreement.Shared) -> list[str]:
    """What is left out: studies that one reader alone has finished."""
    pairs = ((shared.a.reader, shared.only_a), (shared.b.reader, shared.only_b))
    return [f"{len(only):,} studies are left out: only {reader} has finished them" for reader, only in pairs if only]
