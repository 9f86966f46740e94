"""Several features in one model: each has its own network, and what is declared for it is checked like any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.architectures import MODEL_TYPES
from ml.features import FeatureSpec
from ml.specs import SpecError, TrainingSpec
from tests.ml.architectures.tiny import FEATURES, context_of, converted, learn, raw_batch, tiny_model

IMAGE, TEXT, MOTION = FEATURES["image"], FEATURES["bytes"], FEATURES["sensor"]
DEFAULTS: Any = MODEL_TYPES["multimodal"].params()


def spec_of(branches: dict, *, features: tuple[FeatureSpec, ...] = (IMAGE, TEXT)) -> dict:
    return {
        "experiment_name": "several",
        "task": {"type": "classification", "num_classes": 3},
        "features": [feature.model_dump() for feature in features],
        "students": [{"id": "both", "model_type": "multimodal", "params": {"branches": branches, "units": [8]}}],
    }


@pytest.mark.engine
def test_it_learns_from_all_features_and_gives_the_same_in_litert(tensorflow):
    features = tuple(FEATURES.values())
    context = context_of(*features)
    branches = {
        "text": {"model_type": "qrnn", "params": {"units": [8]}},
        "motion": {"model_type": "projection_cnn", "params": {"filters": [8], "bits": 16}},
        "values": {"model_type": "projection", "params": {"projections": 8, "bits": 4}},
        "words": {"model_type": "lstm", "params": {"units": [4]}},
    }
    model = tiny_model("multimodal", {"branches": branches, "units": [8]}, context)
    before, after = learn(model, context, steps=12)
    assert after < 0.8 * before
    raw = {feature.name: raw_batch(feature, np.arange(4) % 3, seed=1) for feature in features}
    file = converted(model)
    found = [file.predict(**{name: values[row] for name, values in raw.items()}) for row in range(4)]
    assert np.stack(found) == pytest.approx(model(raw).numpy(), abs=1e-4)


@pytest.mark.engine
def test_the_output_depends_on_every_feature(tensorflow):
    features = (IMAGE, TEXT, MOTION)
    model = tiny_model("multimodal", {}, context_of(*features))
    raw = {feature.name: raw_batch(feature, np.array([0])) for feature in features}
    before = model(raw).numpy()
    for feature in features:
        after = model({**raw, feature.name: raw_batch(feature, np.array([2]))}).numpy()
        assert np.abs(after - before).max() > 1e-4, feature.name


@pytest.mark.engine
def test_layers_have_their_features_names_and_branches_start_differently(tensorflow):
    other = MOTION.model_copy(update={"name": "other"})
    branch = {"model_type": "feed_forward", "params": {"units": [4]}}
    model = tiny_model(
        "multimodal", {"branches": {"motion": branch, "other": branch}, "units": [4]}, context_of(MOTION, other)
    )
    kernels = [model.get_layer(f"{name}.dense_0").get_weights()[0] for name in ("motion", "other")]
    assert not np.array_equal(*kernels)
    assert model.get_layer("dense_0").get_weights()[0].shape == (8, 4)


@pytest.mark.engine
def test_a_saved_model_is_the_same(tensorflow, tmp_path):
    import tf_keras

    model = tiny_model("multimodal", {}, context_of(IMAGE, TEXT))
    raw = {feature.name: raw_batch(feature, np.arange(3)) for feature in (IMAGE, TEXT)}
    model.save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded(raw), model(raw))


@pytest.mark.engine
def test_weights_that_a_branch_has_loaded_are_kept(tensorflow, monkeypatch):
    import tf_keras

    def encode(params, raw, feature, context):
        dense = tf_keras.layers.Dense(2, name="loaded")
        output = dense(raw)
        dense.set_weights([np.full((6, 2), 7.0), np.full(2, 5.0)])
        return output

    loaded = replace(MODEL_TYPES["feed_forward"], name="loaded", encode=encode)
    monkeypatch.setitem(MODEL_TYPES, "loaded", loaded)
    vector = FEATURES["vector"]
    model = tiny_model("multimodal", {"branches": {"values": {"model_type": "loaded"}}}, context_of(vector))
    kernel, bias = model.get_layer("values.loaded").get_weights()
    assert (kernel == 7.0).all()
    assert (bias == 5.0).all()


@pytest.mark.engine
def test_a_branch_with_layers_that_have_no_config_is_a_model_within(tensorflow, monkeypatch):
    import tf_keras

    class Uploaded(tf_keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, function, **kwargs):
            super().__init__(**kwargs)
            self.function = function

        def call(self, inputs):
            return self.function(inputs)

    def encode(params, raw, feature, context):
        return Uploaded(lambda values: values * 3.0)(raw)

    uploaded = replace(MODEL_TYPES["feed_forward"], name="uploaded", encode=encode)
    monkeypatch.setitem(MODEL_TYPES, "uploaded", uploaded)
    vector, other = FEATURES["vector"], FEATURES["vector"].model_copy(update={"name": "other"})
    branch = {"model_type": "uploaded"}
    model = tiny_model(
        "multimodal", {"branches": {"values": branch, "other": branch}, "units": []}, context_of(vector, other)
    )
    raw = raw_batch(vector, np.arange(3))
    kernel, bias = model.get_layer("logits").get_weights()
    expected = np.hstack([3.0 * raw, 3.0 * raw]) @ kernel + bias
    assert model({"values": raw, "other": raw}).numpy() == pytest.approx(expected, abs=1e-5)
    assert {"branch_values", "branch_other"} <= {layer.name for layer in model.layers}


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (IMAGE, "depthwise_cnn"),
        (TEXT, "feed_forward"),
        (MOTION, "depthwise_cnn"),
        (FEATURES["audio"], "depthwise_cnn"),
        (FEATURES["video"], "depthwise_cnn"),
        (FEATURES["vector"], "feed_forward"),
        (FeatureSpec(name="dot", type="image", shape=(2, 2, 1)), "feed_forward"),
    ],
)
def test_a_feature_without_a_branch_gets_one_that_takes_it(feature, expected):
    assert DEFAULTS.branch_of(feature).model_type == expected
    assert DEFAULTS.check(feature, [feature]) is None


def test_a_declared_branch_is_read_and_written():
    branches = {"text": {"model_type": "lstm", "params": {"units": [7]}}}
    spec = TrainingSpec.parse(spec_of(branches))
    dumped = spec.model_dump(mode="json")
    assert dumped["students"][0]["params"]["branches"] == branches
    assert TrainingSpec.parse(dumped) == spec


@pytest.mark.parametrize(
    ("branches", "field", "message"),
    [
        (
            {"texts": {"model_type": "lstm"}},
            "students[0].params",
            "branches are for features that there are. Received: texts. Accepted: image, text",
        ),
        (
            {"text": {"model_type": "no_such"}},
            "students[0].params.branches.text.model_type",
            "can't read a feature. Received: 'no_such'. Accepted: feed_forward",
        ),
        (
            {"text": {"model_type": "multimodal"}},
            "students[0].params.branches.text.model_type",
            "can't read a feature. Received: 'multimodal'. Accepted: feed_forward",
        ),
        (
            {"text": {"model_type": "lstm", "params": {"projection_size": 3}}},
            "students[0].params.branches.text.params.projection_size",
            "is not a field here",
        ),
        (
            {"text": {"model_type": "lstm", "params": {"units": [0]}}},
            "students[0].params.branches.text.params.units[0]",
            "must be greater than or equal to 1. Received: 0",
        ),
        (
            {"image": {"model_type": "cnn", "params": {"filters": [8] * 4}}},
            "students[0].params",
            "branches.image: 4 blocks with pool_size 2 leave nothing of 8x6. Accepted: at most 2 blocks",
        ),
    ],
)
def test_a_bad_branch_is_refused(branches, field, message):
    with pytest.raises(SpecError) as refused:
        TrainingSpec.parse(spec_of(branches))
    (detail,) = refused.value.details
    assert detail["field"] == field
    assert detail["message"].startswith(message)


def test_a_branch_that_does_not_take_its_feature_is_refused():
    message = r"branches\.values does not take vector\. Received: cnn\. Accepted: feed_forward"
    with pytest.raises(SpecError, match=message):
        TrainingSpec.parse(spec_of({"values": {"model_type": "cnn"}}, features=(IMAGE, FEATURES["vector"])))


def test_no_model_type_has_parameters_that_a_form_can_not_walk_through():
    for name, kind in MODEL_TYPES.items():
        schema = kind.params.model_json_schema()
        assert "$defs" not in schema, name
        for field, of_field in schema["properties"].items():
            assert of_field.get("type") != "object" or "properties" in of_field, (name, field)
