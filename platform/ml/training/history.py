"""The measured values of a run: one JSON line each, and the same for TensorBoard with histograms and the graph."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import tensorflow as tf

from ml.data.tfrecord import read_records, write_record
from ml.files import write_bytes_atomically
from ml.refusal import RefusedError
from ml.training.tensorboard import (
    Buckets,
    first_event,
    graph_event,
    histograms_event,
    scalars_event,
    step_of,
)


class HistoryEntry(TypedDict):
    """Values after `step` updates; `time` is seconds since 1970."""

    step: int
    time: float
    values: dict[str, float]


class History:
    """Appends to `path`, and writes the same for TensorBoard into `tensorboard`, whose events it removes first.

    A resumed run keeps the entries up to the step where it takes up again. So that it has their histograms as well,
    these are kept beside `path`.
    """

    def __init__(self, path: Path, tensorboard: Path, *, resume_step: int) -> None:
        self.path = path
        kept = [entry for entry in read_history(path) if entry["step"] <= resume_step]
        write_bytes_atomically(path, "".join(json.dumps(entry) + "\n" for entry in kept).encode())
        tensorboard.mkdir(parents=True, exist_ok=True)
        for old in tensorboard.glob("events.out.tfevents.*"):
            old.unlink()
        self._events = tf.io.TFRecordWriter(str(tensorboard / f"events.out.tfevents.{int(time.time())}.bantam"))
        self._events.write(first_event(time.time()))
        for entry in kept:
            self._events.write(scalars_event(**entry))
        self._histograms = path.with_suffix(".histograms")
        self._keep_histograms(resume_step)
        self._events.flush()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Records `values` after `step` updates."""
        entry: HistoryEntry = {
            "step": step,
            "time": round(time.time(), 3),
            "values": {name: float(f"{value:.6g}") for name, value in values.items()},
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._events.write(scalars_event(**entry))
        self._events.flush()

    def add_histograms(self, step: int, histograms: Mapping[str, Buckets]) -> None:
        """Records how values are spread after `step` updates, for TensorBoard only."""
        event = histograms_event(step, time.time(), histograms)
        with self._histograms.open("ab") as file:
            write_record(file, event)
        self._events.write(event)
        self._events.flush()

    def add_graph(self, graph: Any) -> None:
        """Shows a GraphDef. A resumed run has to add it again."""
        self._events.write(graph_event(time.time(), graph))
        self._events.flush()

    def close(self) -> None:
        """Ends the TensorBoard file."""
        self._events.close()

    def _keep_histograms(self, resume_step: int) -> None:
        following = self._histograms.with_name(f".{self._histograms.name}.tmp")
        with following.open("wb") as file:
            for event in _read_events(self._histograms):
                if step_of(event) <= resume_step:
                    write_record(file, event)
                    self._events.write(event)
        following.replace(self._histograms)


def read_history(path: Path) -> Iterator[HistoryEntry]:
    """The entries of a history file; a line cut off by a kill is left out."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return


def _read_events(path: Path) -> Iterator[bytes]:
    """The records of a file; one cut off by a kill is left out."""
    if path.is_file():
        try:
            yield from read_records(path)
        except RefusedError:
            return
