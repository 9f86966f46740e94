"""Residual networks: the narrow ones have the layers of the paper, all learn and convert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures import MODEL_TYPES
from ml.refusal import RefusedError
from tests.ml.architectures.published_nets import (
    learns_and_gives_the_same_in_litert,
    picture_context,
    pictures,
    problem_with,
)
from tests.ml.architectures.tiny import FEATURES, context_of, raw_batch, tiny_model

pytestmark = pytest.mark.engine

SMALL = {"depth": 8, "width": 4}


def layers_with_weights(model, *class_names):
    return [layer.name for layer in model.layers if type(layer).__name__ in class_names]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_narrow_one_learns_and_gives_the_same_in_litert(tensorflow, channels):
    learns_and_gives_the_same_in_litert("resnet", SMALL, 9, channels=channels, steps=6)


def test_a_large_one_learns_and_gives_the_same_in_litert(tensorflow):
    model = learns_and_gives_the_same_in_litert("resnet", {"depth": 50}, 32, steps=6)
    shortcuts = [name for name in layers_with_weights(model, "Conv2D") if name.endswith("_0_conv")]
    assert len(layers_with_weights(model, "Conv2D", "Dense")) - len(shortcuts) == 50


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_a_narrow_one_has_as_many_layers_as_its_depth(tensorflow, depth):
    model = tiny_model("resnet", {"depth": depth}, picture_context(8))
    assert len(layers_with_weights(model, "Conv2D", "Dense")) == depth


def test_the_parameters_are_those_of_the_paper(tensorflow):
    # Table 6 of the paper: ResNet-20 on CIFAR-10 has 0.27 million.
    context = picture_context(32, 3)
    task = context.task.model_copy(update={"num_classes": 10})
    assert tiny_model("resnet", {"depth": 20}, replace(context, task=task)).count_params() == pytest.approx(
        0.27e6, abs=5e3
    )


def test_a_shortcut_keeps_every_second_pixel_and_adds_channels_of_zeros(tensorflow):
    import tf_keras

    from ml.architectures.resnet import _shortcut

    x = tf_keras.Input((5, 6, 4))
    model = tf_keras.Model(x, _shortcut(x, 9, 2, "stage1_block0"))
    values = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype(np.float32)
    expected = np.zeros((2, 3, 3, 9), np.float32)
    expected[..., 2:6] = values[:, ::2, ::2]
    assert np.array_equal(model(values), expected)


def test_the_activation_of_the_run_is_used(tensorflow):
    context = context_of(pictures(8), activation="relu6")
    assert "relu6" not in layers_with_weights(tiny_model("resnet", SMALL, context), "Activation")
    assert len(layers_with_weights(tiny_model("resnet", SMALL, context), "ReLU")) == 7


@pytest.mark.parametrize("feature", ["video", "audio"])
def test_it_reads_frames_and_spectrograms(tensorflow, feature):
    context = context_of(FEATURES[feature])
    raw = raw_batch(FEATURES[feature], np.arange(3))
    outputs = tiny_model("resnet", SMALL, context)({FEATURES[feature].name: raw}).numpy()
    assert outputs.shape == (3, 3)
    assert np.ptp(outputs, axis=0).max() > 1e-4


def test_it_starts_from_the_file_of_an_earlier_run(tensorflow, tmp_path):
    earlier = tiny_model("resnet", SMALL, picture_context(8, name="earlier"))
    earlier.save(tmp_path / "earlier.keras")
    model = tiny_model("resnet", {**SMALL, "weights": "earlier.keras"}, picture_context(8, files=tmp_path))
    body, other = ([layer for layer in one.layers if layer.name != "logits"] for one in (model, earlier))
    for layer, before in zip(body, other, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(layer.get_weights(), before.get_weights(), strict=True))


def test_the_file_of_another_width_is_refused(tensorflow, tmp_path):
    tiny_model("resnet", {"depth": 8, "width": 8}, picture_context(8)).save(tmp_path / "wide.keras")
    with pytest.raises(
        RefusedError, match=r"layer 'stem_conv' does not fit\. Received: .*\[3, 3, 1, 8\]\. Accepted: .*\[3, 3, 1, 4\]"
    ):
        tiny_model("resnet", {**SMALL, "weights": "wide.keras"}, picture_context(8, files=tmp_path))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"depth": 21}, "depth"),
        ({"width": 2}, "width"),
        ({"depth": 20, "weights": "imagenet"}, "Received: depth 20. Accepted: 50, 101, 152"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        MODEL_TYPES["resnet"].params.model_validate(params)


def test_small_pictures_are_for_narrow_networks():
    assert problem_with("resnet", pictures(8)) is None
    assert "Received: 8x8. Accepted: at least 32x32" in str(problem_with("resnet", pictures(8), depth=50))
