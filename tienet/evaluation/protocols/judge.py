"""`tienet evaluate --protocol`: the reports of runs, judged as another work does, or written as it takes them."""

import contextlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.data.readable_text import split_sections
from tienet.data.text import tokenize
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.controls.reports import nearest_reports
from tienet.evaluation.inputs import Inputs
from tienet.evaluation.protocols import rexrank
from tienet.evaluation.protocols.published_studies import PublishedStudies, find_studies, read_published
from tienet.evaluation.protocols.r2gen import R2GenTest, published_rows, spreads
from tienet.evaluation.protocols.r2gen_table import table_csv, table_text
from tienet.folders import contents
from tienet.inference.predictor import Predictor


@dataclass(frozen=True)
class Protocol:
    """A protocol and its studies in a data set.

    Attributes:
        published: The file with its studies.
        positions: For each of its test studies, the position in the split that is evaluated.
        r2gen: The references, for protocol `r2gen`; None for others.
    """

    published: PublishedStudies
    positions: list[int]
    r2gen: R2GenTest | None


@dataclass(frozen=True)
class Written:
    """What one run wrote: the report of each of the protocol's studies, in words of `tienet.data.text.tokenize`.

    Attributes:
        inputs: The run and its studies.
        reports: One report for each study.
        nearest: The findings of the training image that is most like each; None if they were not asked for.
    """

    inputs: Inputs
    reports: list[str]
    nearest: list[str] | None


def open_protocol(inputs: Mapping[str, Inputs], cache: EvaluationCache) -> Protocol:
    """Read the protocol's file, and find its studies in the data set; nothing needs TensorFlow.

    Args:
        inputs: The runs by what `--load` names, all with the same data set.
        cache: Has the options.
    Raises:
        InputError: The file or the data set does not fit, or Java is missing.
    """
    options, split = cache.options, next(iter(inputs.values())).split
    published = read_published(options.protocol_file, options.protocol)
    positions = find_studies(published, split)
    r2gen = R2GenTest(published, cache.scorer) if options.protocol == "r2gen" else None
    return Protocol(published, positions, r2gen)


def judge(protocol: Protocol, inputs: Mapping[str, Inputs], out: Path, cache: EvaluationCache) -> str:
    """Write the reports of every run, judge them and write protocol-NAME.* into `out`; returns what is to be printed.

    Args:
        protocol: What `open_protocol` has found.
        inputs: The runs by what `--load` names.
        out: The folder to write into.
        cache: Has the options.
    """
    with contents.writing(out, contents.EVALUATION, "--out"):
        written = {load: _write(protocol, of_run, cache) for load, of_run in inputs.items()}
        if protocol.r2gen is None:
            return _write_rexrank(protocol, written, out)
        return _judge_r2gen(protocol, protocol.r2gen, written, out, cache)


def _write(protocol: Protocol, inputs: Inputs, cache: EvaluationCache) -> Written:
    """The reports of one run. It writes those of the whole split, so that they are those of the plain evaluation."""
    options, nearest = cache.options, None
    for note in inputs.notes:
        print(f"note: {note}", file=sys.stderr)
    with (
        inputs.judges or contextlib.nullcontext() as judges,
        Predictor(inputs.run, options.features, options.decoding, judges) as predictor,
    ):
        studies = predictor.studies(inputs.split)
        for note in studies.notes:
            print(f"note: {note}", file=sys.stderr)
        reports = predictor.predict(studies, progress=True).reports
        if options.controls and protocol.r2gen is not None:
            if options.features == "cache":
                key = ("nearest findings", inputs.dataset.path, predictor.feature_key)
                nearest = cache.get_or_make(key, lambda: _nearest_findings(protocol, inputs, predictor))
            else:
                print("note: --controls: no nearest findings, as --features off gives no features", file=sys.stderr)
    return Written(inputs, [reports[n] for n in protocol.positions], nearest)


def _nearest_findings(protocol: Protocol, inputs: Inputs, predictor: Predictor) -> list[str]:
    train, judged = inputs.dataset.split("train"), inputs.split.take(protocol.positions)
    pooled: list[np.ndarray] = [predictor.studies(studies).features.pooled() for studies in (train, judged)]
    findings = [split_sections(report).findings for report in train.reports]
    return [" ".join(tokenize(text)) for text in nearest_reports(pooled[0], findings, pooled[1])]


# ---- r2gen ----


def _judge_r2gen(
    protocol: Protocol, test: R2GenTest, written: Mapping[str, Written], out: Path, cache: EvaluationCache
) -> str:
    rows, columns = [], {}
    for load, of_run in written.items():
        columns[load] = [split_sections(report).findings for report in of_run.reports]
        rows.append(test.judge(load, "run", columns[load], of_run.inputs.run.config.mode))
    rows.append(test.judge_one_for_all([text for of_run in columns.values() for text in of_run]))
    rows.append(test.judge_constant())
    judged = next(iter(written.values())).inputs.split.take(protocol.positions)
    nearest = next((of_run.nearest for of_run in written.values() if of_run.nearest is not None), None)
    if nearest is not None:
        columns["nearest"] = nearest
        rows.append(test.judge("nearest image's findings", "control", nearest))
    true = [" ".join(tokenize(split_sections(report).findings)) for report in judged.reports]
    rows.append(test.judge("the true findings, in our words", "check", true))
    rows += published_rows()
    of_runs = spreads(rows)
    notes = [_images_note(protocol, written)]
    notes += [
        f"{row.name}: {row.without_findings:,} of {row.studies:,} reports have no findings part and count as empty."
        for row in rows
        if row.kind == "run" and row.without_findings
    ]
    if not cache.options.java:
        notes.append("Without Java there is no METEOR; the other figures are the same with it.")
    text = table_text(rows, of_runs, notes)
    files.write_text(out / "protocol-r2gen.txt", text)
    files.write_text(out / "protocol-r2gen.csv", table_csv(rows, of_runs))
    _write_studies(out / "protocol-r2gen-studies.csv", protocol, judged.study_ids, test, columns)
    return text


def _images_note(protocol: Protocol, written: Mapping[str, Written]) -> str:
    split = next(iter(written.values())).inputs.split
    patients = Counter(split.patient_ids)
    several = sum(patients[split.patient_ids[n]] > 1 for n in protocol.positions)
    note = f"{split.name} has {len(split):,} images in split {split.splits[0]}"
    if several:
        note += f": {several:,} of these studies have more than one, of which the first is judged"
    return f"{note}."


def _write_studies(
    path: Path, protocol: Protocol, study_ids: Sequence[str], test: R2GenTest, columns: Mapping[str, Sequence[str]]
) -> None:
    """What is compared, study by study: the true findings and all written ones, in R2Gen's words."""
    words = {name: [test.words_of(text) for text in texts] for name, texts in columns.items()}
    ids = [study.id for study in protocol.published.test]
    table = pd.DataFrame({"id": ids, "study_id": study_ids, "true": test.references, **words})
    files.write_text(path, table.to_csv(index=False))


# ---- rexrank ----


def _write_rexrank(protocol: Protocol, written: Mapping[str, Written], out: Path) -> str:
    names = _file_names([of_run.inputs.run.folder.resolve().name for of_run in written.values()])
    lines = [f"ReXrank's form: findings and impression, {len(protocol.positions):,} test studies"]
    for name, (load, of_run) in zip(names, written.items(), strict=True):
        split = of_run.inputs.split
        true = [split.reports[n] for n in protocol.positions]
        files.write_json(out / name, rexrank.predictions(protocol.published, true, of_run.reports))
        sections = [split_sections(report) for report in of_run.reports]
        without = {part: sum(not getattr(found, part) for found in sections) for part in ("findings", "impression")}
        counts = " and ".join(f"{count:,} without {part}" for part, count in without.items())
        lines.append(f"{name}: the reports of {load}, {counts}")
    text = "\n".join(lines) + "\n"
    files.write_text(out / "protocol-rexrank.txt", text)
    return text


def _file_names(runs: Sequence[str]) -> list[str]:
    if len(runs) == 1:
        return ["protocol-rexrank.json"]
    numbers = [f"-{n + 1}" if runs.count(run) > 1 else "" for n, run in enumerate(runs)]
    return [f"protocol-rexrank-{run}{number}.json" for run, number in zip(runs, numbers, strict=True)]
