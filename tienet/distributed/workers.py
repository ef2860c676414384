"""Several processes train as one, on TensorFlow's own collective runtime: what all of them do together.

Every collective operation has a number; all workers make them in the same order.
"""

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import collective_ops
from tensorpack.tfutils.common import get_default_sess_config
from tensorpack.tfutils.sesscreate import NewSessionCreator

from tienet.distributed.cluster import Cluster
from tienet.distributed.liveness import LivenessMonitor, WorkersMissingError
from tienet.errors import InputError

tf1 = tf.compat.v1

STATUS_WORKER_LOST = 3
_GROUP = 1
_LEADER = "/job:worker/replica:0/task:0"
_START_PATIENCE = 5  # times the peer time-out: the machines of a scheduler do not start at once


class Workers:
    """This process among the workers: its server and its sessions.

    Args:
        cluster: two processes or more. gpus: gradients go over NCCL, else in a ring over gRPC.
        peer_timeout: seconds without an answer after which a worker counts as lost: the process then ends with a line
            and status 3. At the start a worker may take five times as long.
    Raises:
        InputError: the server cannot start, a worker does not come, or it is not the one that it should be.
    """

    def __init__(self, cluster: Cluster, gpus: bool, peer_timeout: float):
        self.cluster = cluster
        self.config = get_default_sess_config()
        self.config.experimental.collective_group_leader = _LEADER
        self.config.device_filters.append(f"/job:worker/task:{cluster.rank}")
        self.options = tf1.RunOptions()
        self.options.experimental.collective_graph_key = 1
        self._device, self._hint = ("/gpu:0", "nccl") if gpus else ("/cpu:0", "ring")
        self._numbers = itertools.count(1)
        self._timeout = peer_timeout
        self._server = self._serve()
        # It takes two failures in a row to be lost, which may come seconds after the time that is given here.
        self._watcher = LivenessMonitor(cluster, max(peer_timeout - 4, peer_timeout / 2), self._lost)
        try:
            self._watcher.wait_for_all(_START_PATIENCE * peer_timeout)
        except WorkersMissingError as error:
            raise InputError(str(error)) from None
        self._watcher.start()
        self._meet_first()

    def _serve(self) -> tf1.train.Server:
        cluster = self.cluster
        try:
            return tf1.train.Server(
                {"worker": list(cluster.addresses)}, job_name="worker", task_index=cluster.rank, config=self.config
            )
        except tf.errors.OpError:
            address = cluster.addresses[cluster.rank]
            raise InputError(f"{address}: this worker's port cannot be opened; is another process using it?") from None

    def _meet_first(self) -> None:
        """Processes that answer may each take another one for the chief, and would wait for each other for ever."""
        try:
            self.differing([0], self._timeout)
        except tf.errors.DeadlineExceededError:
            self._watcher.stop()
            raise InputError(
                f"the workers answer but do not find each other within {self._timeout:g} s; start all with the same "
                f"list of addresses, in the same order, each with its own task"
            ) from None

    def session_creator(self) -> NewSessionCreator:
        """Sessions on this worker's server."""
        return NewSessionCreator(target=self._server.target, config=self.config)

    def session(self) -> tf1.Session:
        """Another one, for the default graph."""
        return tf1.Session(self._server.target, config=self.config)

    # ---- operations that all workers run ----

    def mean(self, tensor: tf.Tensor) -> tf.Tensor:
        """The mean over the workers."""
        return self._reduce(tensor, "Add", "Div")

    def largest(self, tensor: tf.Tensor, seconds: float = 0.0) -> tf.Tensor:
        """The largest over the workers, element by element; DeadlineExceededError after `seconds`, 0: never."""
        return self._reduce(tensor, "Max", "Id", seconds)

    def chiefs(self, variable: tf.Variable) -> tf.Operation:
        """Gives a variable the chief's value."""
        shape, dtype = variable.shape, variable.dtype.base_dtype
        place = (self.cluster.size, _GROUP, next(self._numbers))
        with tf.device(self._device):
            if self.cluster.is_chief:
                return collective_ops.broadcast_send(variable.read_value(), shape, dtype, *place, self._hint).op
            return variable.assign(collective_ops.broadcast_recv(shape, dtype, *place, self._hint)).op

    def _reduce(self, tensor: tf.Tensor, merge: str, final: str, seconds: float = 0.0) -> tf.Tensor:
        place = (self.cluster.size, _GROUP, next(self._numbers))
        with tf.device(self._device):
            return collective_ops.all_reduce(
                tensor, *place, merge, final, communication_hint=self._hint, timeout=seconds
            )

    def differing(self, values: Sequence[int], seconds: float = 0.0) -> list[int]:
        """Positions of the values (int64) that are not the same in all workers; a barrier besides.

        Raises:
            DeadlineExceededError: not all came within `seconds`; 0: never.
        """
        with tf.Graph().as_default(), self.together():
            spread = self.spread(tf.constant(np.array(values, np.int64)), seconds)
            with self.session() as session:
                return np.flatnonzero(session.run(spread, options=self.options)).tolist()

    def spread(self, values: tf.Tensor, seconds: float = 0.0) -> tf.Tensor:
        """bool: where int64 values are not the same in all workers; `seconds` as in `largest`."""
        return tf.not_equal(self.largest(values, seconds), -self.largest(-values, seconds))

    # ---- when one is lost ----

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around what all workers run: an error in it means that one is lost, which ends this process."""
        try:
            yield
        except (tf.errors.OutOfRangeError, tf.errors.InvalidArgumentError, tf.errors.DeadlineExceededError):
            raise  # the data's end; our own mistake; a limit of the caller's
        except (tf.errors.OpError, RuntimeError) as error:  # RuntimeError: MonitoredSession has closed its session
            silent = self._watcher.silent(min(self._timeout, 10.0))
            if silent:
                self._lost(silent[0])
            line = str(error).partition("\n")[0]
            self._end(f"the workers lost touch ({line}); the last checkpoint is good: start again with --resume")

    def close(self) -> None:
        """Wait for all, then part."""
        self.differing([0])
        self.part()

    def part(self) -> None:
        """Stop watching: from here on a worker that ends is not lost."""
        self._watcher.stop()

    def _lost(self, rank: int) -> None:
        self._end(str(self._watcher.error(rank)))

    @staticmethod
    def _end(line: str) -> None:
        """The main thread may be held by an operation that waits for the lost worker for ever."""
        print(f"\n{line}", file=sys.stderr, flush=True)
        os._exit(STATUS_WORKER_LOST)
