"""With every gate decided, a supernet is the network that the gates name."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ml.architectures.tiny import FEATURES, context_of, raw_batch, tiny_model
from tests.ml.search.settings import space_of

pytestmark = pytest.mark.engine

DENSE = [
    ("projection", "image", "classification", {"projections": 6, "depth": 1, "units_0": 16, "units_1": 8}),
    ("projection", "image", "regression", {"projections": 4, "depth": 0, "units_0": 8, "units_1": 8}),
    ("feed_forward", "image", "classification", {"depth": 2, "units_0": 16, "units_1": 8}),
    ("feed_forward", "bytes", "multi_label", {"depth": 1, "units_0": 24, "units_1": 8}),
    ("feed_forward", "sensor", "sequence", {"depth": 1, "units_0": 24, "units_1": 8}),
]
PICTURES = [
    ("depthwise_cnn", "image", "classification", {"kernel": 3, "stem": 4, "depth": 2, "filters_0": 8, "filters_1": 4}),
    ("depthwise_cnn", "sensor", "regression", {"kernel": 5, "stem": 8, "depth": 1, "filters_0": 12, "filters_1": 4}),
    ("depthwise_cnn", "audio", "sequence", {"kernel": 3, "stem": 2, "depth": 1, "filters_0": 4, "filters_1": 4}),
    ("depthwise_cnn", "video", "classification", {"kernel": 3, "stem": 2, "depth": 1, "filters_0": 4, "filters_1": 4}),
    ("cnn", "image", "multi_label", {"kernel": 5, "depth": 2, "filters_0": 8, "filters_1": 4}),
]


def branch_of(model_type, feature, task):
    from ml.search.proposing import BRANCHES

    full = space_of(model_type, feature, task)
    sizes = {one.name: one.sizes[:5] for one in full.choices if one.is_width}
    if "projections" in sizes:  # with more bits than values, the bits of a smaller projection are others
        sizes["projections"] = (4, 6, 7)
    space = full.with_sizes(sizes)
    return BRANCHES[model_type](space, context_of(FEATURES[feature], task=task))


def decided(branch, picked):
    """One-hot samples."""
    import tensorflow as tf

    return {
        choice.name: tf.constant([float(size == picked.get(choice.name, choice.sizes[0])) for size in choice.sizes])
        for choice in branch.space.choices
    }


def cut(values, shape):
    """The first entries of each axis; of the first two, for kernels, those in the middle."""
    values = np.asarray(values)
    if values.ndim == 4:
        starts = [(have - want) // 2 for have, want in zip(values.shape[:2], shape[:2], strict=True)]
        values = values[starts[0] : starts[0] + shape[0], starts[1] : starts[1] + shape[1]]
        return values[:, :, : shape[2], : shape[3]]
    return values[tuple(slice(0, size) for size in shape)]


def give(layer, weights):
    layer.set_weights([cut(have, want.shape) for have, want in zip(weights, layer.get_weights(), strict=True)])


@pytest.mark.parametrize(("model_type", "feature", "task", "picked"), DENSE)
def test_decided_gates_make_a_dense_network(tensorflow, model_type, feature, task, picked):
    branch = branch_of(model_type, feature, task)
    raw = tensorflow.constant(raw_batch(FEATURES[feature], np.arange(4) % 3))
    samples = decided(branch, picked)
    branch.outputs(raw, samples, training=False)
    model = tiny_model(model_type, branch.space.params(picked), context_of(FEATURES[feature], task=task))
    for index in range(picked["depth"]):
        give(model.get_layer(f"dense_{index}"), branch._layers[f"units_{index}"].get_weights())
    logits = branch._layers[f"logits_{picked['depth']}"]
    give(model.get_layer("logits"), logits.get_layer("logits").get_weights())
    if feature == "bytes":
        name = f"{FEATURES[feature].name}_embedding"
        model.get_layer(name).set_weights(branch._layers["front"].get_layer(name).get_weights())
    expected = model({FEATURES[feature].name: raw}).numpy()
    np.testing.assert_allclose(branch.outputs(raw, samples, training=False).numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("model_type", "feature", "task", "picked", "head"),
    # A sequence has no head to choose.
    [(*case, head) for case in PICTURES for head in (0, 1) if not (head and case[2] == "sequence")],
)
def test_decided_gates_make_a_convolutional_network(tensorflow, model_type, feature, task, picked, head):
    branch = branch_of(model_type, feature, task)
    raw = tensorflow.constant(raw_batch(FEATURES[feature], np.arange(4) % 3))
    picked = {**picked, "head": head}
    samples = decided(branch, picked)
    branch.outputs(raw, samples, training=True)
    model = tiny_model(model_type, branch.space.params(picked), context_of(FEATURES[feature], task=task))
    names = {"stem": "stem", **{f"filters_{block}": f"conv_{block}" for block in range(picked["depth"])}}
    if model_type == "depthwise_cnn":
        names |= {f"filters_{block}": f"pointwise_{block}" for block in range(picked["depth"])}
        names |= {f"depthwise_{block}": f"depthwise_{block}" for block in range(picked["depth"])}
    for own, name in names.items():
        if own in branch._kernels:
            give(model.get_layer(name), [branch._kernels[own].numpy()])
            norm = name.replace("conv", "norm") if model_type == "cnn" else f"{name}_norm"
            give(model.get_layer(norm), branch._layers[f"{own}_norm"].get_weights())
    logits = f"logits_{picked['depth']}" + ("" if task == "sequence" else "_flatten" if head else "_average")
    dense = branch._layers[logits].get_layer("logits")
    kernel, bias = dense.get_weights()
    wanted = model.get_layer("logits").get_weights()[0].shape
    channels = picked[f"filters_{picked['depth'] - 1}"]
    # Each position has its channels side by side, of which the first ones are left.
    largest = max(branch.space.sizes(f"filters_{picked['depth'] - 1}"))
    kept = kernel.reshape(-1, largest, kernel.shape[-1])[:, :channels].reshape(wanted)
    model.get_layer("logits").set_weights([kept, bias])
    expected = model({FEATURES[feature].name: raw}, training=False).numpy()
    np.testing.assert_allclose(branch.outputs(raw, samples, training=False).numpy(), expected, rtol=1e-3, atol=1e-3)


def test_a_sample_between_two_sizes_gives_every_gate_a_gradient(tensorflow):
    branch = branch_of("depthwise_cnn", "image", "classification")
    raw = tensorflow.constant(raw_batch(FEATURES["image"], np.arange(4) % 3))
    with tensorflow.GradientTape() as tape:
        samples = branch.gates.sample(tensorflow.constant([1, 2]), tensorflow.constant(1.0))
        loss = tensorflow.reduce_sum(branch.outputs(raw, samples, training=True) ** 2)
    for gradient in tape.gradient(loss, branch.gates.thetas):
        assert np.abs(gradient.numpy()).max() > 0
