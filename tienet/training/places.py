"""The files that a training reads and writes, and the devices and processes that share its batches."""

from dataclasses import dataclass
from pathlib import Path

from tienet.distributed.cluster import ONE_PROCESS, Cluster

PRETRAINED = "pretrained/resnet50.npz"
"""The backbone's weights of a new run where none are named."""


@dataclass(frozen=True)
class Places:
    """Where the files of a training are.

    Attributes:
        data_root: The folder of the data sets.
        logdir: The run's folder, which all workers must see.
        vocab: The folder with vocab.txt and embeddings.npy, or a run, whose words and word vectors are taken; None: the
            data set's own, or a resumed run's.
        backbone_weights: The path of an .npz file, a run, whose backbone is taken, or "random"; None: a resumed run's,
            or PRETRAINED.
        profile: The folder for a trace of some steps; None: no trace is made.
    """

    data_root: Path
    logdir: Path
    vocab: Path | None = None
    backbone_weights: str | None = None
    profile: Path | None = None


@dataclass(frozen=True)
class Parallelism:
    """How a batch is shared, beside the GPUs of this process.

    Attributes:
        tower_batch: The number of studies that a GPU takes at a time; None: its whole share of the batch, so that no
            gradients are accumulated.
        cluster: The processes that train together.
        peer_timeout: Seconds without an answer after which a worker counts as lost.
    """

    tower_batch: int | None = None
    cluster: Cluster = ONE_PROCESS
    peer_timeout: float = 60.0


SINGLE_PROCESS = Parallelism()
