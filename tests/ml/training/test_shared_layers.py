"""Students that share layers: the same weights, learned once from what both do with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.features.statistics import Statistics
from ml.refusal import RefusedError
from ml.specs import SpecError, TrainingSpec

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs"),
]

STATISTICS = {"image": Statistics(mean=(120.0,), std=(60.0,))}


def declared(*students: dict[str, Any], **hyperparameters: Any) -> TrainingSpec:
    first = {"id": "first", "model_type": "cnn", "params": {"filters": [4, 6], "units": [5]}}
    training = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 16, **hyperparameters}
    return TrainingSpec.parse(
        {
            "experiment_name": "shared",
            "task": {"num_classes": 3},
            "features": [{"shape": [8, 8, 1]}],
            "hyperparameters": training,
            "students": [first, *students],
        }
    )


def second(layers: list[str], **params: Any) -> dict[str, Any]:
    return {
        "id": "second",
        "model_type": "cnn",
        "params": {"filters": [4, 6], "units": [7], **params},
        "share_with": "first",
        "share_layers": layers,
    }


def build(spec: TrainingSpec) -> list[Any]:
    from ml.training.networks import build_networks

    return build_networks(spec, STATISTICS, spec_folder=Path())


def batch_of(tensorflow) -> tuple[dict[str, Any], dict[str, Any]]:
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), dtype=np.uint8)
    return {"image": tensorflow.constant(images)}, {"label": tensorflow.constant(np.arange(16) % 3)}


def train(tensorflow, networks: list[Any], spec: TrainingSpec, steps: int) -> Any:
    from ml.training.joint import JointTrainer
    from ml.training.objectives import objective_for

    trainer = JointTrainer(networks, spec.hyperparameters, objective_for(spec.task))
    trainer.run_steps(iter(tensorflow.data.Dataset.from_tensors(batch_of(tensorflow)).repeat()), steps)
    return trainer


SHARED = ["conv_0", "norm_0", "conv_1"]


def test_shared_layers_have_the_same_weights_and_all_others_their_own(tensorflow):
    spec = declared(second(SHARED))
    first, other = (network.model for network in build(spec))
    alone = [network.model for network in build(declared({**second([]), "share_with": None}))]
    for name in [layer.name for layer in first.layers]:
        one, two = first.get_layer(name), other.get_layer(name)
        assert (one is two) == (name in SHARED)
        if one.weights and name not in SHARED:
            assert all(a is not b for a, b in zip(one.weights, two.weights, strict=True))
            # They start as they would without sharing.
            own = alone[1].get_layer(name).get_weights()
            assert all(np.array_equal(a, b) for a, b in zip(two.get_weights(), own, strict=True))
    images = batch_of(tensorflow)[0]
    assert np.array_equal(first(images), alone[0](images))


def test_a_step_on_shared_weights_is_that_of_both_students_together(tensorflow):
    from ml.training.objective import label_loss
    from ml.training.objectives import objective_for

    tf, spec = tensorflow, declared(second(SHARED))
    networks = build(spec)
    objective = objective_for(spec.task)
    features, targets = batch_of(tf)
    expected: dict[int, np.ndarray] = {}
    for network in networks:
        with tf.GradientTape() as tape:
            loss = label_loss(objective, targets, network.model(features, training=True))
        variables = network.model.trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            before = expected.get(id(variable), variable.numpy())
            expected[id(variable)] = before - 0.1 * gradient.numpy()
    trainer = train(tf, networks, spec, 1)
    assert len(trainer.variables) == len({id(variable) for variable in trainer.variables}) == len(expected)
    for variable in trainer.variables:
        np.testing.assert_allclose(variable.numpy(), expected[id(variable)], atol=1e-5)


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_students_that_share_are_exported_each_by_itself(tensorflow, tmp_path, quantize):
    from ml.conversion.export import Serving, convert
    from ml.conversion.parity import check_parity
    from ml.evaluation.runtime import Runtime
    from ml.training.objectives import objective_for

    spec = declared(second(SHARED, units=[5]), quantize=quantize)
    networks = build(spec)
    trainer = train(tensorflow, networks, spec, 5)
    shared = [variable for variable in networks[1].model.trainable_variables if "norm_0" in variable.name]
    assert shared
    assert all(any(one is other for other in networks[0].model.trainable_variables) for one in shared)
    # Both convolutions and one normalization are there once.
    assert len(trainer.variables) == 2 * 2 + (2 + 2 + 2) * 2
    images = batch_of(tensorflow)[0]["image"].numpy()
    for network in networks:
        serving = Serving(network.model, objective_for(spec.task), spec.task, spec.features)
        path = tmp_path / f"{network.spec.id}.tflite"
        path.write_bytes(convert(serving, tmp_path / "work", quantize=quantize is not None))
        pairs = [({"image": image}, str(index)) for index, image in enumerate(images)]
        check_parity(serving, Runtime(path), pairs, quantized=quantize is not None)


def test_a_third_student_can_share_with_one_that_shares(tensorflow):
    third = {**second(["conv_0"]), "id": "third", "share_with": "second"}
    first, _, last = build(declared(second(SHARED), third))
    assert first.model.get_layer("conv_0") is last.model.get_layer("conv_0")
    assert first.model.get_layer("conv_1") is not last.model.get_layer("conv_1")


@pytest.mark.parametrize(
    ("student", "part"),
    [
        (second(["conv_9"]), r"no layer of this name\. Received: conv_9\. Accepted: activation_0, .*conv_0"),
        (second(["conv_0", "dense_0"]), r"dense_0 has another form in first\. Received: \[\(24, 7\), \(7,\)\]"),
        (second(["activation_0"], pool_size=1) | {"model_type": "feed_forward", "params": {}}, "no layer of this name"),
    ],
)
def test_layers_that_can_not_be_shared_are_refused(tensorflow, student, part):
    with pytest.raises(RefusedError, match=part) as caught:
        build(declared(student))
    assert caught.value.code == "layer_not_shared"
    assert caught.value.details[0]["field"] == "second.share_layers"


def test_layers_that_are_rounded_differently_are_refused(tensorflow):
    """Of a layer that an activation follows, the output is not rounded, but that of the activation."""
    import tf_keras

    from ml.training.quantizing import DifferentlyRoundedError, quantized, with_layers_of

    def made(with_activation: bool) -> Any:
        inputs = tf_keras.Input((2,))
        x = tf_keras.layers.Dense(3, name="dense")(inputs)
        x = tf_keras.layers.Activation("relu", name="activation")(x) if with_activation else x
        return quantized(tf_keras.Model(inputs, tf_keras.layers.Dense(2, name="logits")(x)))

    giver = made(True)
    shared = with_layers_of(giver, made(True), ["dense"])
    assert shared.get_layer("quant_dense") is giver.get_layer("quant_dense")
    with pytest.raises(DifferentlyRoundedError, match="the layer dense is rounded differently"):
        with_layers_of(giver, made(False), ["dense"])


@pytest.mark.parametrize(
    ("student", "part"),
    [
        ({**second(["conv_0"]), "share_with": "third"}, r"is no student before this one.*Accepted: first"),
        ({**second(["conv_0"]), "share_with": None}, "go together with share_with"),
        ({**second([])}, "go together with share_with"),
    ],
)
def test_a_spec_says_with_whom_layers_are_shared(student, part):
    with pytest.raises(SpecError, match=part):
        declared(student)
