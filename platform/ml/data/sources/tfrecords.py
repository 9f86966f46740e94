"""TFRecord files of tf.train.Example, written by anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from ml.data.examples import Values
from ml.data.images import encode_png
from ml.data.import_spec import PATH_FIELD, ImportSpec
from ml.data.sources.base import Row, RowProblem, Source
from ml.data.sources.records import RecordFile, RecordFiles, TfRecordFile
from ml.features.reader import UnfitValueError
from ml.features.source import FeatureSource
from ml.features.wav import write_wav

_PICTURE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff")


class TfRecordSource(Source):
    """Records that hold the features and the label under their names, or under what `columns` says.

    Pictures are PNG, JPEG, or raw pixels of the declared shape; sound is WAV, or 16-bit little-endian PCM of the
    declared sample rate; a label that is a whole number is the index of a class.
    """

    noun = "records"
    has_indices = True

    def __init__(self, files: Sequence[tuple[TfRecordFile, str | None]], spec: ImportSpec) -> None:
        """`files` come with their split."""
        self.spec = spec
        self.warnings = []
        self._records = RecordFiles[dict[str, Values]]([file for file, _ in files])
        self._said = {file.name: split for file, split in files}

    def scan(self) -> Iterator[Row | RowProblem]:
        for file, number, record in self._records.scan():
            try:
                if isinstance(record, UnfitValueError):
                    raise record
                yield self._row(file, number, record)
            except UnfitValueError as error:
                yield RowProblem(file.where(number), "", error)

    def fetch(self, number: int) -> Row:
        file, own = self._records.locate(number)
        return self._row(file, own, file.fetch(own))

    def where(self, number: int) -> str:
        file, own = self._records.locate(number)
        return file.where(own)

    def progress(self) -> tuple[int, int, str]:
        return (*self._records.progress, "bytes")

    def _row(self, file: RecordFile[dict[str, Values]], number: int, record: dict[str, Values]) -> Row:
        """Raises UnfitValueError."""
        given = {feature.name: _given(record, feature, self.spec) for feature in self.spec.features}
        label = record.get(self.spec.task.places[0])
        split = self._said[file.name]
        if self.spec.split:
            split = _text(record.get(self.spec.split))
        path = _text(record.get(PATH_FIELD)) or file.where(number)
        return Row(path, given, label, split)


def _text(values: Values | None) -> str:
    return values[0].decode("utf-8", "replace") if values and isinstance(values[0], bytes) else ""


def _given(record: dict[str, Values], feature: FeatureSource, spec: ImportSpec) -> object:
    """What the feature's reader takes."""
    (place, *_) = feature.places
    values = record.get(place)
    if values is None:
        listed = ", ".join(sorted(record)[:20]) or "no fields"
        raise UnfitValueError("missing_value", listed, f"a field '{place}'")
    if feature.type in ("vector", "sensor"):
        return list(values)
    if not all(isinstance(value, bytes) for value in values):
        raise UnfitValueError("invalid_field", f"numbers in '{place}'", f"bytes of {feature.type}")
    if feature.type == "video":
        return [_picture(value, feature) for value in values]
    if spec.has_tokens(feature):
        return list(values)
    if len(values) != 1:
        raise UnfitValueError("invalid_field", f"{len(values)} values in '{place}'", f"one {feature.type}")
    value = values[0]
    assert isinstance(value, bytes)
    if feature.type == "image":
        return _picture(value, feature)
    if feature.type == "audio" and feature.sample_rate and value[:4] != b"RIFF":
        return write_wav(value, feature.sample_rate)
    return value


def _picture(value: object, feature: FeatureSource) -> object:
    """Raw pixels become a PNG; everything else stays what it is."""
    if not isinstance(value, bytes) or feature.shape is None or value.startswith(_PICTURE_MAGIC):
        return value
    shape = feature.shape[-3:]
    return encode_png(np.frombuffer(value, np.uint8).reshape(shape)) if len(value) == prod(shape) else value
