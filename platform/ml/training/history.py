"""The measured values of a run: one JSON line each, and the same as TensorBoard scalars."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import tensorflow as tf
from tensorflow.core.util import event_pb2

from ml.files import write_bytes_atomically


class HistoryEntry(TypedDict):
    """Values after `step` updates; `time` is seconds since 1970."""

    step: int
    time: float
    values: dict[str, float]


class History:
    """Appends to `path`, and writes the same values for TensorBoard into `tensorboard`, which it empties first.

    A resumed run keeps the entries up to the step where it takes up again.
    """

    def __init__(self, path: Path, tensorboard: Path, *, resume_step: int) -> None:
        self.path = path
        kept = [entry for entry in read_history(path) if entry["step"] <= resume_step]
        write_bytes_atomically(path, "".join(json.dumps(entry) + "\n" for entry in kept).encode())
        tensorboard.mkdir(parents=True, exist_ok=True)
        for old in tensorboard.glob("events.out.tfevents.*"):
            old.unlink()
        self._events = tf.io.TFRecordWriter(str(tensorboard / f"events.out.tfevents.{int(time.time())}.bantam"))
        first = event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")
        self._events.write(first.SerializeToString())
        for entry in kept:
            self._write_event(entry)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Records `values` after `step` updates."""
        entry: HistoryEntry = {
            "step": step,
            "time": round(time.time(), 3),
            "values": {name: float(f"{value:.6g}") for name, value in values.items()},
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._write_event(entry)
        self._events.flush()

    def close(self) -> None:
        """Ends the TensorBoard file."""
        self._events.close()

    def _write_event(self, entry: HistoryEntry) -> None:
        event = event_pb2.Event(wall_time=entry["time"], step=entry["step"])
        for name, value in entry["values"].items():
            event.summary.value.add(tag=name, simple_value=value)
        self._events.write(event.SerializeToString())


def read_history(path: Path) -> Iterator[HistoryEntry]:
    """The entries of a history file; a line cut off by a kill is left out."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return
