"""What engine and device share of text: the same bytes, or a model would see on the device what it never learned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from device_client._inputs import InputSpec, prepare
from ml.features.raw import raw_values
from ml.features.spec import FeatureSpec

VECTORS = json.loads(Path(__file__).with_name("text_vectors.json").read_text(encoding="utf-8"))
CASES = [(one["text"], one["shape"], one["bytes"]) for one in VECTORS["texts"]]
CASES += [(one["tokens"], one["shape"], one["bytes"]) for one in VECTORS["tokens"]]


@pytest.mark.parametrize(("given", "shape", "expected"), CASES)
def test_device_and_engine_read_text_alike(given, shape, expected):
    spec = InputSpec("text", tuple(shape), np.dtype(np.uint8), "text")
    on_device = prepare({"text": spec}, {"text": given}).arrays["text"]
    stored = given.encode() if isinstance(given, str) else [token.encode() for token in given]
    in_training = raw_values(stored, FeatureSpec(name="text", type="text", shape=tuple(shape)))
    assert on_device.shape == (1, *shape)
    assert on_device.tobytes().hex() == expected
    assert in_training.tobytes().hex() == expected
