"""Which words decide (ERASER, DeYoung et al. 2020): how likely a finding is without them, and by them alone.

    python -m benchmarks.eraser --load RUN [RUN ...] --data NAME [--split test] [--studies 200] [--out FILE.csv]

For each finding that a run names in a study, the words of the report are ranked in four ways: by the text attention
g_t; by sentences, the one without which the finding's probability falls most first (leave one sentence out); by
sentences in a random order; and by single words in a random order. Then the first 10, 20 and 50% of the words are
taken out (comprehensiveness: by how much the probability falls, more is better), or kept alone (sufficiency: by how
much it falls then, less is better). A run of mode `report` reads the words that it wrote itself, cut in the same
ways.

The headings stay words like others. The probabilities of a report that `report` reads are not calibrated. What is
printed is the mean over all named findings, with a 95% interval from a bootstrap over studies.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import cli, files
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.inference.predictor import Predictor
from tienet.labels import FINDINGS, name_labels
from tienet.modeling import outputs

SHARES = (0.1, 0.2, 0.5)
BY_G, BY_SENTENCE = "text attention g_t", "leave one sentence out"
RANDOM_SENTENCES, RANDOM_WORDS = "random sentences", "random words"
RANKINGS = (BY_G, BY_SENTENCE, RANDOM_SENTENCES, RANDOM_WORDS)
FULL_STOP = "."
RESAMPLES = 1000

Read = Callable[[Sequence[int], Sequence[Sequence[str]]], np.ndarray]
"""From positions of studies and a report for each, as words, to the probabilities [N, K]."""


def reader_of(network: Predictor, manifest: Manifest) -> Read:
    """What a network of any mode that reads gives for other words than those of the manifest's reports."""
    writes = network.config.mode_parts.writes
    name = outputs.READ_PROBABILITIES if writes else outputs.PROBABILITIES

    def read(positions: Sequence[int], reports: Sequence[Sequence[str]]) -> np.ndarray:
        given = replace(manifest.take(positions), reports=[" ".join(report) for report in reports])
        return np.stack(network.fetch(network.studies(given), [name])[name])

    return read


def sentences_of(words: Sequence[str]) -> list[np.ndarray]:
    """The positions of the words of each sentence, which a full stop ends."""
    ends = [n + 1 for n, word in enumerate(words) if word == FULL_STOP]
    return [part for part in np.split(np.arange(len(words)), ends) if len(part)]


def chosen(ranking: Sequence[int], share: float) -> np.ndarray:
    """The positions of the first `share` of the ranked words, at least one, in the order of the report."""
    return np.sort(np.asarray(ranking[: max(1, round(share * len(ranking)))], np.int64))


def ranked(words: Sequence[str], g: np.ndarray, drops: Sequence[float], rng: np.random.Generator) -> dict[str, list]:
    """The positions of a report's words, the most important one first, by each ranking.

    Args:
        g: float [n], the text attention of each word.
        drops: By how much the probability falls without each sentence.
    """
    sentences = sentences_of(words)
    by_drop = [sentences[n] for n in np.argsort(-np.asarray(drops), kind="stable")]
    return {
        BY_G: list(np.argsort(-g, kind="stable")),
        BY_SENTENCE: list(np.concatenate(by_drop)),
        RANDOM_SENTENCES: list(np.concatenate([sentences[n] for n in rng.permutation(len(sentences))])),
        RANDOM_WORDS: list(rng.permutation(len(words))),
    }


def measure(read: Read, reports: list[list[str]], g: list[np.ndarray], named: np.ndarray, seed: int) -> pd.DataFrame:
    """By how much the probability of each named finding falls.

    Args:
        reports: The words of each study's report.
        g: For each study the text attention of its words.
        named: bool [N, K], the findings that are asked about.
    Returns:
        Rows with study, ranking, share, comprehensiveness and sufficiency.
    """
    rng = np.random.default_rng(seed)
    whole = read(range(len(reports)), reports)
    asked: list[tuple[int, list[str]]] = []

    def ask(n: int, words: list[str]) -> int:
        asked.append((n, words))
        return len(asked) - 1

    without = [
        [ask(n, [word for p, word in enumerate(words) if p not in set(part)]) for part in sentences_of(words)]
        if named[n].any()
        else []
        for n, words in enumerate(reports)
    ]
    left = read(*zip(*asked, strict=True))
    asked.clear()
    rows = []
    for n, k in np.argwhere(named):
        words, drops = reports[n], [whole[n, k] - left[place, k] for place in without[n]]
        for ranking, order in ranked(words, g[n], drops, rng).items():
            for share in SHARES:
                kept = chosen(order, share)
                rest = np.setdiff1d(np.arange(len(words)), kept)
                places = [ask(n, [words[p] for p in part]) for part in (rest, kept)]
                rows.append((n, k, ranking, share, *places))
    found = read(*zip(*asked, strict=True)) if asked else whole
    return pd.DataFrame(
        [(n, ranking, share, *(whole[n, k] - found[p, k] for p in places)) for n, k, ranking, share, *places in rows],
        columns=["study", "ranking", "share", "comprehensiveness", "sufficiency"],
    )


def summary(falls: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The means for each ranking and share, and over the shares, with 95% intervals over resampled studies."""
    rng = np.random.default_rng(seed)
    studies = falls.study.unique()
    draws = [rng.multinomial(len(studies), np.full(len(studies), 1 / len(studies))) for _ in range(RESAMPLES)]
    rows = []
    for ranking in RANKINGS:
        of_ranking = falls[falls.ranking == ranking]
        for share in (*SHARES, "mean"):
            part = of_ranking if share == "mean" else of_ranking[of_ranking.share == share]
            row = {"ranking": ranking, "share": share, "findings": len(part) // (len(SHARES) if share == "mean" else 1)}
            for name in ("comprehensiveness", "sufficiency"):
                sums = part.groupby("study")[name].agg(["sum", "count"]).reindex(studies).to_numpy()
                drawn = [times @ sums for times in draws]
                low, high = np.percentile([total / count for total, count in drawn], [2.5, 97.5])
                row |= {name: part[name].mean(), f"{name}_low": low, f"{name}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def of_run(load: str, manifest: Manifest, studies: int, seed: int = 0) -> pd.DataFrame:
    """The summary of one run, over the first `studies` of a manifest's part in which it names a finding."""
    with Predictor(load) as network:
        given, read = network.studies(manifest), reader_of(network, manifest)
        if network.calibration is None:
            raise cli.UsageError(f"--load {load}: its checkpoint has no thresholds; tienet calibrate chooses them")
        predictions = network.predict(given)
        named = name_labels(predictions.probabilities, network.calibration.thresholds) == 1
        named[:, len(FINDINGS) :] = False
        some = np.flatnonzero(named.any(1))[:studies]
        reports = predictions.reports or manifest.reports
        words = [tokenize(reports[n])[: network.config.max_words] for n in some]
        g = [explained.g[1 : len(own) + 1] for explained, own in zip(network.explain(given, some), words, strict=True)]
        falls = measure(lambda rows, texts: read(some[list(rows)], texts), words, g, named[some], seed)
    return summary(falls, seed)


def main() -> int:
    """Measure the runs, print a table for each, and write all rows."""
    parser = cli.Parser(prog="benchmarks.eraser", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--load", nargs="+", required=True, metavar="DIR|FILE", help="runs of a mode that reads")
    parser.add_argument("--data", required=True, metavar="NAME|DIR|FILE", help="a data set")
    parser.add_argument("--data-root", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--split", default="test")
    parser.add_argument("--studies", type=int, default=200, metavar="N", help="with a named finding, at most (200)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a CSV of all rows")
    args = parser.parse_args()
    cli.start_tensorflow()
    manifest = manifests.load(args.data, args.data_root).split(args.split)
    tables = []
    for load in args.load:
        table = of_run(load, manifest, args.studies)
        table.insert(0, "run", load)
        tables.append(table)
        print(f"\n{load}: {table.findings.iloc[0]} named findings\n")
        print("| words by | share | comprehensiveness | sufficiency |\n|---|---:|---:|---:|")
        for row in table.itertuples():
            cells = [
                f"{getattr(row, name):.3f} ({getattr(row, f'{name}_low'):.3f} to {getattr(row, f'{name}_high'):.3f})"
                for name in ("comprehensiveness", "sufficiency")
            ]
            print(f"| {row.ranking} | {row.share} | {' | '.join(cells)} |", flush=True)
    if args.out:
        files.write_text(args.out, pd.concat(tables).to_csv(index=False))
    return 0


if __name__ == "__main__":
    cli.run(main)
