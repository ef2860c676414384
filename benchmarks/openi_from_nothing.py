#!/usr/bin/env python
"""`make openi` from an empty folder to tables, against a server on this machine: straight, and killed at five moments.

    python -m benchmarks.openi_from_nothing [--out DIR]

The server has NLM's two archives in their true layout, with 60 drawn images, under another address than the one that is
asked (301), and a ResNet-50 with random weights in Keras's layout. Both are slow, so that a kill finds them under way.
Each `make openi` runs in a clone of what is committed, with one epoch and one seed. The second one is killed with
`kill -9` in the download, while images are unpacked, in the download of the weights, in a training and in the
evaluation, and started again each time. The tables of both must be the same; the exit status is 1 if they are not.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.datasets.openi.nlm import archives
from tests.file_server import File, Server, running
from tienet import cli
from tienet.datasets.openi.sources import BASE_URL_VARIABLE
from tienet.modeling.backbone_weights import variable_shapes

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = "resnet50.h5"
TABLES = ("table1.txt", "table2.txt")
FLAGS = ("OPENI_SEEDS=0", "OPENI_SPACE=1", "TRAIN_FLAGS=--epochs 1", "EVAL_FLAGS=--no-java --resamples 50 --pages 5")
POLL_S = 0.002

Moment = Callable[[Path], bool]
"""Whether the moment for a kill has come, by what lies in the clone."""


def run(args: argparse.Namespace) -> int:
    """Run both, print what happened, and compare."""
    with tempfile.TemporaryDirectory() as temporary, running() as server:
        out = args.out or Path(temporary)
        flags = _fill(server, out / WEIGHTS)
        straight, killed = out / "straight", out / "killed"
        _make(straight, flags, server)
        for what, has_come in MOMENTS.items():
            _make(killed, flags, server, what, has_come)
        _make(killed, flags, server)
        differ = [name for name in TABLES if _table(straight, name) != _table(killed, name)]
        print(_table(straight, TABLES[0]).decode())
        print(f"the tables of both: {'differ: ' + ', '.join(differ) if differ else 'the same'}")
    return int(bool(differ))


def _table(folder: Path, name: str) -> bytes:
    return (folder / "tables" / "openi" / name).read_bytes()


def _has_bytes(path: Path, count: int) -> bool:
    return path.exists() and path.stat().st_size > count


def _is_training(clone: Path) -> bool:
    log = clone / "runs" / "openi" / "caption-0" / "log.log"
    return log.exists() and "Start Epoch" in log.read_text()


DOWNLOADS = Path("data/downloads/openi")
MOMENTS: dict[str, Moment] = {
    "in the download": lambda clone: _has_bytes(clone / DOWNLOADS / ".NLMCXR_png.tgz.part", 800_000),
    "while images are unpacked": lambda clone: len(list((clone / DOWNLOADS / "images").glob("*.png"))) > 15,
    "in the download of the weights": lambda clone: _has_bytes(
        clone / "pretrained" / ".fetch" / f".{WEIGHTS}.part", 30_000_000
    ),
    "in the training of caption": _is_training,
    "in the evaluation": lambda clone: any((clone / "tables" / "openi").glob("*")),
}


def _fill(server: Server, weights: Path) -> list[str]:
    """Put all files on the server; returns the flags of make that lead to them."""
    _write_weights(weights)
    server.files[WEIGHTS] = File(weights.read_bytes(), pause_s=0.001)
    for name, content in archives(60, image_px=256).items():
        server.files[f"moved/{name}"] = File(content, pause_s=0.03)
        server.files[name] = File(b"", moved_to=f"{server.url}/moved/{name}")
    md5 = hashlib.md5(weights.read_bytes(), usedforsecurity=False).hexdigest()
    return [*FLAGS, f"WEIGHTS_FLAGS=--url {server.url}/{WEIGHTS} --md5 {md5}"]


def _write_weights(path: Path) -> None:
    """A ResNet-50 of random weights in Keras's older layout: a group for each layer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, shape in variable_shapes("res5c").items():
        layer, part = name.split("/")
        value = np.zeros(shape) if part in ("bias", "beta", "moving_mean") else np.ones(shape)
        if part == "kernel":
            value = random.normal(0, np.sqrt(1 / np.prod(shape[:-1])), shape)
        elif part == "gamma" and layer.endswith("branch2c"):
            value *= 0.2  # else the sums over the blocks grow
        layers.setdefault(layer, {})[part] = value.astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, parts in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{part}:0".encode() for part in parts]
            for part, value in parts.items():
                group.create_dataset(f"{layer}/{part}:0", data=value)


def _make(clone: Path, flags: list[str], server: Server, what: str = "", has_come: Moment | None = None) -> None:
    """Run make openi in a clone, to its end or until the moment has come."""
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        (clone / ".venv").symlink_to(ROOT / ".venv")
    start = time.monotonic()
    env = os.environ | {BASE_URL_VARIABLE: server.url, "PYTHONPATH": str(clone), "no_proxy": "*"}
    with (clone.parent / f"{clone.name}.log").open("ab") as log:
        process = subprocess.Popen(
            ["make", "openi", *flags], cwd=clone, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            while has_come is not None and process.poll() is None and not has_come(clone):
                time.sleep(POLL_S)
            if has_come is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    took = time.monotonic() - start
    expected = -signal.SIGKILL if has_come else 0
    if status != expected:
        raise RuntimeError(
            f"make openi {what}: status {status} after {took:.0f} s, see {clone.parent}/{clone.name}.log"
        )
    print(f"{clone.name}: {f'killed {what}' if has_come else 'ended'} after {took:.0f} s", flush=True)


def main() -> None:
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where both clones stay (a temporary folder)")
    sys.argv[0] = "openi_from_nothing"
    cli.run(lambda: run(parser.parse_args()))


if __name__ == "__main__":
    main()
