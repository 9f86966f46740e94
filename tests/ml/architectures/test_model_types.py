"""Every model type builds, learns, converts to builtin operators and gives the same outputs there."""

from __future__ import annotations

import numpy as np
import pytest

from ml.architectures import MODEL_TYPES
from ml.compatibility.check import check_file
from ml.evaluation.runtime import Runtime
from ml.specs import Hyperparameters, ModelSpec

pytestmark = pytest.mark.engine

ACTIVATIONS = Hyperparameters.model_json_schema()["properties"]["activation"]["enum"]
CASES = [
    ("feed_forward", {"units": [16]}, (8, 8, 1)),
    ("feed_forward", {"units": []}, (5, 3, 3)),
    ("projection", {"projections": 20, "bits": 8}, (8, 8, 1)),
    ("projection", {"projections": 10, "bits": 8, "units": [16]}, (5, 3, 3)),
    ("cnn", {"filters": [8], "units": [8]}, (8, 8, 1)),
    ("cnn", {"filters": [8, 8], "batch_norm": False, "head": "average", "pool_size": 1}, (6, 5, 3)),
    ("depthwise_cnn", {"stem": 8, "filters": [8]}, (8, 8, 1)),
    (
        "depthwise_cnn",
        {"stem": 4, "filters": [8, 8], "head": "flatten", "pool_size": 1, "units": [8]},
        (6, 5, 3),
    ),
]


def context(name: str, activation: str, shape: tuple[int, int, int]):
    from ml.architectures import BuildContext
    from ml.layers.pixels import PixelStatistics

    return BuildContext(
        name=name,
        feature="image",
        shape=shape,
        num_classes=4,
        activation=activation,
        seed=3,
        statistics=PixelStatistics(mean=(127.5,) * shape[2], std=(74.0,) * shape[2]),
    )


@pytest.mark.parametrize(("name", "params", "shape"), CASES)
def test_builds_learns_converts_and_agrees_with_litert(tensorflow, tmp_path, name, params, shape):
    from ml.conversion.export import export_network
    from ml.conversion.metadata import InputMetadata, ModelMetadata, OutputMetadata
    from ml.conversion.parity import check_parity
    from ml.training.joint import JointTrainer
    from ml.training.networks import Network

    model_type = MODEL_TYPES[name]
    spec = ModelSpec.model_validate({"id": "model", "model_type": name, "params": params})
    model = model_type.build(spec.params, context("model", "relu", shape))
    network = Network(spec, "student", model)
    generator = np.random.default_rng(0)
    labels = np.arange(32) % 4
    images = (generator.integers(0, 120, (32, *shape)) + 45 * labels[:, None, None, None]).astype(np.uint8)
    data = tensorflow.data.Dataset.from_tensors((images, labels.astype(np.int64))).repeat()
    joint = JointTrainer([network], Hyperparameters(learning_rate=0.02, steps=60))
    batches = iter(data)
    first, _ = joint.run_steps(batches, 1)
    joint.run_steps(batches, 58)
    last, _ = joint.run_steps(batches, 1)
    assert last["student:model/loss"] < 0.7 * first["student:model/loss"]

    metadata = ModelMetadata(
        labels=list("abcd"),
        inputs=[InputMetadata(name="image", shape=shape)],
        outputs=[OutputMetadata(name="probabilities")],
        model_id="model",
    )
    exported = export_network(
        network, metadata=metadata, out=tmp_path / "out", work=tmp_path / "work", tflite_copy=None
    )
    runtime = Runtime(exported.tflite)
    parity = check_parity(model, runtime, ((image, "noise") for image in images))
    assert parity["max_abs"] < 1e-5
    assert parity["top1_agreement"] == 1.0
    report = check_file(exported.tflite)
    assert report["problems"] == []


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_a_form_in_builtin_operators(tensorflow, tmp_path, activation):
    from ml.conversion.export import Serving, convert
    from ml.conversion.parity import check_parity

    model_type = MODEL_TYPES["feed_forward"]
    model = model_type.build(model_type.params.model_validate({"units": [8]}), context("model", activation, (4, 4, 1)))
    path = tmp_path / "model.tflite"
    path.write_bytes(convert(Serving(model), "image", (4, 4, 1), tmp_path / "work"))
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8)
    assert check_parity(model, Runtime(path), ((image, "noise") for image in images))["max_abs"] < 1e-5
    assert check_file(path)["problems"] == []


def test_the_projection_in_litert_has_the_bits_of_the_layer(tensorflow, tmp_path):
    from ml.conversion.export import SIGNATURE
    from ml.layers.structured_projection import StructuredProjection

    tf = tensorflow
    projection = StructuredProjection(outputs=720, center=[33], seed=11)
    images = np.random.default_rng(2).integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)
    projection(images)
    module = tf.Module()
    function = tf.function(lambda image: {"bits": projection(image)}).get_concrete_function(
        tf.TensorSpec([1, 28, 28, 1], tf.uint8, name="image")
    )
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={SIGNATURE: function})
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved")).convert()
    (tmp_path / "bits.tflite").write_bytes(content)
    runtime = Runtime(tmp_path / "bits.tflite")
    found = np.stack([runtime.predict(image) for image in images])
    assert np.array_equal(found, projection(images).numpy())
    # A stored 784x720 matrix would be 2.2 MB.
    assert len(content) < 20_000


def test_the_seed_and_the_id_alone_decide_how_weights_start(tensorflow):
    def weights(model_id):
        model = MODEL_TYPES["cnn"].build(MODEL_TYPES["cnn"].params(), context(model_id, "relu", (8, 8, 1)))
        return [weight.numpy() for weight in model.weights]

    assert all(np.array_equal(a, b) for a, b in zip(weights("a"), weights("a"), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights("a"), weights("b"), strict=True))
