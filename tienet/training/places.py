"""The files that a training reads and writes, and the devices and processes that share its batches."""

from dataclasses import dataclass
from pathlib import Path

from tienet.distributed.cluster import ONE_PROCESS, Cluster


@dataclass(frozen=True)
class Places:
    """Where the files of a training are.

    Attributes:
        data_root: The folder of the data sets.
        logdir: The run's folder, which all workers must see.
        vocab: The folder with vocab.txt and embeddings.npy; None: the data set's own.
        backbone_weights: The path of an .npz file, or "random".
        profile: The folder for a trace of some steps; None: no trace is made.
    """

    data_root: Path
    logdir: Path
    vocab: Path | None = None
    backbone_weights: str = "pretrained/resnet50.npz"
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
