"""The reader of each type of feature."""

from __future__ import annotations

from typing import Any

from ml.features.audio import AudioReader
from ml.features.image import ImageReader
from ml.features.reader import AskedSize, FeatureReader
from ml.features.sensor import SensorReader
from ml.features.source import FeatureSource
from ml.features.spec import FeatureType
from ml.features.text import TextReader
from ml.features.vector import VectorReader
from ml.features.video import VideoReader

READERS: dict[FeatureType, type[FeatureReader[Any]]] = {
    "image": ImageReader,
    "video": VideoReader,
    "text": TextReader,
    "audio": AudioReader,
    "sensor": SensorReader,
    "vector": VectorReader,
}


def make_reader(source: FeatureSource, *, is_sequence: bool, asked: AskedSize) -> FeatureReader[Any]:
    """The reader of one feature."""
    return READERS[source.type](source, is_sequence=is_sequence, asked=asked)
