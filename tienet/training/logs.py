"""What a training logs in its folder: events for TensorBoard, stats.json for programs, and Tensorpack's own log.log.

Tensorpack's writers print a traceback when the disk is full, one of them from a thread of its own, and go on. Here the
training stops with one line. Its last checkpoint is good.
"""

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf
from tensorpack.callbacks import JSONWriter
from tensorpack.callbacks.monitor import MonitorBase

from tienet import files
from tienet.checkpoint.entries import how_to_go_on, short_reason
from tienet.errors import InputError

tf1 = tf.compat.v1

VERSION = "brain.Event:2"
"""The first event of a file says this."""

FLUSH_S = 120.0
"""Events reach the disk after so many seconds, and at the end of each epoch."""


class EventLog(MonitorBase):
    """Writes the graph and all summaries to a new file of events in a run's folder, LOGDIR/events.out.tfevents.*.

    Raises:
        InputError: From any call of the training but the last: the file cannot be written, e.g. on a full disk.
    """

    def __init__(self, logdir: Path):
        self._logdir = logdir

    def _before_train(self) -> None:
        self._path = _new_path(self._logdir)
        with _failures_as_input_error(self._path):
            self._writer = tf.io.TFRecordWriter(str(self._path))
        self._write(tf1.Event(file_version=VERSION))
        self._write(tf1.Event(graph_def=self.graph.as_graph_def(add_shapes=True).SerializeToString()))
        self._flush()

    def process_summary(self, summary: tf1.Summary) -> None:
        """Write a summary of this step."""
        self._write(tf1.Event(summary=summary, step=self.global_step))

    def process_event(self, evt: tf1.Event) -> None:
        """Write an event."""
        self._write(evt)

    def _trigger_step(self) -> None:
        if time.monotonic() > self._next_flush:
            self._flush()

    def _trigger(self) -> None:
        self._flush()

    def _after_train(self) -> None:
        with suppress(tf.errors.OpError, AttributeError):  # a failure was said; it may have come before the first event
            self._writer.close()

    def _write(self, event: tf1.Event) -> None:
        event.wall_time = event.wall_time or time.time()
        with _failures_as_input_error(self._path):
            self._writer.write(event.SerializeToString())

    def _flush(self) -> None:
        with _failures_as_input_error(self._path):
            self._writer.flush()
        self._next_flush = time.monotonic() + FLUSH_S


class ScalarLog(JSONWriter):
    """Tensorpack's writer of stats.json, which is the old file or the new one as a whole, also on a full disk.

    Raises:
        InputError: From any call of the training: the file cannot be written.
    """

    def _write_stat(self) -> None:
        with _failures_as_input_error(Path(self._fname)):
            files.write_text(self._fname, json.dumps(self._stats))


def ignore_failed_lines(log: logging.Logger) -> None:
    """Let a line of log.log that cannot be written be lost, where Python's logging prints a traceback for each."""
    for handler in log.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handleError = lambda _: None


def _new_path(logdir: Path) -> Path:
    """A name as TensorFlow gives its files of events; a file of the same second is not written over."""
    second, host = int(time.time()), socket.gethostname()
    while (path := logdir / f"events.out.tfevents.{second}.{host}").exists():
        second += 1
    return path


@contextmanager
def _failures_as_input_error(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{path}: cannot be written ({short_reason(error)}); {how_to_go_on(error)}") from None
