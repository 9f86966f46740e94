"""What an uploaded model gets to see of raw values."""

from __future__ import annotations

import numpy as np
import pytest

from ml.uploaded.scaling import as_strings, scaled
from tests.ml.architectures.tiny import FEATURES

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("feature", "scale", "raw", "expected"),
    [
        ("image", "raw", [0, 255], [0.0, 255.0]),
        ("image", "0..1", [0, 51, 255], [0.0, 0.2, 1.0]),
        ("video", "-1..1", [0, 255], [-1.0, 1.0]),
        ("audio", "-1..1", [-32768, 0, 16384], [-1.0, 0.0, 0.5]),
        ("sensor", "raw", [-3.5], [-3.5]),
        ("sensor", "0..1", [-3.5], [-3.5]),  # in a model of several features, where the scale is that of the picture
    ],
)
def test_values_come_on_the_scale_that_was_asked_for(tensorflow, feature, scale, raw, expected):
    values = tensorflow.constant(raw, FEATURES[feature].dtype)
    found = scaled(values, FEATURES[feature], scale, tensorflow.float32)
    assert found.dtype == tensorflow.float32
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_bytes_become_the_string_that_they_were(tensorflow):
    texts = ["", "tea", "été à 5 €"]
    raw = np.zeros((3, 16), np.uint8)
    for row, text in zip(raw, texts, strict=True):
        row[: len(text.encode())] = np.frombuffer(text.encode(), np.uint8)
    assert [value.decode() for value in as_strings(raw).numpy()] == texts
    assert scaled(raw, FEATURES["bytes"], "raw", tensorflow.string).shape == [3]
    assert as_strings(raw.reshape(1, 3, 16)).shape == [1, 3]
