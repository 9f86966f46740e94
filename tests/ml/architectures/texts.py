"""Texts in fields that are longer than they need to be: what a recurrent network must not notice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ml.features import FeatureSpec
from tests.ml.architectures.tiny import context_of, tiny_model


def text_model(model_type: str, params: Mapping[str, Any], length: int) -> Any:
    return tiny_model(model_type, params, context_of(FeatureSpec(name="text", type="text", shape=(length,))))


def outputs_of(model: Any, *texts: str) -> np.ndarray:
    length = model.inputs[0].shape[1]
    raw = [np.frombuffer(text.encode().ljust(length, b"\0"), np.uint8) for text in texts]
    return model({"text": np.stack(raw)}).numpy()


def outputs_in_fields(
    model_type: str, params: Mapping[str, Any], *texts: str, lengths: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """What the same weights give for the same texts in a shorter and in a longer field."""
    short, long = (text_model(model_type, params, length) for length in lengths)
    long.set_weights(short.get_weights())
    return outputs_of(short, *texts), outputs_of(long, *texts)
