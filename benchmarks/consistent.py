#!/usr/bin/env python
"""What `--decode consistent` gives with each setting: a grid over one set of candidates, to choose on validation.

    python benchmarks/consistent.py --load WRITER --reader R --judge C --data NAME [--split val]
        [--labeller L] [--candidates 16] [--temperature .5 .7 1] [--no-repeat N] [--cache DIR] [--out FILE.csv]

WRITER is a run of mode `report` or `caption`, R one of `annotate-text`, C one of `classify`. The candidates of each
temperature are written, read and judged once and kept in DIR (WRITER/eval/candidates); the first n of them stand for n
candidates. Printed is, for each setting: precision, recall and F1 of the findings that L (R, if there is none) names in
the chosen reports against the true labels (micro), distinct reports, how many these would be of 615 (from how their
number grows from half of the studies to all), mean words, BLEU-4 and CIDEr as without Java. Settings that keep nine
tenths of greedy's BLEU-4 and 300 distinct reports of 615 stand first, by F1.

A setting is: T temperature, n candidates, l and a the weights of likelihood and agreement (consistency has 1, and 0
where one stands alone), m the margin.
"""

import argparse
import hashlib
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tienet import cli, files
from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.checkpoint.together import OpenedRuns, open_model
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.inference import candidate_scores
from tienet.inference.candidate_scores import Evidence, consistency, similarity
from tienet.inference.judges import Judges
from tienet.labels import FINDINGS, name_labels
from tienet.modeling import outputs
from tienet.modeling.decoding import Decoding

SHARE_OF_GREEDYS_BLEU, DISTINCT, STUDIES = 0.9, 300, 615
LIKELIHOOD, AGREEMENT = (0.0, 0.5, 2.0), (0.0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0, 5.0)
MARGINS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)

_F = len(FINDINGS)


class Kept(NamedTuple):
    """All that is kept of the candidates of one temperature: N studies, W candidates, K labels."""

    texts: np.ndarray  # str [N, W]
    word_len: np.ndarray  # int32 [N, W]
    log_probability: np.ndarray  # float32 [N, W]
    read: np.ndarray  # float32 [N, W, K], R's probabilities
    named: np.ndarray  # float32 [N, W, K], 1 or 0, the labels that are judged
    seen: np.ndarray  # float32 [N, K], the judge's probabilities
    similar: np.ndarray  # float32 [N, W, W]
    bleu: np.ndarray  # int [N, W, 10]: matches and n-grams of 1 to 4 words, words, true words
    cider: np.ndarray  # float32 [N, W]


# ---- the candidates, made once ----


def candidates_of(args: argparse.Namespace, judges: Judges, split: Manifest, decoding: Decoding) -> Kept:
    """The candidates of these studies, from the cache if they are there."""
    labeller = open_model(args.labeller or judges.reader)
    models = (open_run(args.load), judges.reader, judges.judge, labeller)
    key = [[[str(run.prefix) for run in model.runs], str(model.calibration)] for model in models]
    key += [split.fingerprint(), decoding.max_words, decoding.seed, decoding.no_repeat]
    name = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
    path = args.cache / f"{args.split}-{decoding.temperature:g}-{decoding.candidates}-{name}.npz"
    if not path.is_file():
        kept = _make(args.load, labeller, judges, split, decoding)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **kept._asdict())
    with np.load(path) as arrays:
        return Kept(**arrays)


def _make(load: str, labeller: OpenedRun | OpenedRuns, judges: Judges, split: Manifest, decoding: Decoding) -> Kept:
    from tienet.predict import Predictor

    with Predictor(load, decoding=decoding, judges=judges) as writer:
        studies = writer.studies(split)
        rows = writer.fetch(studies, outputs.CANDIDATES, progress=True)
        word_len = np.stack(rows[outputs.CANDIDATE_LEN])
        texts = [
            [writer.run.vocab.decode(ids[1:n]) for ids, n in zip(*of_study, strict=True)]
            for of_study in zip(rows[outputs.CANDIDATE_IDS], word_len, strict=True)
        ]
        blocks = np.array_split(np.arange(len(split)), -(-len(split) // 32))
        seen = np.concatenate([judges.look(studies.image_inputs(block)) for block in blocks])
    flat = [text for row in texts for text in row]
    read = judges.read(flat)
    found = read
    if [run.prefix for run in labeller.runs] != [run.prefix for run in judges.reader.runs]:
        with Judges(load, labeller, judges.judge) as other:
            found = other.read(flat)
    named = np.nan_to_num(name_labels(found, labeller.thresholds()))
    read, named = (values.reshape(*word_len.shape, -1) for values in (read, named))
    similar = np.stack([similarity([text.split() for text in row]) for row in texts])
    bleu = np.array(
        [
            [_bleu_counts(text.split(), tokenize(true)) for text in row]
            for row, true in zip(texts, split.reports, strict=True)
        ]
    )
    with CaptionScorer(java=False) as scorer:
        cider = [scorer.score_each(split.reports, column)[1]["CIDEr"] for column in zip(*texts, strict=True)]
    log_probability = np.stack(rows[outputs.CANDIDATE_LOG_PROBABILITY])
    return Kept(np.array(texts), word_len, log_probability, read, named, seen, similar, bleu, np.stack(cider, 1))


def _bleu_counts(words: list[str], true: list[str]) -> list[int]:
    """What BLEU-4 adds up over reports: matches and n-grams of 1 to 4 words, words and true words."""
    from pycocoevalcap.bleu.bleu_scorer import cook_refs, cook_test

    if not true:
        return [0] * 10  # as in all caption metrics, such a study does not count
    counts = cook_test(" ".join(words), cook_refs([" ".join(true)]))
    return [*counts["correct"], *counts["guess"], len(words), len(true)]


def bleu4(counts: np.ndarray) -> float:
    """Corpus BLEU-4 of reports with these counts, int [N, 10]."""
    correct, guess, (words, true) = np.split(counts.sum(0).astype(float), [4, 8])
    precision = np.prod(np.maximum(correct, 1e-15) / np.maximum(guess, 1e-9)) ** 0.25
    return float(precision * np.exp(min(0.0, 1 - true / max(words, 1))))


# ---- settings ----


class Setting(NamedTuple):
    """A row of the grid; the letters are explained at the top."""

    name: str
    T: float
    n: int
    l: float  # noqa: E741
    a: float
    m: float


def choose(kept: Kept, judges: Judges, setting: Setting) -> np.ndarray:
    """The candidate of each study that a setting chooses among the first n, int64 [N]."""
    n = setting.n
    similar = kept.similar[:, :n, :n]
    agreement = (similar.sum(-1) - similar.diagonal(axis1=1, axis2=2)) / max(n - 1, 1)
    scored_by = kept.log_probability[:, :n], kept.word_len[:, :n], kept.read[:, :n], kept.seen
    return candidate_scores.choose(Evidence(*scored_by, judges.judge.thresholds(), agreement), decoding_of(setting))


def decoding_of(setting: Setting) -> Decoding:
    """The setting as `--decode` takes it."""
    return Decoding(
        "consistent",
        candidates=setting.n,
        temperature=setting.T,
        likelihood_weight=setting.l,
        consistency_weight=0.0 if setting.name.endswith("alone") else 1.0,
        agreement_weight=setting.a,
        margin=setting.m,
    )


def settings_of(temperature: float, most: int) -> list[Setting]:
    """All settings with candidates of one temperature."""
    counts = sorted({n for n in (4, 8, 16, 32, most) if n <= most})
    grid = [
        Setting("consistent", temperature, *values)
        for values in itertools.product(counts, LIKELIHOOD, AGREEMENT, MARGINS)
    ]
    alone = [Setting("l alone", temperature, n, 1.0, 0.0, 0.0) for n in counts]
    return [*alone, *(setting._replace(name="a alone", l=0.0, a=1.0) for setting in alone), *grid]


def measure(kept: Kept, split: Manifest, chosen: np.ndarray) -> dict[str, float]:
    """The figures of the chosen candidates."""
    rows = np.arange(len(split))
    texts = kept.texts[rows, chosen]
    return {
        **_rates(kept.named[rows, chosen], split.labels),
        "distinct": len(set(texts)),
        f"of {STUDIES}": distinct_of(texts, STUDIES),
        "words": float(np.mean(kept.word_len[rows, chosen] - 1)),
        "BLEU-4": bleu4(kept.bleu[rows, chosen]),
        "CIDEr": float(np.nanmean(kept.cider[rows, chosen])),
    }


def distinct_of(texts: np.ndarray, studies: int) -> float:
    """How many distinct reports so many studies would have: the number grows as a power of the number of studies."""
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(len(texts)), (10, 1)), axis=1)
    half = np.mean([len(set(texts[order[: len(texts) // 2]])) for order in orders])
    whole = len(set(texts))
    return float(whole * (studies / len(texts)) ** np.log2(whole / half))


def _rates(named: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Micro precision, recall and F1 of the findings, over the labels that are known."""
    named, labels = named[:, :_F], labels[:, :_F]
    known = ~np.isnan(labels)
    hits, all_named, true = ((x * known).sum() for x in (named * np.nan_to_num(labels), named, np.nan_to_num(labels)))
    return {"precision": hits / max(all_named, 1), "recall": hits / max(true, 1), "F1": 2 * hits / (all_named + true)}


# ---- what is printed ----


def table_of(args: argparse.Namespace, judges: Judges, split: Manifest) -> pd.DataFrame:
    """Every setting with its figures."""
    rows: list[dict] = []
    for temperature in args.temperature:
        decoding = Decoding("consistent", candidates=args.candidates, temperature=temperature, no_repeat=args.no_repeat)
        kept = candidates_of(args, judges, split, decoding)
        if not rows:
            rows.append({"name": "greedy", **measure(kept, split, np.zeros(len(split), np.int64))})
            seen = np.nan_to_num(name_labels(kept.seen, judges.judge.thresholds()))
            rows.append({"name": "judge's own labels", **_rates(seen, split.labels)})
        best = consistency(kept.named, np.nan_to_num(split.labels), np.full(split.labels.shape[1], 0.5)).argmax(1)
        rows.append({"name": "by true labels", "T": temperature, **measure(kept, split, best)})
        for setting in settings_of(temperature, args.candidates):
            rows.append({**setting._asdict(), **measure(kept, split, choose(kept, judges, setting))})
    table = pd.DataFrame(rows)
    long_enough = table["BLEU-4"] >= SHARE_OF_GREEDYS_BLEU * table["BLEU-4"][0]
    return table.assign(kept=long_enough & (table[f"of {STUDIES}"] >= DISTINCT))


def main() -> None:
    """Print the rows for comparison, and the best settings."""
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--load", "--data"):
        parser.add_argument(flag, required=True, metavar="NAME|FILE" if flag == "--data" else "DIR|FILE")
    for flag in ("--reader", "--judge"):
        parser.add_argument(flag, required=True, nargs="+", metavar="DIR|FILE")
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR")
    parser.add_argument("--split", default="val")
    parser.add_argument("--labeller", nargs="+", metavar="DIR|FILE", help="names the findings in the reports (R)")
    parser.add_argument("--candidates", type=int, default=16, metavar="N")
    parser.add_argument("--temperature", type=float, nargs="+", default=[0.5, 0.7, 1.0], metavar="X")
    parser.add_argument("--no-repeat", type=int, metavar="N", help="as --decode consistent has it (as the run)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of the candidates (WRITER/eval/candidates)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a CSV file with every setting")
    parser.add_argument("--rows", type=int, default=25, metavar="N", help="how many settings are printed (25)")
    args = parser.parse_args()
    split = manifests.load(args.data, args.data_root).split(args.split)
    with Judges(args.load, args.reader, args.judge, "cache") as judges:
        args.cache = args.cache or open_run(args.load).folder / "eval" / "candidates"
        cli.start_tensorflow()
        table = table_of(args, judges, split)
    if args.out:
        table.to_csv(args.out, index=False)
    reference = table[table.name != "consistent"]
    grid = table[table.name == "consistent"].sort_values(["kept", "F1"], ascending=False)
    print(pd.concat([reference, grid.head(args.rows)]).to_string(index=False, na_rep="", float_format="{:.3f}".format))


if __name__ == "__main__":
    cli.run(main)
