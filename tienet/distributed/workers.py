"""The operations that all workers of a cluster run together, on TensorFlow's own collective runtime.

TensorFlow matches the collective operations of the workers by a number (its instance key), which is counted here: all
workers must therefore build the same operations in the same order.
"""

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import collective_ops
from tensorpack.tfutils.sesscreate import NewSessionCreator

from tienet import devices
from tienet.distributed.cluster import Cluster
from tienet.distributed.liveness import LivenessMonitor, WorkersMissingError
from tienet.errors import InputError

tf1 = tf.compat.v1

STATUS_WORKER_LOST = 3


class _Channel(NamedTuple):
    """How tensors go from worker to worker."""

    device: str
    hint: str
    group_key: int  # TensorFlow knows a group of devices by this number


_CONTROL = _Channel("/cpu:0", "ring", 1)
"""A ring over gRPC: for gradients without GPUs, and always for the few numbers by which workers agree."""

_NCCL = _Channel("/gpu:0", "nccl", 2)

_LEADER = "/job:worker/replica:0/task:0"
_START_TIMEOUT_FACTOR = 5  # times the peer time-out: a scheduler does not start all machines at once


class Workers:
    """All workers of a cluster, as seen from one of them: this process's server, sessions and collective operations.

    Args:
        cluster: Two processes or more.
        gpus: Whether gradients are reduced over NCCL; otherwise in a ring over gRPC.
        peer_timeout: Seconds without an answer after which a worker counts as lost. This process then ends with one
            line and status 3. While the workers start, each may take five times as long.
    Raises:
        InputError: The server cannot start, a worker does not start, or the workers were not given the same cluster.
    """

    def __init__(self, cluster: Cluster, gpus: bool, peer_timeout: float):
        self.cluster = cluster
        self.config = devices.session_config()
        self.config.experimental.collective_group_leader = _LEADER
        self.config.device_filters.append(f"/job:worker/task:{cluster.rank}")
        self.options = tf1.RunOptions()
        self.options.experimental.collective_graph_key = 1
        self._channel = _NCCL if gpus else _CONTROL
        self._instance_keys = itertools.count(1)
        self._timeout = peer_timeout
        self._server = self._start_server()
        # A worker is lost after two failures in a row, so that the loss may be found seconds after this time-out.
        self._monitor = LivenessMonitor(cluster, max(peer_timeout - 4, peer_timeout / 2), self._exit_for_lost)
        try:
            self._monitor.wait_for_all(_START_TIMEOUT_FACTOR * peer_timeout)
        except WorkersMissingError as error:
            raise InputError(str(error)) from None
        self._monitor.start()
        self._check_same_cluster()

    def _start_server(self) -> tf1.train.Server:
        cluster = self.cluster
        try:
            return tf1.train.Server(
                {"worker": list(cluster.addresses)}, job_name="worker", task_index=cluster.rank, config=self.config
            )
        except tf.errors.OpError:
            address = cluster.addresses[cluster.rank]
            raise InputError(f"{address}: this worker's port cannot be opened; is another process using it?") from None

    def _check_same_cluster(self) -> None:
        """Run a first barrier with a time limit.

        Workers that were given different clusters may each take another one for the chief. They are all alive, and
        would wait for each other for ever.
        """
        try:
            self.barrier(self._timeout)
        except tf.errors.DeadlineExceededError:
            self._monitor.stop()
            raise InputError(
                f"the workers answer but do not find each other within {self._timeout:g} s; start all with the same "
                f"list of addresses, in the same order, each with its own task"
            ) from None

    def session_creator(self) -> NewSessionCreator:
        """A creator of sessions on this worker's server, for Tensorpack's trainers."""
        return NewSessionCreator(target=self._server.target, config=self.config)

    def session(self) -> tf1.Session:
        """A new session on this worker's server, for the default graph."""
        return tf1.Session(self._server.target, config=self.config)

    # ---- collective operations ----

    def mean_over_workers(self, tensor: tf.Tensor) -> tf.Tensor:
        """The mean of a tensor over the workers, element by element."""
        return self._all_reduce(self._channel, tensor, "Add", "Div")

    def max_over_workers(self, tensor: tf.Tensor, seconds: float = 0.0) -> tf.Tensor:
        """The maximum of a tensor of a few numbers over the workers, element by element; it never goes over NCCL.

        Running it raises DeadlineExceededError if not all workers come within `seconds`; 0 means no limit.
        """
        return self._all_reduce(_CONTROL, tensor, "Max", "Id", seconds)

    def broadcast_from_chief(self, variable: tf.Variable) -> tf.Operation:
        """The operation that gives a variable the chief's value in all workers."""
        shape, dtype = variable.shape, variable.dtype.base_dtype
        device, hint, group_key = self._channel
        keys = (self.cluster.size, group_key, next(self._instance_keys))
        with tf.device(device):
            if self.cluster.is_chief:
                return collective_ops.broadcast_send(variable.read_value(), shape, dtype, *keys, hint).op
            return variable.assign(collective_ops.broadcast_recv(shape, dtype, *keys, hint)).op

    def _all_reduce(
        self, channel: _Channel, tensor: tf.Tensor, merge: str, final: str, seconds: float = 0.0
    ) -> tf.Tensor:
        keys = (self.cluster.size, channel.group_key, next(self._instance_keys))
        with tf.device(channel.device):
            return collective_ops.all_reduce(
                tensor, *keys, merge, final, communication_hint=channel.hint, timeout=seconds
            )

    def differs_between_workers(self, values: tf.Tensor, seconds: float = 0.0) -> tf.Tensor:
        """bool, in the shape of the int64 `values`: True where the workers do not all have the same value.

        `seconds` is a limit as in `max_over_workers`.
        """
        return tf.not_equal(self.max_over_workers(values, seconds), -self.max_over_workers(-values, seconds))

    def find_differing(self, values: Sequence[int], seconds: float = 0.0) -> list[int]:
        """Compare int64 values over the workers; returns the positions of those that are not the same in all.

        No worker returns before all have come.

        Raises:
            DeadlineExceededError: Not all workers came within `seconds`; 0 means no limit.
        """
        with tf.Graph().as_default(), self.exit_if_worker_lost():
            differs = self.differs_between_workers(tf.constant(np.array(values, np.int64)), seconds)
            with self.session() as session:
                return np.flatnonzero(session.run(differs, options=self.options)).tolist()

    def barrier(self, seconds: float = 0.0) -> None:
        """Wait until all workers have come here.

        Raises:
            DeadlineExceededError: Not all workers came within `seconds`; 0 means no limit.
        """
        self.find_differing([0], seconds)

    # ---- when a worker is lost ----

    @contextmanager
    def exit_if_worker_lost(self) -> Iterator[None]:
        """The context in which collective operations run: an error of the runtime there ends this process.

        Such an error means that another worker is lost. Errors that this process made itself pass through.
        """
        try:
            yield
        except (tf.errors.OutOfRangeError, tf.errors.InvalidArgumentError, tf.errors.DeadlineExceededError):
            raise  # the end of the data; a mistake in our own graph; the caller's time limit
        except (tf.errors.OpError, RuntimeError) as error:  # RuntimeError: MonitoredSession has closed its session
            silent = self._monitor.silent(min(self._timeout, 10.0))
            if silent:
                self._exit_for_lost(silent[0])
            line = str(error).partition("\n")[0]
            self._exit(f"the workers lost touch ({line}); the last checkpoint is good: start again with --resume")

    def close(self) -> None:
        """Wait for all workers, then stop monitoring them, so that they may end one after the other."""
        self.barrier()
        self.stop_monitoring()

    def stop_monitoring(self) -> None:
        """Stop the liveness monitor: from here on a worker that ends does not count as lost."""
        self._monitor.stop()

    def _exit_for_lost(self, rank: int) -> None:
        self._exit(str(self._monitor.error(rank)))

    @staticmethod
    def _exit(line: str) -> None:
        """Print a line and end the process at once.

        An exception would not do: the main thread may be inside an operation that waits for the lost worker for ever.
        """
        print(f"\n{line}", file=sys.stderr, flush=True)
        os._exit(STATUS_WORKER_LOST)
