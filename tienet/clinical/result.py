"""What is said of one image, by which software: the plain values that a document is made of."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tienet.labels import LABELS

_NAMESPACE = uuid.UUID("4d7e1f0a-64b0-4c86-9f0b-0e6f5d1c2a57")


@dataclass(frozen=True)
class Software:
    """The network that says it.

    Attributes:
        version: The version of this package.
        mode: The mode of its run.
        checkpoint: The SHA-256 of its checkpoint, of several that label as one of all of them.
    """

    version: str
    mode: str
    checkpoint: str
    name: str = "TieNet"

    @property
    def model_name(self) -> str:
        """The name and the mode, such as "TieNet report"."""
        return f"{self.name} {self.mode}"


class Finding(NamedTuple):
    """A label: its probability, the threshold of its run, and whether it is named; None where there is no threshold."""

    label: str
    probability: float
    threshold: float | None
    named: bool | None


@dataclass(frozen=True, eq=False)
class Result:
    """What a network says of an image.

    Attributes:
        software: The network.
        findings: Each label in the order of `LABELS`; empty in a mode that labels nothing.
        report: The report as text to read; None in a mode that writes none.
        cut_at: The number of words at which the report was cut; None if it came to its end.
        a_ws: float [D, D], the attention over the image as it is stored; None if there is none.
        comments: Sentences that a reader should know of the image or the result.
    """

    software: Software
    findings: tuple[Finding, ...]
    report: str | None
    cut_at: int | None = None
    a_ws: np.ndarray | None = None
    comments: tuple[str, ...] = ()

    def uuid(self, image: str, part: str) -> uuid.UUID:
        """The name of a part of the document on this result and an image.

        The same image and result give the same name, so that a document that is sent twice is there once. What is said
        differently, by another checkpoint, version or decoding, is another document.

        Args:
            image: What the image is known by: its SOP Instance UID, or a hash of its file.
            part: What is named.
        """
        a_ws = None if self.a_ws is None else hashlib.sha256(np.asarray(self.a_ws, np.float32).tobytes()).hexdigest()
        said = [vars(self.software), self.findings, self.report, self.cut_at, a_ws, self.comments]
        return uuid.uuid5(_NAMESPACE, json.dumps([part, image, said], sort_keys=True))

    def uid(self, image: str, part: str) -> str:
        """The same as a UID of DICOM."""
        return uid_of(self.uuid(image, part))


def uid_of(name: uuid.UUID) -> str:
    """A UUID as a UID of DICOM, which needs no registered root (PS3.5, B.2)."""
    return f"2.25.{name.int}"


def device_uuid(software: Software) -> uuid.UUID:
    """The name of a network: the same for all documents of a checkpoint."""
    return uuid.uuid5(_NAMESPACE, json.dumps(["device", vars(software)], sort_keys=True))


def findings_of(probabilities: np.ndarray, thresholds: np.ndarray, labels: np.ndarray) -> tuple[Finding, ...]:
    """The findings of a prediction's arrays, float32 [K]; none if no probability is known.

    Numbers keep the digits of float32, so that 0.1 stays 0.1.
    """
    if np.isnan(probabilities).all():
        return ()
    return tuple(
        Finding(
            label,
            float(str(probability)),
            None if np.isnan(threshold) else float(str(threshold)),
            None if np.isnan(named) else bool(named),
        )
        for label, probability, threshold, named in zip(LABELS, probabilities, thresholds, labels, strict=True)
    )
