"""Students that learn in 8 bits: what is rounded, and what their files hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ml.architectures import BuildContext
from ml.conversion.metadata import ModelMetadata, embed_metadata
from ml.features import FeatureSpec
from tests.ml.architectures.tiny import FEATURES, File, context_of, learn, raw_batch, tiny_model

pytestmark = [
    pytest.mark.engine,
    # What the converter says of every model that has learned its ranges.
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs"),
]

PICTURE = FeatureSpec(name="image", shape=(28, 28, 1))
PARAMS: dict[str, dict[str, Any]] = {
    "cnn": {"filters": [8, 8], "units": [8]},
    "feed_forward": {"units": [16]},
    "projection": {"projections": 60, "bits": 12},
    "projection_sparse": {"projections": 100, "bits": 4, "width": 4},
    "lstm": {"units": [6]},
    "multimodal": {"branches": {"image": {"model_type": "cnn", "params": {"filters": [4]}}}, "units": [8]},
}


def model_of(name: str, context: BuildContext, params: Mapping[str, Any] | None = None) -> Any:
    return tiny_model(name, PARAMS[name] if params is None else params, context)


def file_of(model: Any, context: BuildContext) -> tuple[File, bytes]:
    """The compacted file, from the function itself: a SavedModel takes several times as long."""
    import tensorflow as tf

    inputs = {one.name: tf.TensorSpec([1, *one.shape[1:]], one.dtype, name=one.name) for one in model.inputs}
    function = tf.function(lambda **raw: model(raw, training=False)).get_concrete_function(**inputs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    metadata = ModelMetadata.of(context.task, context.features, ["a", "b", "c"], model_id="m")
    content = embed_metadata(converter.convert(), metadata)
    return File(content), content


def constants(content: bytes, kind: int) -> list[int]:
    """How many values each constant of a type has, the smallest first."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    sizes = [
        int(np.prod(tensor.shape))
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.type == kind and model.buffers[tensor.buffer].data is not None and tensor.shape is not None
    ]
    return sorted(sizes)


def assert_near(found: np.ndarray, expected: np.ndarray) -> None:
    """Sums in integers and in floats can end on both sides of a border between two steps, layer after layer."""
    assert np.abs(found - expected).max() <= 4 * np.ptp(expected) / 255


def raw_of(context: BuildContext, count: int, seed: int) -> dict[str, np.ndarray]:
    return {one.name: raw_batch(one, np.arange(count) % 3, seed=seed) for one in context.features}


# Model type, features, task, and how many weights and other constants of its file may be floats at most.
CASES = [
    ("cnn", [FEATURES["image"]], "classification", 0),
    ("cnn", [FEATURES["bytes"]], "classification", 0),
    ("cnn", [FEATURES["video"]], "multi_label", 0),
    ("feed_forward", [FEATURES["vector"]], "regression", 6),
    ("projection", [PICTURE], "classification", 32),  # signs, and no wrong bit
    ("projection_sparse", [FEATURES["image"]], "classification", 128),
    ("lstm", [FEATURES["tokens"]], "sequence", 6 * 24),  # a matrix that is too small to be worth it
    ("multimodal", [FEATURES["image"], FEATURES["bytes"]], "classification", 0),
]


@pytest.mark.parametrize(("name", "features", "task", "floats"), CASES)
def test_it_learns_and_its_file_of_8_bits_gives_the_same(tensorflow, name, features, task, floats):
    from ml.training.quantizing import quantized

    context = context_of(*features, task=task)
    model = quantized(model_of(name, context))
    before, after = learn(model, context, steps=15)
    assert after < 0.8 * before
    file, content = file_of(model, context)
    raw = raw_of(context, 20, seed=1)
    expected = model(raw, training=False).numpy()
    found = np.stack([file.predict(**{name: values[index] for name, values in raw.items()}) for index in range(20)])
    unit = np.array(context.statistics["label"].scale) if task == "regression" else 1.0
    assert_near(found / unit, expected / unit)
    large = [size for size in constants(content, schema.TensorType.FLOAT32) if size > 1]
    assert max(large, default=0) <= floats
    assert constants(content, schema.TensorType.INT8)


def test_a_hashed_output_is_learned_and_kept_in_8_bits(tensorflow):
    from ml.training.quantizing import quantized

    context = replace(context_of(FEATURES["image"]), output_buckets=32)
    model = quantized(model_of("feed_forward", context, {"units": [40]}))
    before, after = learn(model, context, steps=15)
    assert after < 0.8 * before
    file, content = file_of(model, context)
    raw = raw_of(context, 20, seed=1)
    assert_near(np.stack([file.predict(image=one) for one in raw["image"]]), model(raw, training=False).numpy())
    assert max(constants(content, schema.TensorType.FLOAT32)) <= 40
    assert 40 * 32 in constants(content, schema.TensorType.INT8)


def test_a_text_student_fits_into_90_kilobytes(tensorflow):
    from ml.training.quantizing import quantized

    context = context_of(FeatureSpec(name="text", type="text", shape=(128,)))
    plain = model_of("feed_forward", context)
    model = quantized(plain)
    learn(model, context, steps=3)
    file, content = file_of(model, context)
    assert max(constants(content, schema.TensorType.INT8)) == 2048 * 32
    assert file.size < 90_000
    assert file_of(plain, context)[0].size > 70_000  # int8 as well, but not the weights that were learned
    raw = raw_of(context, 10, seed=1)
    expected = model(raw, training=False).numpy()
    assert_near(np.stack([file.predict(text=one) for one in raw["text"]]), expected)


def test_weights_and_activations_have_at_most_256_values(tensorflow):
    import tf_keras

    from ml.training.quantizing import own_name, quantized

    context = context_of(FEATURES["image"], FEATURES["bytes"], FEATURES["sensor"])
    model = quantized(model_of("multimodal", context))
    learn(model, context, steps=2)
    rounded = {own_name(layer): layer for layer in model.layers if layer.name.startswith("quant_")}
    # What goes into a concatenation is rounded there, all by one range.
    joined = {own_name(node.layer) for node in rounded["all_features"].inbound_nodes[-1].parent_nodes}
    with_output = {name for name in rounded if "activation" in name} - joined
    with_output |= {"text.text_embedding", "all_features", "logits"}
    every = tf_keras.Model(model.input, [rounded[name].get_output_at(-1) for name in with_output])
    outputs = dict(zip(with_output, every(raw_of(context, 500, seed=2), training=True), strict=True))
    assert len(outputs) > 5
    for name, output in outputs.items():
        assert 2 < len(np.unique(output)) <= 256, name
    kernels = 0
    for name, layer in rounded.items():
        for kind in ("kernel", "depthwise_kernel"):
            # In its last call, the wrapper has put the rounded weights into the layer.
            weights = getattr(layer.layer, kind, None)
            if weights is not None:
                kernels += 1
                values = np.asarray(weights)
                assert not isinstance(weights, tensorflow.Variable)
                channels = [values] if values.ndim == 2 else np.moveaxis(values, 2 if "depthwise" in kind else 3, 0)
                assert all(len(np.unique(channel)) <= 255 for channel in channels), name
    assert kernels >= 5


@pytest.mark.parametrize("activation", ["relu", "relu6", "leaky_relu", "elu", "tanh", "sigmoid", "swish"])
def test_every_activation_can_be_learned_with(tensorflow, activation):
    from ml.training.quantizing import own_name, quantized

    context = context_of(FEATURES["vector"], activation=activation)
    model = quantized(model_of("feed_forward", context, {"units": [100]}))
    before, after = learn(model, context, steps=15)
    assert after < before
    dense = next(layer for layer in model.layers if own_name(layer) == "dense_0")
    assert len(np.unique(dense.layer.kernel)) < dense.layer.kernel.shape.num_elements()
    file, _ = file_of(model, context)
    raw = raw_of(context, 10, seed=1)
    expected = model(raw, training=False).numpy()
    assert_near(np.stack([file.predict(values=one) for one in raw["values"]]), expected)


def test_the_model_starts_with_the_weights_that_it_had_and_leaves_that_alone(tensorflow):
    from ml.training.quantizing import own_name, quantized

    context = context_of(FEATURES["tokens"])
    plain = model_of("lstm", context)
    before = plain.get_weights()
    model = quantized(plain)
    copies = {own_name(layer): layer for layer in model.layers}
    for layer in plain.layers:
        copy = copies[layer.name]
        found = [weight.numpy() for weight in getattr(copy, "layer", copy).weights] + [w.numpy() for w in copy.weights]
        for weight in layer.get_weights():
            assert any(np.array_equal(weight, one) for one in found)
    learn(model, context, steps=2)
    assert all(np.array_equal(old, new) for old, new in zip(before, plain.get_weights(), strict=True))
    # What is not known stays of its kind; only what it gives to a layer that is known is rounded.
    assert type(copies["lstm_0"]) is type(plain.get_layer("lstm_0"))
    assert type(copies["last_step"].layer) is type(plain.get_layer("last_step"))


def test_layers_that_are_not_to_learn_stay_as_they_are(tensorflow):
    from ml.training.quantizing import own_name, quantized

    context = context_of(FEATURES["image"])
    plain = model_of("cnn", context)
    frozen = ("conv_0", "norm_0", "conv_1")
    for name in frozen:
        plain.get_layer(name).trainable = False
    model = quantized(plain)
    assert len(model.trainable_variables) == 2 + 2 + 2  # norm_1, dense_0, logits
    before = plain.get_weights()
    learn(model, context, steps=2)
    copies = {own_name(layer): layer for layer in model.layers}
    for name in frozen:
        weights = [weight.numpy() for weight in copies[name].weights]
        for weight in plain.get_layer(name).get_weights():
            assert any(np.array_equal(weight, one) for one in weights)
    assert all(np.array_equal(old, new) for old, new in zip(before, plain.get_weights(), strict=True))


def test_a_model_of_nothing_that_is_known_is_rounded_where_it_can(tensorflow):
    from dataclasses import replace

    from ml.training.quantizing import quantized

    context = replace(context_of(FEATURES["bytes"]), output_buckets=3)
    model = quantized(model_of("feed_forward", context, {"units": []}))
    before, after = learn(model, context, steps=10)
    assert after < 0.8 * before
    file, content = file_of(model, context)
    assert 2048 * 32 in constants(content, schema.TensorType.INT8)
    raw = raw_of(context, 10, seed=1)
    found = np.stack([file.predict(text=one) for one in raw["text"]])
    assert np.abs(found - model(raw, training=False).numpy()).max() < 0.05


def test_ranges_are_kept_with_the_weights(tensorflow, tmp_path):
    from ml.training.quantizing import quantized

    context = context_of(FEATURES["bytes"])
    model, again = (quantized(model_of("cnn", context)) for _ in range(2))
    learn(model, context, steps=3)
    raw = raw_of(context, 10, seed=1)
    expected = model(raw, training=False).numpy()
    assert not np.array_equal(again(raw, training=False), expected)
    path = tensorflow.train.Checkpoint(model=model).write(str(tmp_path / "weights"))
    tensorflow.train.Checkpoint(model=again).read(path).assert_consumed()
    assert np.array_equal(again(raw, training=False), expected)


@pytest.mark.parametrize(
    ("name", "feature", "params"),
    [("cnn", "sensor", {"filters": [8], "batch_norm": False}), ("feed_forward", "image", {"units": [16]})],
)
def test_what_is_learned_can_be_taken_back_into_the_model(tensorflow, tmp_path, name, feature, params):
    import tf_keras

    from ml.training.quantizing import quantized, take_weights

    context = context_of(FEATURES[feature])
    plain = model_of(name, context, params)
    model = quantized(plain)
    learn(model, context, steps=10)
    raw = raw_of(context, 10, seed=1)
    expected = model(raw, training=False).numpy()
    limit = 0.05 * np.ptp(expected)
    assert np.abs(plain(raw) - expected).max() > limit
    take_weights(plain, model)
    assert np.abs(plain(raw) - expected).max() < limit
    assert all(
        np.array_equal(a, b)
        for a, b in zip(quantized(plain).trainable_variables, model.trainable_variables, strict=True)
    )
    # Without the wrappers of the library, whose files can't be read again.
    plain.save(tmp_path / "model.keras")
    assert np.array_equal(tf_keras.models.load_model(tmp_path / "model.keras")(raw), plain(raw))
