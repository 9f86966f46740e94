from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.engine


def network(model, key="student:small") -> Any:
    return SimpleNamespace(key=key, model=model)


def dense_model(depth: int, width: int = 4):
    import tf_keras

    x = inputs = tf_keras.Input((width,), name="values")
    for index in range(depth):
        x = tf_keras.layers.Dense(width, name=f"dense_{index}")(x)
        x = tf_keras.layers.ReLU(name=f"relu_{index}")(x)
    return tf_keras.Model({"values": inputs}, x)


def features(tensorflow, width: int = 4):
    return {"values": tensorflow.constant(np.random.default_rng(0).normal(size=(8, width)), tensorflow.float32)}


def test_weights_and_activations_are_those_of_the_model_now(tensorflow):
    from ml.training.histograms import Histograms
    from ml.training.tensorboard import buckets_of

    model, batch = dense_model(1), features(tensorflow)
    histograms = Histograms([network(model)], batch)
    before = histograms.measure()
    kernel, bias = model.get_layer("dense_0").get_weights()
    model.get_layer("dense_0").set_weights([kernel * 2, bias + 1])
    after = histograms.measure()

    assert list(before) == list(after)
    assert set(after) == {
        "student:small/weights/dense_0/kernel",
        "student:small/weights/dense_0/bias",
        "student:small/activations/dense_0",
        "student:small/activations/relu_0",
    }
    linear = batch["values"].numpy() @ (kernel * 2) + 1
    for found, values in (
        (before["student:small/weights/dense_0/kernel"], kernel),
        (after["student:small/weights/dense_0/kernel"], kernel * 2),
        (after["student:small/activations/relu_0"], np.maximum(linear, 0)),
    ):
        expected = buckets_of(values)
        assert expected is not None
        assert np.allclose(found, expected, atol=1e-5)


def test_measuring_changes_no_weight_and_draws_no_random_number(tensorflow):
    import tf_keras

    from ml.training.histograms import Histograms

    inputs = tf_keras.Input((4,), name="values")
    x = tf_keras.layers.BatchNormalization()(tf_keras.layers.Dropout(0.5)(inputs))
    model = tf_keras.Model({"values": inputs}, x)
    before = [weight.numpy() for weight in model.weights]
    tensorflow.random.set_seed(3)
    expected = tensorflow.random.uniform([]).numpy()
    tensorflow.random.set_seed(3)
    Histograms([network(model)], features(tensorflow)).measure()
    assert tensorflow.random.uniform([]).numpy() == expected
    for old, new in zip(before, model.weights, strict=True):
        assert np.array_equal(old, new.numpy())


def test_several_networks_are_told_apart(tensorflow):
    from ml.training.histograms import Histograms

    both = [network(dense_model(1), "trainer"), network(dense_model(1), "student:a")]
    assert {tag.partition("/")[0] for tag in Histograms(both, features(tensorflow)).measure()} == {
        "trainer",
        "student:a",
    }


def test_of_a_large_model_the_kernels_at_both_ends_are_shown(tensorflow):
    from ml.training.histograms import ENDS, Histograms

    found = Histograms([network(dense_model(101))], features(tensorflow)).measure()
    shown = [*range(ENDS), *range(101 - ENDS, 101)]
    assert list(found) == [
        *(f"student:small/weights/dense_{index}/kernel" for index in shown),
        *(f"student:small/activations/dense_{index}" for index in shown),
    ]


def test_of_a_callable_its_answers_are_shown(tensorflow):
    from ml.training.histograms import Histograms

    class Uploaded:
        def __init__(self):
            self.trainable_variables = [tensorflow.Variable([[1.0]] * 4, name="weight")]

        def __call__(self, values, training):
            return values["values"] @ self.trainable_variables[0]

    found = Histograms([network(Uploaded(), "trainer")], features(tensorflow)).measure()
    assert set(found) == {"trainer/weights/weight", "trainer/activations/output"}
    assert found["trainer/activations/output"][:, 2].sum() == 8


def test_of_many_values_some_from_every_channel_are_counted(tensorflow):
    from ml.training.histograms import MAX_VALUES, _some

    channels = np.tile(np.arange(10, dtype=np.float32), (100_000, 1))
    some = _some(tensorflow.constant(channels))
    assert MAX_VALUES / 2 < len(some) <= MAX_VALUES
    counts = np.bincount(some.astype(int), minlength=10)
    assert counts.max() - counts.min() <= 1
