"""The second pass of an import: every example is read again, in random order, and written in the platform's form."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.data.examples import Example
from ml.data.labels import Label, LabelReader
from ml.data.pace import Pace
from ml.data.sources.base import Source
from ml.data.splits import SPLITS, UNLABELLED
from ml.data.survey import UNLABELLED_CODE, Readers
from ml.data.tfrecord import RECORD_OVERHEAD, write_record
from ml.features import FeatureSpec
from ml.features.reader import UnfitValueError
from ml.features.stored import Stored
from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.tasks import TaskSpec

SAMPLES_A_CLASS = 8
MAX_SAMPLES = 2000  # of all classes together
ALL_SPLITS = (*SPLITS, UNLABELLED)


@dataclass(kw_only=True)
class Writer:
    """Writes TFRecord files, index.jsonl in the same order, and samples, into the folder `staging`.

    `class_counts` [splits, classes] counts examples of each class, or steps in a sequence.
    """

    source: Source
    readers: Readers
    labels: LabelReader
    features: Sequence[FeatureSpec]
    task: TaskSpec
    staging: Path
    max_bytes: int
    samples: list[dict[str, str]] = field(default_factory=list)
    class_counts: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.class_counts = np.zeros((len(ALL_SPLITS), len(self.labels.classes)), np.int64)
        self._shown: Counter[str] = Counter()
        self._written = 0
        self._encode_json = json.JSONEncoder(ensure_ascii=False).encode

    def write(
        self, rows: npt.NDArray[np.int64], splits: npt.NDArray[np.int8], *, seed: int, reporter: Reporter
    ) -> None:
        """Writes the rows. Raises RefusedError `dataset_too_large` before more than `max_bytes` are written."""
        present = [code for code in range(len(ALL_SPLITS)) if code < UNLABELLED_CODE or (splits == code).any()]
        # In random order, so that a shuffle buffer smaller than the dataset still mixes the classes.
        order = list(range(len(rows)))
        random.Random(seed).shuffle(order)  # noqa: S311 — reproducible, not secret
        pace = Pace()
        with ExitStack() as stack:
            files = {code: stack.enter_context(self._path(code).open("wb")) for code in present}
            index = stack.enter_context((self.staging / "index.jsonl").open("w", encoding="utf-8"))
            for done, place in enumerate(order):
                if pace.is_due():
                    reporter.progress(done, len(rows), self.source.noun, "writing")
                code = int(splits[place])
                record, entry = self._example(int(rows[place]), code)
                if self._written > self.max_bytes:
                    raise self._too_large(done, len(rows))
                write_record(files[code], record)
                index.write(entry)
        reporter.progress(len(rows), len(rows), self.source.noun, "writing")

    def _path(self, code: int) -> Path:
        return self.staging / f"{ALL_SPLITS[code]}.tfrecord"

    def _example(self, number: int, code: int) -> tuple[bytes, str]:
        """The record of a row and its line of the index; both are counted as written."""
        try:
            row = self.source.fetch(number)
            values = {
                feature.name: self.readers[feature.name].read(row.given[feature.name]) for feature in self.features
            }
            stored = {
                feature.name: self.readers[feature.name].store(values[feature.name], feature)
                for feature in self.features
            }
            label = None if code == UNLABELLED_CODE else self.labels.read(row.label)
        except UnfitValueError as error:
            raise RefusedError(
                "source_changed",
                f"{self.source.where(number)} was changed while it was imported: {error.reason}. Start again.",
            ) from None
        if label is not None and self.task.type == "sequence":
            first = self.features[0]
            label = list(self.readers[first.name].labels_of_steps(label, values[first.name], first))  # type: ignore[arg-type]
        indices = None if label is None else self.labels.encode(label)
        if self.task.type != "regression":
            for index in indices or ():
                self.class_counts[code, int(index)] += 1
        record = Example(features=stored, label=indices, path=row.path).encode(label=self.task.label)
        entry = (
            self._encode_json({"path": row.path, "label": self._shown_label(label), "split": ALL_SPLITS[code]}) + "\n"
        )
        self._written += len(record) + RECORD_OVERHEAD + len(entry.encode())
        if label is not None:
            self._sample(stored, label, indices or [])
        return record, entry

    def _shown_label(self, label: Label | None) -> object:
        return label[0] if label and self.task.type == "classification" else label

    def _sample(self, stored: dict[str, Stored], label: Label, indices: list[int] | list[float]) -> None:
        """Keeps a picture to show, the first few of each class."""
        is_class = self.task.type == "classification"
        folder = str(indices[0]) if is_class else "all"
        if self._shown[folder] >= SAMPLES_A_CLASS or len(self.samples) >= MAX_SAMPLES:
            return
        previews = (self.readers[feature.name].preview(stored[feature.name]) for feature in self.features)
        png = next((preview for preview in previews if preview is not None), None)
        if png is None:
            return
        path = Path("samples") / folder / f"{self._shown[folder]}.png"
        (self.staging / path).parent.mkdir(parents=True, exist_ok=True)
        (self.staging / path).write_bytes(png)
        self._written += len(png)
        self.samples.append({"path": path.as_posix(), "label": ", ".join(map(str, label))})
        self._shown[folder] += 1

    def _too_large(self, done: int, total: int) -> RefusedError:
        noun = self.source.noun
        pictures = [feature for feature in self.features if feature.type in ("image", "video")]
        form = f" as PNG of {'x'.join(map(str, pictures[0].shape))}" if pictures else ""
        return RefusedError(
            "dataset_too_large",
            f"The {noun} take too much room{form}. Received: more than {self.max_bytes} bytes after {done} of {total} "
            f"{noun}. Accepted: at most {self.max_bytes} bytes.",
        )
