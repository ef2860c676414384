"""The files of a run's folder that are mutated, and other JSON that is read: of splits, vocabularies and `annotate`."""

import io
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from benchmarks.mutated_bytes import BYTES, TEXT
from benchmarks.mutated_texts import OF_JSON, npy_header
from benchmarks.mutation_kinds import Seed, Step, demand
from benchmarks.mutation_tables import IDENTITY, VOCAB, manifest_of_images, write_images
from tienet.data.dicom.reader import Reader
from tienet.data.splits import SPLITS
from tienet.labels import LABELS, K

STEP = 5
CHANNELS = 1024


def json_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """The files of a run without a network, whose checkpoint is a few bytes; and other JSON."""
    from tienet.checkpoint import calibration, resume
    from tienet.checkpoint.entries import complete_entries, find_damage, incomplete_checkpoints, newest_sound

    run = folder / "run"
    write_run(run)
    prefix = run / "checkpoints" / f"best-{STEP}"

    def open_it(path: Path) -> None:
        _open_run(run)

    def resume_it(path: Path) -> None:
        point = resume.find_resume_point(run, repair=False)
        for entry in complete_entries(run):
            find_damage(entry)
            _demand_state(entry.state)
        demand(isinstance(incomplete_checkpoints(run), dict), "incomplete checkpoints without a name")
        newest_sound(run)
        if point is not None:
            _demand_state(point.state)

    def calibrate_it(path: Path) -> None:
        calibration.discard_broken(prefix)
        calibration.load(prefix)

    def log(path: Path) -> None:
        try:
            resume.truncate_log(run, 1)
        finally:
            (run / "stats.json.broken").unlink(missing_ok=True)

    of_run: dict[str, tuple[Step, ...]] = dict.fromkeys(("config.json", "run.json", "studies.json"), (open_it,))
    of_run |= dict.fromkeys((f"checkpoints/best-{STEP}.json", "best.json", "latest.json"), (open_it, resume_it))
    of_run |= {"calibration.json": (open_it, calibrate_it), "stats.json": (log,), "vocab.txt": (open_it,)}
    of_run |= {"feature_norm.npy": (open_it,)}
    of_json = {"vocab.txt": TEXT, "feature_norm.npy": (*BYTES, *(npy_header,) * 4)}
    seeds = [
        Seed(f"run/{name}", (run / name).read_bytes(), steps, of_json.get(name, OF_JSON))
        for name, steps in of_run.items()
    ]
    return [*seeds, *_other_json(folder)]


def write_run(run: Path) -> None:
    """Write the folder of a run of mode `annotate` with a calibrated checkpoint, whose files hold no weights."""
    from tienet import files
    from tienet.checkpoint import calibration
    from tienet.checkpoint.entries import Entry, TrainingState, sha256
    from tienet.checkpoint.run_folder import create_run
    from tienet.config import Config
    from tienet.data.features import statistics
    from tienet.data.leaks import Fingerprint

    config = Config().replace(image_px=256, backbone_end="res4f", feature_norm=True)
    studies = {split: [Fingerprint("0" * 16, "1" * 16, "")] * 2 for split in ("train", "val")}
    create_run(
        run, config, VOCAB, {"word_dim": 12, "data_fingerprint": "2" * 64, "backbone_fingerprint": None}, studies
    )
    statistics.save(run / "feature_norm.npy", np.ones((2, CHANNELS), np.float32))
    state = TrainingState(STEP, 1, 0.75, 1, 0)
    for kind in ("best", "latest"):
        prefix = run / "checkpoints" / f"{kind}-{STEP}"
        prefix.parent.mkdir(exist_ok=True)
        entry = Entry(prefix, state, [0.25] * K, True, {}, {})
        for name in (f"{prefix.name}.index", f"{prefix.name}.data-00000-of-00001"):
            prefix.with_name(name).write_bytes(name.encode())
            entry.files[name] = sha256(prefix.with_name(name))
            entry.sizes[name] = len(name)
        files.write_json(entry.path, entry.to_json())
        files.write_json(run / f"{kind}.json", entry.summary())
    ones, by_label = np.ones(K, np.float32), dict.fromkeys(LABELS, 0.125)
    found = calibration.Calibration(
        ones * 1.5,
        ones / 4,
        "f1",
        ones / 2,
        ones / 3,
        dict.fromkeys(LABELS, 7),
        {"Hernia": "no case"},
        9,
        by_label,
        by_label,
    )
    calibration.save(run / "checkpoints" / f"best-{STEP}", found)
    log = [{"epoch_num": epoch, **asdict(replace(state, epoch=epoch))} for epoch in (1, 2)]
    (run / "stats.json").write_text(json.dumps(log))


def _open_run(run: Path) -> None:
    """Open a run as every command does that takes `--load`, and look at all that it says."""
    from tienet.checkpoint.run_folder import open_run

    opened = open_run(run)
    numbers = [value for value in opened.config.to_json().values() if isinstance(value, float)]
    demand(np.isfinite(numbers).all(), "a setting that is not finite")
    demand(type(opened.word_dim) is int and opened.word_dim > 0, f"word vectors of {opened.word_dim} numbers")
    demand(opened.vocab.words == VOCAB.words, "another vocabulary")
    thresholds = opened.thresholds()
    demand((thresholds.shape, thresholds.dtype) == ((K,), np.float32), f"thresholds {thresholds.shape}")
    demand((np.isnan(thresholds) | ((thresholds >= 0) & (thresholds <= 1))).all(), "a threshold that is no share")
    if opened.calibration is not None:
        temperatures = opened.calibration.temperatures
        demand((temperatures.shape, temperatures.dtype) == ((K,), np.float32), f"temperatures {temperatures.shape}")
        demand(np.isfinite(temperatures).all() and (temperatures > 0).all(), "a temperature that is 0 or not finite")
    for of_split in (opened.studies() or {}).values():
        demand(all(isinstance(part, str) for study in of_split for part in study), "a fingerprint that is no text")
    statistics = opened.feature_statistics()
    if statistics is not None:
        demand(statistics.dtype.kind == "f" and np.isfinite(statistics).all(), "feature statistics that are not finite")


def _demand_state(state: object) -> None:
    for field in fields(state):
        value = getattr(state, field.name)
        demand(value is None or (type(value) in (int, float) and np.isfinite(float(value))), f"{field.name} {value!r}")


def _other_json(folder: Path) -> list[Seed]:
    from tienet.commands.labels_file import LabelsFile
    from tienet.config import Config
    from tienet.data import leaks, manifest, splits, vocabulary

    def split(path: Path) -> None:
        demand(set(splits.from_json(path).values()) <= set(SPLITS), "a split that is not known")

    def go_on(path: Path) -> None:
        source = folder / "source.csv"
        with LabelsFile(folder / "labels.csv", IDENTITY | {"input": {"bytes": 9, "sha256": "x"}}, source):
            pass

    def vocab(path: Path) -> None:
        words, vectors = vocabulary.read_vocab(own, Config(), None)
        demand(vectors.shape == (len(words), 12) and np.isfinite(vectors).all(), "word vectors that are not finite")

    (folder / "source.csv").write_bytes(b"study_id,report\n")
    (folder / "labels.csv").write_bytes(b"")
    data = folder / "data"
    write_images(data / "images")
    (data / "own.csv").write_bytes(manifest_of_images())
    own = manifest.load(str(data / "own.csv"))
    VOCAB.save(data / "vocab" / "vocab.txt")
    vectors = io.BytesIO()
    np.save(vectors, np.ones((len(VOCAB), 12), np.float32))
    (data / "vocab" / "embeddings.npy").write_bytes(vectors.getvalue())
    known = {"training_reports": leaks.reports_fingerprint(own.split("train").reports), "words": 12}
    (data / "vocab" / "stats.json").write_text(json.dumps(known))
    parts = {name: [{"id": f"CXR{n}{k}_IM-0942"} for k in range(2)] for n, name in enumerate(SPLITS, 1)}
    contents = {
        "split.json": (json.dumps(parts).encode(), (split,), OF_JSON),
        "labels.csv.run.json": (
            json.dumps(IDENTITY | {"input": {"bytes": 9, "sha256": "x"}}).encode(), (go_on,), OF_JSON,
        ),
        "data/vocab/stats.json": (json.dumps(known).encode(), (vocab,), OF_JSON),
        "data/vocab/embeddings.npy": (vectors.getvalue(), (vocab,), (*BYTES, *(npy_header,) * 4)),
    }  # fmt: skip
    return [Seed(name, content, steps, ways) for name, (content, steps, ways) in contents.items()]
