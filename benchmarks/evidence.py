"""Whether `tienet annotate --evidence` points at the sentence that a finding comes from, where that is known.

    python -m benchmarks.evidence --load RUN --data NAME [--split test] [--out FILE.csv]

RUN is of mode `annotate-text`. What a sentence says is known in two ways. On phantoms by the grammar: a sentence
tells of a finding that it names without a negation. On any other data set from the reports, of all splits, that have
one sentence alone: it has the labels of its report. A case is a finding of a report with two sentences or more that
the run names, that is true, and that a sentence is known to tell of. Beside the evidence stand: the sentence with the
largest g_t (eq. 4), the sentence that a logistic regression on TF-IDF falls most without, and a random sentence.
Intervals are 95%, over reports.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import cli, files
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.datasets.phantom.reports import NAMES, NEGATIONS
from tienet.errors import InputError
from tienet.inference.annotator import Annotator
from tienet.inference.evidence import Sentence, find_evidence, split_into_sentences, without
from tienet.labels import FINDINGS, LABELS

Tells = Callable[[str, str], bool]
"""Whether a sentence is known to tell of a finding."""

METHODS = ("evidence", "largest g_t", "TF-IDF, leave one out", "random sentence")
RESAMPLES = 1000


def told_by_grammar(sentence: str, finding: str) -> bool:
    """Whether a sentence of a phantom's report tells of a finding."""
    text = sentence.lower()
    return any(name in text for name in NAMES[finding]) and not any(word in text for word in NEGATIONS)


def told_by_single_sentences(manifest: Manifest) -> Tells:
    """What the reports of one sentence say of it: a finding that all of them have."""
    labels_of: dict[str, list[np.ndarray]] = {}
    for report, labels in zip(manifest.reports, manifest.labels, strict=True):
        sentences = split_into_sentences(report)
        if len(sentences) == 1:
            labels_of.setdefault(_key(sentences[0].text), []).append(labels)
    known = {key: np.min(rows, axis=0) == 1 for key, rows in labels_of.items()}

    def tells(sentence: str, finding: str) -> bool:
        found = known.get(_key(sentence))
        return found is not None and bool(found[LABELS.index(finding)])

    return tells


def _key(sentence: str) -> str:
    return " ".join(word for word in tokenize(sentence) if any(c.isalnum() for c in word))


def cases_of(annotator: Annotator, manifest: Manifest, split: str, tells: Tells) -> pd.DataFrame:
    """A row for each case: study, finding, sentences, known, and whether each of `METHODS` points at a known one."""
    part = manifest.split(split)
    several = [n for n, report in enumerate(part.reports) if len(split_into_sentences(report)) > 1]
    part = part.take(several)
    predictions = annotator.annotate(part.reports, maps=True)
    by_tfidf = _tfidf_drops(manifest.split("train"))
    rows = []
    for n, found in enumerate(find_evidence(annotator, part.reports, predictions)):
        sentences = split_into_sentences(part.reports[n])
        for evidence in found:
            k = LABELS.index(evidence.label)
            known = [tells(sentence.text, evidence.label) for sentence in sentences]
            if part.labels[n, k] != 1 or not any(known):
                continue
            pointed = {
                "evidence": sentences.index(evidence.sentence),
                "largest g_t": _most_attended(part.reports[n], sentences, predictions[n].g),
                "TF-IDF, leave one out": int(np.argmax(by_tfidf(part.reports[n], sentences, k))),
            }
            hits = {method: float(known[place]) for method, place in pointed.items()}
            facts = {"study": part.study_ids[n], "finding": evidence.label, "sentences": len(sentences)}
            rows.append({**facts, "known": sum(known), **hits, "random sentence": sum(known) / len(known)})
    return pd.DataFrame(rows)


def _most_attended(report: str, sentences: Sequence[Sentence], g: np.ndarray) -> int:
    """The sentence that the word with the largest g_t stands in; words outside of all sentences do not count."""
    best = []
    for sentence in sentences:
        start = 1 + len(tokenize(report[: sentence.start]))  # <START> is first
        best.append(g[start : start + len(tokenize(sentence.text))].max(initial=-np.inf))
    return int(np.argmax(best))


def _tfidf_drops(train: Manifest) -> Callable[[str, Sequence[Sentence], int], np.ndarray]:
    """By how much a logistic regression on TF-IDF falls without each sentence."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(tokenizer=tokenize, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2)
    texts = vectorizer.fit_transform(train.reports)
    models = {
        k: LogisticRegression(C=30, max_iter=1000, class_weight="balanced").fit(texts, train.labels[:, k] == 1)
        for k in range(len(FINDINGS))
        if len(np.unique(train.labels[:, k] == 1)) == 2
    }

    def drops(report: str, sentences: Sequence[Sentence], k: int) -> np.ndarray:
        reports = [report, *(without(report, sentence) for sentence in sentences)]
        scores = models[k].decision_function(vectorizer.transform(reports)) if k in models else np.zeros(len(reports))
        return scores[0] - scores[1:]

    return drops


def summary(cases: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """For each method the share of cases in which it points at a known sentence, with an interval over studies."""
    rng = np.random.default_rng(seed)
    rows = []
    for method in METHODS:
        sums = cases.groupby("study")[method].agg(["sum", "count"]).to_numpy()
        drawn = [sums[rng.integers(len(sums), size=len(sums))].sum(0) for _ in range(RESAMPLES)]
        low, high = np.percentile([hits / count for hits, count in drawn], [2.5, 97.5])
        rows.append({"method": method, "cases": len(cases), "share": cases[method].mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def main() -> int:
    """Print the table, and write the cases."""
    parser = cli.Parser(prog="benchmarks.evidence", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--load", required=True, metavar="DIR|FILE", help="a run of mode annotate-text")
    parser.add_argument("--data", required=True, metavar="NAME|DIR|FILE", help="a data set")
    parser.add_argument("--data-root", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a CSV of the cases")
    args = parser.parse_args()
    cli.start_tensorflow()
    manifest = manifests.load(args.data, args.data_root)
    is_phantom = all(study.startswith("phantom-") for study in manifest.study_ids)
    tells = told_by_grammar if is_phantom else told_by_single_sentences(manifest)
    with Annotator.load(args.load) as annotator:
        cases = cases_of(annotator, manifest, args.split, tells)
    if cases.empty:
        raise InputError(
            f"{args.data}: no finding that the run names rightly is known to be told by a sentence; expected phantoms, "
            "or a data set with reports of one sentence"
        )
    print(f"{len(cases)} cases in {cases.study.nunique()} reports of {cases.sentences.mean():.1f} sentences\n")
    print("| points at the known sentence | share |\n|---|---:|")
    for row in summary(cases).itertuples():
        print(f"| {row.method} | {row.share:.3f} ({row.low:.3f} to {row.high:.3f}) |")
    if args.out:
        files.write_text(args.out, cases.to_csv(index=False))
    return 0


if __name__ == "__main__":
    cli.run(main)
