"""What the tests of the published networks share: large models, small pictures, few steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.architectures import MODEL_TYPES, BuildContext
from ml.features import FeatureSpec
from tests.ml.architectures.tiny import context_of, converted, raw_batch, tiny_model


def pictures(side: int, channels: int = 1) -> FeatureSpec:
    return FeatureSpec(name="image", type="image", shape=(side, side, channels))


def picture_context(side: int, channels: int = 1, *, name: str = "model", files: Path = Path()) -> BuildContext:
    return replace(context_of(pictures(side, channels), name=name), files=files)


def learns_and_gives_the_same_in_litert(
    model_type: str, params: dict[str, Any], side: int, *, channels: int = 1, steps: int = 3, tolerance: float = 1e-3
) -> Any:
    """Builds a model, trains it on one batch and converts it. `tolerance` is the share of the largest output."""
    context = picture_context(side, channels)
    model = tiny_model(model_type, params, context)
    before, after = few_steps(model, context, steps=steps)
    assert after < before
    raw = raw_batch(context.features[0], np.arange(3), seed=1)
    expected = model({"image": raw}, training=False).numpy()
    assert expected.shape == (3, 3)
    largest = float(np.abs(expected).max())
    assert np.ptp(expected, axis=0).max() > 10 * tolerance * largest  # the outputs do depend on the picture
    file = converted(model)
    found = np.stack([file.predict(image=picture) for picture in raw])
    assert found == pytest.approx(expected, abs=tolerance * largest)
    return model


def few_steps(model: Any, context: BuildContext, *, steps: int) -> tuple[float, float]:
    """Trains on one batch of six, eagerly: a graph of so many layers takes longer to make. Loss before and after."""
    import tensorflow as tf
    import tf_keras

    classes = np.arange(6) % 3
    raw = {feature.name: tf.constant(raw_batch(feature, classes)) for feature in context.features}
    optimizer = tf_keras.optimizers.Adam(0.001)
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0  # the averages are those of the last batch: else they would still be at their start
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            outputs = model(raw, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, outputs))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(float(loss))
    return losses[0], losses[-1]


def problem_with(model_type: str, feature: FeatureSpec, **params: Any) -> str | None:
    return MODEL_TYPES[model_type].params.model_validate(params).check(feature, [feature])
