from __future__ import annotations

import pytest

from apps.datasets.models import DatasetVersion
from apps.datasets.wording import contents, feature_words


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"type": "image", "shape": [28, 20, 3]}, "image, 28 × 20 colour"),
        ({"type": "video", "shape": [1, 8, 8, 1]}, "video, 1 frame of 8 × 8 grey"),
        ({"type": "text", "shape": [128]}, "text, up to 128 bytes"),
        ({"type": "text", "shape": [20, 16]}, "text, up to 20 tokens of 16 bytes"),
        ({"type": "sensor", "shape": [100, 1]}, "sensor, 100 steps of 1 channel"),
        ({"type": "audio", "shape": [12000], "sample_rate": 8000}, "audio, 1.5 s at 8,000 samples a second"),
        ({"type": "vector", "shape": [1]}, "vector, 1 value"),
    ],
)
def test_every_kind_of_input_has_words(feature, words):
    assert feature_words(feature) == words


IMAGE = {"name": "image", "type": "image", "shape": [8, 8, 1]}
TEXT = {"name": "text", "type": "text", "shape": [64]}


@pytest.mark.parametrize(
    ("features", "task", "classes", "words"),
    [
        ([IMAGE], {"type": "classification"}, 10, "1,797 images of 8 × 8 grey, 10 classes"),
        ([TEXT], {"type": "multi_label"}, 3, "1,797 texts of up to 64 bytes, 3 labels"),
        ([TEXT], {"type": "regression", "num_values": 1}, 0, "1,797 texts of up to 64 bytes, 1 value"),
        ([IMAGE, TEXT], {"type": "sequence"}, 2, "1,797 examples of image + text, 2 classes for each step"),
    ],
)
def test_what_a_version_holds_is_said_in_a_line(features, task, classes, words):
    names = [str(number) for number in range(classes)]
    version = DatasetVersion(num_examples=1797, features=features, task=task, classes=names)
    assert contents(version) == words
