"""`tienet label DATA`: the page on which a reader labels drawn studies."""

import argparse
import sys

from tienet import files
from tienet.commands import flags
from tienet.commands.label_page import open_desk, ready_to_serve
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.folders import contents, locks
from tienet.hand_labels import ALL_SPLITS, DEFAULT_SEED, DEFAULT_SPLIT, DEFAULT_STUDIES, draw
from tienet.hand_labels.desk import LABELLING, Question
from tienet.hand_labels.source import FILE_NAME, Source, read_source, write_source


def run_label(args: argparse.Namespace) -> int:
    """Draw the studies, or take those that an earlier reader's command drew, and serve the page."""
    with ready_to_serve(args) as serve:
        manifest = manifests.load(args.data, args.data_root)
        for note in manifest.notes:
            print(f"note: {note}", file=sys.stderr)
        run = _opened(args.assist)
        studies, seed = drawn_studies(args, manifest)
        order = draw.order_of(args.reader, seed, len(studies))
        shown = [{}] * len(studies)
        if run is not None:
            from tienet.hand_labels.assist import labels_of

            flags.start(args.gpu)
            shown = labels_of(run, studies)
        questions = [_question(studies, n, shown[n]) for n in order]
        with open_desk(LABELLING, args, questions, assist=run.folder.name if run else "") as desk:
            result = f"The answers are in {desk.sheet_path}."
            serve(
                desk,
                manifest.name,
                f"{result} When another reader has finished, too, compare both: tienet label --agree.",
            )
    return 0


def _opened(assist: str | None) -> object | None:
    """The run whose labels are shown, checked; None: none are."""
    if assist is None:
        return None
    from tienet.checkpoint.run_folder import open_run
    from tienet.hand_labels.assist import check_labels

    run = open_run(assist)
    run.check_files()
    check_labels(run)
    return run


def _question(studies: Manifest, n: int, shown: dict) -> Question:
    return Question(studies.study_ids[n], studies.patient_ids[n], studies.images[n], studies.reports[n], assist=shown)


def drawn_studies(args: argparse.Namespace, manifest: Manifest) -> tuple[Manifest, int]:
    """The studies that the readers of --out label, in the order of the manifest, and the seed that drew them.

    The first reader's command draws them. For later ones they are the same, and a flag that says otherwise is refused.

    Raises:
        InputError: --out holds something else, or studies that were drawn otherwise or from another data set.
    """
    contents.check(args.out, contents.HAND_LABELS, "--out")
    with locks.hold(args.out / ".drawing.lock", args.out, "--out", wait=True):
        if not (args.out / FILE_NAME).is_file():
            _draw(args, manifest)
        return _read_drawn(args, manifest)


def _draw(args: argparse.Namespace, manifest: Manifest) -> None:
    split = args.split or DEFAULT_SPLIT
    pool = manifest if split == ALL_SPLITS else manifest.split(split)
    count, seed = args.studies or DEFAULT_STUDIES, args.seed or DEFAULT_SEED
    shares = None
    if args.balance is not None:
        shares = draw.parse_shares(args.balance) or draw.equal_shares(pool)
    drawn = draw.draw(pool, count, seed, shares)
    draw.write_drawn(args.out, pool, drawn)
    more = {"studies": count, "balance": args.balance}
    write_source(args.out, Source.of(manifest, None if split == ALL_SPLITS else split, seed), more)


def _read_drawn(args: argparse.Namespace, manifest: Manifest) -> tuple[Manifest, int]:
    source, noted = read_source(args.out), files.read_json(args.out / FILE_NAME)
    source.check(manifest, args.out)
    count, balance = noted.get("studies"), noted.get("balance")
    if not isinstance(count, int) or not (balance is None or isinstance(balance, list)):
        raise InputError(f"{args.out / FILE_NAME}: studies is {count!r} and balance {balance!r}; put the file back")
    there = {"studies": count, "seed": source.seed, "split": source.split or ALL_SPLITS, "balance": balance}
    for name, drawn_with in there.items():
        value = getattr(args, name)
        if value is not None and value != drawn_with:
            raise InputError(
                f"--{name} {_words(value)}: the studies in {args.out} were drawn with --{name} {_words(drawn_with)}; "
                f"leave --{name} out to label the same ones, or choose another --out"
            )
    row_of = {study: n for n, study in enumerate(manifest.study_ids)}
    ids = draw.read_drawn(args.out)
    missing = next((study for study in ids if study not in row_of), None)
    if missing is not None:
        raise InputError(f"{args.out / draw.FILE_NAME}: study {missing} is not in {manifest.path}; put the file back")
    if len(ids) < count:
        print(f"note: {count:,} studies were wanted, and there are {len(ids):,}", file=sys.stderr)
    return manifest.take(row_of[study] for study in ids), source.seed


def _words(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else "unset" if value is None else str(value)
