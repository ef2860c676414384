"""The flags that say how reports are written, which several commands share."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tienet.errors import InputError
from tienet.modeling.decoding import METHODS, Decoding, DecodingError

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.inference.judges import Judges

_OF_METHODS = {
    "width": ("beam",),
    "length_norm": ("beam",),
    "temperature": ("sample", "consistent"),
    "seed": ("sample", "consistent"),
    "no_repeat": ("greedy", "sample", "consistent"),
    "findings_penalty": ("greedy", "consistent"),
    "candidates": ("consistent",),
    "weights": ("consistent",),
    "margin": ("consistent",),
    "reader": ("consistent",),
    "judge": ("consistent",),
}
"""The methods of --decode that have each setting; all have the others."""


_FLAGS = {
    "width": "--beam",
    "seed": "--decode-seed",
    "max_words": "--max-written",
    **{f"{score}_weight": f"--weights, {score}" for score in ("likelihood", "consistency", "agreement")},
}
"""The flags of settings that have another name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    writing = parser.add_argument_group("how reports are written")
    writing.add_argument("--decode", choices=METHODS, help="the method (greedy)")
    writing.add_argument("--beam", type=int, metavar="N", help="width of the beam (3)")
    writing.add_argument(
        "--length-norm",
        type=float,
        metavar="X",
        help="0: the sum of ln p, which favours short reports; 1: its mean (1)",
    )
    writing.add_argument("--temperature", type=float, metavar="X", help="of sampling (1; for consistent .7)")
    writing.add_argument("--decode-seed", type=int, metavar="N", help="of sampling (0)")
    writing.add_argument("--max-written", type=int, metavar="N", help="most words of a report (as the run)")
    writing.add_argument("--no-repeat", type=int, metavar="N", help="no N words come twice in a report (as the run)")
    writing.add_argument(
        "--findings-penalty", type=float, metavar="X", help="keeps greedy reports from ending early (as the run)"
    )
    chosen = parser.add_argument_group("--decode consistent: the candidate that says best what the image shows")
    chosen.add_argument(
        "--reader",
        nargs="+",
        action="append",
        metavar="DIR|FILE",
        help="a run of annotate-text that reads the candidates, or several",
    )
    chosen.add_argument(
        "--judge",
        nargs="+",
        action="append",
        metavar="DIR|FILE",
        help="a run of classify that sees the image alone, or several",
    )
    chosen.add_argument("--candidates", type=int, metavar="N", help="the greedy report and N - 1 samples (16)")
    chosen.add_argument(
        "--weights",
        type=float,
        nargs=3,
        metavar=("LIKELIHOOD", "CONSISTENCY", "AGREEMENT"),
        help="of the three scores that are added up (0 1 .05)",
    )
    chosen.add_argument(
        "--margin", type=float, metavar="X", help="log-odds below the judge's threshold that still count for it (.5)"
    )


def decoding_of(args: argparse.Namespace) -> Decoding | None:
    """How the flags say that reports are written; None if none of them was given.

    Raises:
        InputError: A value is wrong, or a setting was given that the method of --decode does not have.
    """

    flags = {
        "method": args.decode, "width": args.beam, "length_norm": args.length_norm, "temperature": args.temperature,
        "seed": args.decode_seed, "max_words": args.max_written, "no_repeat": args.no_repeat,
        "findings_penalty": args.findings_penalty,
        "candidates": args.candidates, "weights": args.weights, "margin": args.margin, "reader": args.reader,
        "judge": args.judge,
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    for name, methods in _OF_METHODS.items():
        if name in given and (args.decode or "greedy") not in methods:
            raise InputError(
                f"--decode {args.decode or 'greedy'}: {name} is a setting of --decode {' or '.join(methods)}"
            )
    if args.decode == "consistent":
        for flag, mode in (("reader", "annotate-text"), ("judge", "classify")):
            if given.pop(flag, None) is None:
                raise InputError(f"--decode consistent: --{flag} is missing; give a run of mode {mode}")
    weights = given.pop("weights", None)
    if weights:
        names = ("likelihood_weight", "consistency_weight", "agreement_weight")
        given |= dict(zip(names, weights, strict=True))
    try:
        return Decoding(**given) if given else None
    except DecodingError as error:
        flag = _FLAGS.get(error.name, f"--{error.name.replace('_', '-')}")
        raise InputError(f"{flag} {error.value}: expected {error.expected}") from None


def runs_of(given: Sequence[Sequence[str]] | None) -> tuple[str, ...] | None:
    """The runs that --reader or --judge names: those of the last one count, as with other flags. None if not given."""
    return tuple(given[-1]) if given else None


def judges_of(args: argparse.Namespace, writer: "OpenedRun", features: str = "off") -> "Judges | None":
    """The judges of the candidates of a writer; None if the flags ask for no candidates.

    Raises:
        InputError: One of them does not fit.
    """
    if args.decode != "consistent":
        return None
    from tienet.inference.judges import Judges

    return Judges(writer, runs_of(args.reader), runs_of(args.judge), features)
