"""The MobileNets learn, convert, start by seed and name alone, and take weights from elsewhere."""

from __future__ import annotations

import warnings

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
from tests.ml.architectures.tiny import FEATURES, raw_batch, tiny_model

pytestmark = pytest.mark.engine

SMALL = {"version": "v1", "alpha": 0.25}


@pytest.mark.parametrize(
    ("version", "alpha", "channels"), [("v1", 0.25, 1), ("v2", 0.25, 3), ("v3_small", 0.25, 1), ("v3_large", 0.25, 3)]
)
def test_it_learns_and_gives_the_same_in_litert(tensorflow, version, alpha, channels):
    model = learns_and_gives_the_same_in_litert(
        "mobilenet", {"version": version, "alpha": alpha}, 32, channels=channels
    )
    assert not [layer.name for layer in model.layers if "dropout" in type(layer).__name__.lower()]


def test_it_comes_back_from_its_keras_file(tensorflow, tmp_path):
    import tf_keras

    # v3 has operations without a layer class of their own.
    model = tiny_model("mobilenet", {"version": "v3_small", "alpha": 0.25}, picture_context(32))
    model.save(tmp_path / "model.keras")
    raw = raw_batch(pictures(32), np.arange(3))
    again = tf_keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(again({"image": raw}), model({"image": raw}))


def test_the_seed_and_the_id_alone_decide_how_weights_start(tensorflow):
    def weights(name):
        model = tiny_model("mobilenet", {"version": "v3_small", "alpha": 0.1}, picture_context(32, name=name))
        return {layer.name: layer.get_weights() for layer in model.layers}

    tensorflow.random.set_seed(1)
    first = weights("a")
    tensorflow.random.set_seed(2)
    other, again = weights("b"), weights("a")
    assert list(first) == list(again) == list(other)
    assert all(np.array_equal(x, y) for name in first for x, y in zip(first[name], again[name], strict=True))
    drawn = [name for name in first if any(np.ptp(values) > 0 for values in first[name])]
    assert len(drawn) > 30
    assert not any(np.array_equal(first[name][0], other[name][0]) for name in drawn)


@pytest.fixture(scope="module")
def application(tensorflow):
    """MobileNet v1 as keras.applications gives it, with a top, and batch statistics that are not those of the start."""
    import tf_keras

    model = tf_keras.applications.MobileNet(input_shape=(32, 32, 3), alpha=0.25, weights=None, classes=5)
    generator = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([value + generator.uniform(0, 0.1, value.shape) for value in layer.get_weights()])
    return model


def assert_starts_from(model, application):
    """The features of `model`, for grey pictures, are those of the application for three times the same channel."""
    import tf_keras

    raw = raw_batch(pictures(32), np.arange(3))
    colour = tf_keras.applications.mobilenet.preprocess_input(np.repeat(raw, 3, axis=-1).astype(np.float32))
    body = tf_keras.Model(application.input, application.get_layer("conv_pw_13_relu").output)
    found = tf_keras.Model(model.input, model.get_layer("average").output)({"image": raw})
    expected = body(colour).numpy().mean(axis=(1, 2))
    assert expected.std() > 0.01
    assert found.numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5", "whole.keras"])
def test_it_starts_from_a_file_of_the_same_network(tensorflow, tmp_path, application, name):
    if name == "whole.keras":
        application.save(tmp_path / name)
    else:
        application.save_weights(tmp_path / name)
    model = tiny_model("mobilenet", {**SMALL, "weights": name}, picture_context(32, files=tmp_path))
    assert_starts_from(model, application)


def test_it_starts_from_a_file_of_keras_3(tensorflow, tmp_path, application):
    from ml.uploaded.loading import keras_3

    theirs = keras_3().applications.MobileNet(
        input_shape=(32, 32, 3), alpha=0.25, weights=None, include_top=False, pooling="avg"
    )
    for layer in theirs.layers:
        if layer.weights:
            layer.set_weights(application.get_layer(layer.name).get_weights())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras 3 with NumPy 2
        theirs.save_weights(tmp_path / "w.weights.h5")
    model = tiny_model("mobilenet", {**SMALL, "weights": "w.weights.h5"}, picture_context(32, files=tmp_path))
    assert_starts_from(model, application)


def test_imagenet_weights_come_from_where_keras_keeps_them(tensorflow, tmp_path, monkeypatch, application):
    import tf_keras.src.applications.mobilenet as module

    served = tmp_path / "served"
    served.mkdir()
    (tmp_path / ".keras").mkdir()
    no_top = module.MobileNet(input_shape=(32, 32, 3), alpha=0.25, weights=None, include_top=False)
    for layer in no_top.layers:
        if layer.weights:
            layer.set_weights(application.get_layer(layer.name).get_weights())
    no_top.save_weights(served / "mobilenet_2_5_224_tf_no_top.h5")
    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", f"{served.as_uri()}/")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_starts_from(tiny_model("mobilenet", {**SMALL, "weights": "imagenet"}, picture_context(32)), application)


def test_imagenet_weights_are_refused_where_there_is_no_network(tensorflow, tmp_path, monkeypatch, capsys):
    import tf_keras.src.applications.mobilenet as module

    (tmp_path / ".keras").mkdir()
    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RefusedError, match=r"model\.params\.weights: .*Received: imagenet\. Accepted: .*file") as error:
        tiny_model("mobilenet", {**SMALL, "weights": "imagenet"}, picture_context(32))
    assert error.value.code == "weights_not_downloaded"
    assert capsys.readouterr().out == ""  # where the events of a run are written


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"version": "v4"}, "version"),
        ({"alpha": 0}, "alpha"),
        ({"version": "v2", "alpha": 0.25, "weights": "imagenet"}, r"Received: alpha 0\.25\. Accepted: 0\.35"),
        ({"weights": "../w.h5"}, r"weights\n.*Received: '\.\./w\.h5'. Accepted: imagenet, or a relative path"),
        ({"weights": "w.zip"}, r"ends in \.h5 or \.keras"),
        ({"depth": 3}, "depth"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        MODEL_TYPES["mobilenet"].params.model_validate(params)


def test_pictures_that_are_too_small_are_refused():
    assert problem_with("mobilenet", pictures(32)) is None
    assert "Received: 28x28. Accepted: at least 32x32" in str(problem_with("mobilenet", pictures(28)))


def test_weights_for_pixels_are_refused_for_sound():
    sound = FEATURES["audio"].model_copy(update={"shape": (4000,), "spectrogram": FEATURES["audio"].spectrogram})
    sound = sound.model_copy(update={"spectrogram": sound.spectrogram.model_copy(update={"bands": 40})})
    assert problem_with("mobilenet", sound) is None
    assert "Received: weights w.h5 for audio" in str(problem_with("mobilenet", sound, weights="w.h5"))
