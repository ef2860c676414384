"""Networks that answer at once, files to upload, and a request that uploads one."""

import struct
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from tests.data.dicom import dicom_files
from tienet.data.text import ReportFault, find_text_fault
from tienet.labels import K, name_labels
from tienet.predict import Prediction
from tienet.server.engine import Engine, ServedNetwork

D = 4
PX = 32
MAX_WORDS = 50  # of a report that FakeAnnotator reads


def prediction(words: list[str], report: str | None, seed: float) -> Prediction:
    rng = np.random.default_rng(int(seed * 1000))
    words = ["<START>", *words]
    a = rng.random((len(words), D, D), np.float32) ** 4
    a /= a.sum(axis=(1, 2), keepdims=True)
    g = np.linspace(0.1, 0.9, len(words), dtype=np.float32)
    probabilities = rng.random(K, np.float32)
    probabilities[14] = 0.75  # No_Finding reaches its threshold, and is not named beside findings
    shares = {"precision": np.linspace(0.3, 0.9, K, dtype=np.float32), "recall": np.full(K, 0.5, np.float32)}
    for share in shares.values():
        share[0] = np.nan
    thresholds = np.full(K, 0.5, np.float32)
    thresholds[13] = np.nan
    labels = name_labels(probabilities, thresholds)
    log_probability = None if report is None else -3.5
    return Prediction(
        probabilities,
        thresholds,
        labels,
        report,
        log_probability,
        words,
        g,
        a,
        (a * g[:, None, None]).sum(0),
        **shares,
        finding_maps=rng.standard_normal((K, D, D)).astype(np.float32),
    )


class FakeReporter:
    """Its answer depends on the image alone. `gate` holds it up; `seconds` is what a batch takes."""

    mode, needs_image = "report", True

    def __init__(self, seconds: float = 0.0) -> None:
        self.gate, self.seconds = threading.Event(), seconds
        self.gate.set()
        self.sizes: list[int] = []

    def report(self, images, maps=False):
        self.gate.wait(20)
        time.sleep(self.seconds)
        self.sizes.append(len(images))
        text = "findings : no effusion . impression : normal ."
        return [prediction(text.split(), text, float(image.mean())) for image in images]

    def close(self) -> None:
        pass


class FakeAnnotator:
    """Its answer depends on the report. It knows all words but Spanish ones."""

    mode, needs_image = "annotate", True

    def find_fault(self, report):
        return ReportFault("no report", "it is Spanish") if "pulmonar" in report else find_text_fault(report)

    def annotate(self, reports, images=None, maps=False):
        if any("fail" in report for report in reports):
            raise RuntimeError("a bug")
        return [self._annotate(report.lower().split(), len(report)) for report in reports]

    def _annotate(self, words, seed):
        read = prediction(words[:MAX_WORDS], None, seed)
        return replace(read, cut_at=MAX_WORDS) if len(words) > MAX_WORDS else read

    def close(self) -> None:
        pass


class FakeClassifier(FakeReporter):
    """Labels, and neither words nor maps."""

    mode = "classify"

    def report(self, images, maps=False):
        nothing = {"words": [], "g": None, "a": None, "a_ws": None, "report": None, "log_probability": None}
        return [replace(prediction, **nothing) for prediction in super().report(images, maps)]


class FakeCaptioner(FakeReporter):
    """A report whose words have maps, and no labels."""

    mode = "caption"

    def report(self, images, maps=False):
        unknown = np.full(K, np.nan, np.float32)
        nothing = {"probabilities": unknown, "thresholds": unknown, "labels": unknown, "g": None, "a_ws": None}
        nothing["finding_maps"] = None
        return [replace(prediction, **nothing) for prediction in super().report(images, maps)]


class FakeTextAnnotator(FakeAnnotator):
    """It looks at no image."""

    mode, needs_image = "annotate-text", False

    def annotate(self, reports, images=None, maps=False):
        assert images is None
        return [replace(prediction, a=None, a_ws=None, finding_maps=None) for prediction in super().annotate(reports)]


def engine(
    report: bool = True, annotate: bool = True, max_batch: int = 16, reporter: FakeReporter | None = None
) -> Engine:
    return engine_of(reporter or FakeReporter() if report else None, FakeAnnotator() if annotate else None, max_batch)


def engine_of(reporter: FakeReporter | None, annotator: FakeAnnotator | None, max_batch: int = 16) -> Engine:
    pipelines = (reporter, annotator)
    return Engine(*(one and ServedNetwork(one, f"toy-{one.mode}", PX, max_batch) for one in pipelines))


def xray(height: int = 60, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def dicom(tmp_path: Path, **elements) -> bytes:
    return dicom_files.save(tmp_path / "chest.dcm", dicom_files.dataset(**elements)).read_bytes()


def post(client, content: bytes, name: str = "chest.png"):
    """Upload an image and ask for labels and a report."""
    return client.post("/api/report?maps=false&picture=true", files={"image": (name, content)})


def png_bomb(width: int, height: int, depth: int = 8, colours: int = 0) -> bytes:
    """A small whole PNG whose header says this size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))

    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    zeros = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zeros) + chunk(b"IEND", b"")
