"""Make data/NAME/vocab: the words of the training reports (vocab.txt) and their vectors (embeddings.npy).

    tienet vocabulary --data openi --corpus pubmed_abstracts.txt.gz

Vectors come from word2vec on the --corpus files and the training reports, on the reports alone if no corpus is
given, or from a file (--vectors). stats.json says what was read, how many words have a vector, how many words of
the validation and test reports are unknown, and how long the reports are.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import files
from tienet.cli import UsageError
from tienet.data import leaks, word_vectors
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.data.text import SPECIALS, Vocab, tokenize
from tienet.errors import InputError
from tienet.folders import contents

DEFAULT_DIM = 200


@dataclass(frozen=True)
class Source:
    """Where the vectors came from.

    Attributes:
        known: The vector of each word that has one.
        described: What stats.json records of the source.
    """

    known: dict[str, np.ndarray]
    described: dict[str, object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--data",
        default="chestxray14",
        metavar="NAME|DIR|FILE",
        help="NAME of data/NAME, a data set's folder, or a manifest (chestxray14)",
    )
    parser.add_argument("--data-root", type=Path, default=Path("data"), metavar="DIR", help="folder of data sets")
    parser.add_argument(
        "--corpus", type=Path, action="append", default=[], metavar="FILE", help="text, one a line, .gz too; repeatable"
    )
    parser.add_argument(
        "--vectors", type=Path, metavar="FILE", help=f"ready-made word vectors ({', '.join(word_vectors.VECTOR_FILES)})"
    )
    parser.add_argument("--min-count", type=int, default=2, metavar="N", help="times a word must be seen (2)")
    parser.add_argument("--dim", type=int, metavar="N", help=f"numbers in a vector ({DEFAULT_DIM}, or the file's)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of word2vec and of drawn vectors (0)")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="word2vec's passes over the text (5)")


def run(args: argparse.Namespace) -> int:
    """Write the three files, and print what is in them."""
    _check_flags(args)
    manifest = manifests.load(args.data, args.data_root)
    train = _reports(manifest, "train")
    if not train:
        raise InputError(
            f"{manifest.path}: no training study has a report, so there are no words; fill its report column, or "
            "choose another data set with --data"
        )
    folder = manifest.path.parent / "vocab"
    vocab = Vocab.from_reports(train, args.min_count)
    with contents.writing(folder, contents.VOCABULARY):
        source = _read(args, vocab) if args.vectors else _learn(args, train, folder)
        matrix = word_vectors.fill_matrix(vocab, source.known, args.seed)
        stats = _stats(args, manifest, vocab, source, matrix)
        _write(folder, vocab, matrix, stats)
    print(_summary(folder, stats))
    return 0


def _check_flags(args: argparse.Namespace) -> None:
    for flag, least in (("min_count", 1), ("dim", 1), ("seed", 0), ("epochs", 1)):
        value = getattr(args, flag)
        if value is not None and value < least:
            raise UsageError(f"--{flag.replace('_', '-')} {value}: it must be {least} or more")
    if args.seed >= 2**32:
        raise UsageError(f"--seed {args.seed}: it must be less than 2^32")
    if args.corpus and args.vectors:
        raise UsageError("--corpus and --vectors: choose one; vectors are either learnt or read from a file")
    for path in (*args.corpus, *([args.vectors] if args.vectors else [])):
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file")


def _reports(manifest: Manifest, split: str) -> list[str]:
    """The reports of a split, without the empty ones."""
    pairs = zip(manifest.reports, manifest.splits, strict=True)
    return [report for report, its_split in pairs if its_split == split and report.strip()]


def _learn(args: argparse.Namespace, train: list[str], folder: Path) -> Source:
    if not args.corpus:
        print(f"no --corpus and no --vectors: word2vec learns from the {len(train)} training reports alone")
    corpora = [word_vectors.describe_corpus(path) for path in args.corpus]
    files.check_writable(folder / "embeddings.npy")
    known = word_vectors.train_word2vec(
        args.corpus,
        train,
        dim=args.dim or DEFAULT_DIM,
        min_count=args.min_count,
        epochs=args.epochs,
        seed=args.seed,
        n_lines=sum(corpus["lines"] for corpus in corpora),
    )
    return Source(known, {"method": "word2vec", "epochs": args.epochs, "corpora": corpora})


def _read(args: argparse.Namespace, vocab: Vocab) -> Source:
    known, dim = word_vectors.read_vectors(args.vectors, set(vocab.words[len(SPECIALS) :]))
    if args.dim not in (None, dim):
        raise InputError(f"{args.vectors}: its vectors have {dim} numbers, and --dim says {args.dim}; leave --dim out")
    return Source(known, {"method": "file", **word_vectors.describe_file(args.vectors)})


def _stats(
    args: argparse.Namespace, manifest: Manifest, vocab: Vocab, source: Source, matrix: np.ndarray
) -> dict[str, object]:
    tokens = {split: [tokenize(report) for report in _reports(manifest, split)] for split in ("train", "val", "test")}
    n_words = [len(report) for report in tokens["train"]]
    words = vocab.words[len(SPECIALS) :]
    return {
        "data": manifest.name,
        "manifest_fingerprint": manifest.fingerprint(),
        "training_reports": leaks.reports_fingerprint(_reports(manifest, "train")),
        "vocab_fingerprint": vocab.fingerprint(),
        "vocabulary": len(vocab),
        "min_count": args.min_count,
        "dim": matrix.shape[1],
        "seed": args.seed,
        "vectors": source.described,
        "vectors_std": round(float(matrix[1:].std()), 6),
        "coverage_of_vocabulary": _share(word in source.known for word in words),
        "coverage_of_running_words": _share(word in source.known for report in tokens["train"] for word in report),
        "reports": {split: len(reports) for split, reports in tokens.items()},
        "oov_rate": {
            split: _share(word not in vocab.ids for report in reports for word in report)
            for split, reports in tokens.items()
        },
        "report_words": {
            **{f"p{p}": float(np.percentile(n_words, p)) for p in (50, 90, 99)},
            "max": max(n_words),
        },
    }


def _share(hits: Iterable[bool]) -> float | None:
    """The share of hits that are True, rounded to 6 digits; None if there are none to count."""
    hits = list(hits)
    return round(sum(hits) / len(hits), 6) if hits else None


def _write(folder: Path, vocab: Vocab, matrix: np.ndarray, stats: dict[str, object]) -> None:
    """Write the three files. stats.json is removed first and written last: if it exists, the other two match it."""
    (folder / "stats.json").unlink(missing_ok=True)
    vocab.save(folder / "vocab.txt")
    with files.replacing(folder / "embeddings.npy") as temporary, temporary.open("wb") as file:
        np.save(file, matrix)
    files.write_json(folder / "stats.json", stats)


def _summary(folder: Path, stats: dict[str, object]) -> str:
    def percent(share: float | None) -> str:
        return "none to count" if share is None else f"{share:.2%}"

    vectors, oov, lengths = stats["vectors"], stats["oov_rate"], stats["report_words"]
    origin = vectors.get("file") or ", ".join(
        f"{corpus['file']} ({corpus['lines']} lines, {corpus['words']} words)" for corpus in vectors["corpora"]
    )
    counts = ", ".join(f"{split} {n}" for split, n in stats["reports"].items())
    lines = [
        f"{folder}",
        f"  reports            {counts}",
        f"  vocabulary         {stats['vocabulary']} words, seen {stats['min_count']} times or more in training",
        f"  unknown words      train {percent(oov['train'])}, val {percent(oov['val'])}, test {percent(oov['test'])}",
        f"  words per report   median {lengths['p50']:.0f}, 90% {lengths['p90']:.0f}, 99% {lengths['p99']:.0f}, "
        f"longest {lengths['max']}",
        f"  vectors            {stats['dim']}-d, std {stats['vectors_std']:.3f}, by {vectors['method']}"
        f"{': ' + origin if origin else ''}",
        f"  with a vector      {percent(stats['coverage_of_vocabulary'])} of the vocabulary, "
        f"{percent(stats['coverage_of_running_words'])} of the training reports' words",
        f"  fingerprints       vocabulary {stats['vocab_fingerprint'][:12]}, "
        f"manifest {stats['manifest_fingerprint'][:12]}",
    ]
    return "\n".join(lines)
