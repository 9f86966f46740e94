"""Every model type learns from every feature that it takes, and its file gives the same outputs in LiteRT."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest

from ml.architectures import MODEL_TYPES
from ml.specs import Hyperparameters
from tests.ml.architectures.tiny import FEATURES, context_of, converted, learn, raw_batch, tiny_model

pytestmark = pytest.mark.engine

ACTIVATIONS = Hyperparameters.model_json_schema()["properties"]["activation"]["enum"]
PARAMS: dict[str, dict[str, Any]] = {
    "feed_forward": {"units": [16]},
    "projection": {"projections": 20, "bits": 8, "units": [8]},
    "projection_sparse": {"projections": 20, "bits": 4, "width": 4},
    "projection_cnn": {"bits": 32, "patch_size": 3, "width": 8, "filters": [8]},
    "cnn": {"filters": [8], "units": [8]},
    "depthwise_cnn": {"stem": 8, "filters": [8]},
    "lstm": {"units": [8]},
    "bilstm": {"units": [6]},
    "qrnn": {"units": [8]},
}
# Larger ones, and those that need more than one feature or a file.
TESTED_ELSEWHERE = {"multimodal", "mobilenet", "nasnet_mobile", "inception_v3", "resnet", "transfer", "saved_model"}


def cases(model_type: str) -> list[tuple[str, str]]:
    """(feature, task): each feature once, with the tasks in turn, and once more for sequences if it keeps its steps."""
    kind, tasks = MODEL_TYPES[model_type], cycle(["classification", "regression", "multi_label"])
    taken = [(name, feature) for name, feature in FEATURES.items() if feature.type in kind.takes]
    return [(name, next(tasks)) for name, _ in taken] + [
        (name, "sequence") for name, feature in taken if feature.type in kind.steps and feature.steps
    ]


@pytest.mark.parametrize(("model_type", "feature", "task"), [(name, *case) for name in PARAMS for case in cases(name)])
def test_it_learns_and_gives_the_same_in_litert(tensorflow, model_type, feature, task):
    context = context_of(FEATURES[feature], task=task)
    model = tiny_model(model_type, PARAMS[model_type], context)
    before, after = learn(model, context, steps=12)
    assert after < 0.8 * before
    name = context.features[0].name
    raw = raw_batch(context.features[0], np.arange(4) % 3, seed=1)
    expected = model({name: raw}).numpy()
    assert expected.shape == (
        4,
        *([context.features[0].steps] if task == "sequence" else []),
        2 if task == "regression" else 3,
    )
    file = converted(model)
    assert np.stack([file.predict(**{name: example}) for example in raw]) == pytest.approx(expected, abs=1e-4)
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert np.array_equal(again({name: raw}), expected)


def test_no_model_type_is_left_out():
    assert set(MODEL_TYPES) <= {*PARAMS, *TESTED_ELSEWHERE}


def all_weights(model_type: str, feature: str, name: str) -> list[np.ndarray]:
    context = context_of(FEATURES[feature], name=name)
    return [weight.numpy() for weight in tiny_model(model_type, PARAMS[model_type], context).weights]


@pytest.mark.parametrize("feature", ["bytes", "sensor"])
@pytest.mark.parametrize("model_type", PARAMS)
def test_the_seed_and_the_id_alone_decide_how_weights_start(tensorflow, model_type, feature):
    tensorflow.random.set_seed(1)
    first = all_weights(model_type, feature, "a")
    tensorflow.random.set_seed(2)
    another = all_weights(model_type, feature, "b")
    again = all_weights(model_type, feature, "a")
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(first, another, strict=True))


def test_every_activation_has_a_form_in_builtin_operators(tensorflow):
    vector = FEATURES["vector"]
    raw = raw_batch(vector, np.arange(3))
    for activation in ACTIVATIONS:
        model = tiny_model("feed_forward", {"units": [8]}, context_of(vector, activation=activation))
        file = converted(model)
        found = np.stack([file.predict(values=example) for example in raw])
        assert found == pytest.approx(model({"values": raw}).numpy(), abs=1e-5), activation


def test_the_projection_in_litert_has_the_bits_of_the_layer(tensorflow):
    import tf_keras

    from ml.layers.structured_projection import StructuredProjection

    raw = tf_keras.Input((28, 28, 1), dtype="uint8", name="image")
    model = tf_keras.Model({"image": raw}, StructuredProjection(outputs=720, center=[33], seed=11)(raw))
    images = np.random.default_rng(2).integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)
    file = converted(model)
    assert np.array_equal(np.stack([file.predict(image=image) for image in images]), model({"image": images}))
    # A stored 784x720 matrix would be 2.2 MB.
    assert file.size < 30_000
