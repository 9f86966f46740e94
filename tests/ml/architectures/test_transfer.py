"""A trained base keeps what it knows below the first layer that learns; the new top does all the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures import MODEL_TYPES
from ml.refusal import RefusedError
from tests.ml.architectures.published_nets import picture_context, pictures
from tests.ml.architectures.tiny import FEATURES, context_of, converted, learn, raw_batch, tiny_model
from tests.ml.uploaded.files import KINDS, classifier, keras_of, write

pytestmark = pytest.mark.engine

IMAGE = FEATURES["image"]
NARROW = {"depth": 8, "width": 4, "weights": "base.h5"}


@pytest.fixture
def narrow(tensorflow, tmp_path):
    """Builds on a small residual network from a file."""
    base = tiny_model("resnet", {"depth": 8, "width": 4}, context_of(IMAGE, name="base"))
    base.save_weights(tmp_path / "base.h5")
    context = replace(context_of(IMAGE), files=tmp_path)
    return lambda **params: tiny_model("transfer", {"base": "resnet", "base_params": NARROW, **params}, context)


@pytest.fixture
def uploaded(tensorflow, tmp_path):
    """Builds on an uploaded model."""

    def build(model, name, *, features=(IMAGE,), **params):
        write(model, tmp_path / name)
        own: dict[str, Any] = {key: params.pop(key) for key in ("from_layer", "units") if key in params}
        context = replace(context_of(*features), files=tmp_path)
        return tiny_model("transfer", {"base": "uploaded", "base_params": {"path": name, **params}, **own}, context)

    return build


def changed(model, learn_steps=2):
    """Names of the weights that training changes."""
    before = [value.numpy() for value in model.weights]
    first, last = learn(model, context_of(IMAGE), steps=learn_steps)
    assert last < first
    pairs = zip(before, model.weights, strict=True)
    return {value.name.split(":")[0] for old, value in pairs if not np.array_equal(old, value.numpy())}


def assert_same_in_litert(model, feature=IMAGE):
    raw = raw_batch(feature, np.arange(3), seed=1)
    expected = model({feature.name: raw}).numpy()
    assert expected.shape == (3, 3)
    assert np.ptp(expected, axis=0).max() > 1e-3
    file = converted(model)
    found = np.stack([file.predict(**{feature.name: example}) for example in raw])
    assert found == pytest.approx(expected, abs=1e-4)


def test_only_the_top_learns(narrow):
    model = narrow(units=[8])
    assert changed(model) == {"dense_0/kernel", "dense_0/bias", "logits/kernel", "logits/bias"}
    assert_same_in_litert(model)


@pytest.mark.parametrize("from_layer", ["stage2_block0_second_conv", -5])
def test_layers_from_the_one_named_or_numbered_learn_too(narrow, from_layer):
    # Below the last layers of the network: conv, zeros of the shortcut, norm, add, activation.
    model = narrow(from_layer=from_layer)
    learned = changed(model)
    assert {name.split("/")[0] for name in learned} == {
        "stage2_block0_second_conv",
        "stage2_block0_second_norm",
        "logits",
    }
    assert "stage2_block0_second_norm/moving_mean" in learned
    assert_same_in_litert(model)


def test_from_the_first_layer_everything_learns(narrow):
    model = narrow(from_layer=0)
    assert len(model.non_trainable_weights) == 14  # the averages of seven batch normalizations
    assert changed(model) == {value.name.split(":")[0] for value in model.weights}


@pytest.mark.parametrize(
    ("from_layer", "message"),
    [
        ("stage9_conv", r"Received: stage9_conv\. Accepted: a name in it, as stem_conv, stage2"),
        (500, r"Received: 500\. Accepted: -\d+ to \d+"),
        (-500, r"Received: -500\. Accepted: -\d+ to \d+"),
    ],
)
def test_a_layer_that_the_base_has_not_is_refused(narrow, from_layer, message):
    with pytest.raises(RefusedError, match=rf"model\.params\.from_layer: .*{message}") as error:
        narrow(from_layer=from_layer)
    assert error.value.code == "unknown_layer"


def test_a_published_base_with_its_weights_learns_at_the_top(tensorflow, tmp_path):
    import tf_keras

    application = tf_keras.applications.MobileNet(input_shape=(32, 32, 3), alpha=0.25, weights=None, include_top=False)
    generator = np.random.default_rng(0)
    application.set_weights([value + generator.uniform(0, 0.1, value.shape) for value in application.get_weights()])
    application.save_weights(tmp_path / "v1.weights.h5")
    params = {
        "base": "mobilenet",
        "base_params": {"version": "v1", "alpha": 0.25, "weights": "v1.weights.h5"},
        "from_layer": "conv_pw_13",
    }
    model = tiny_model("transfer", params, picture_context(32, files=tmp_path))
    assert {value.name.split("/")[0] for value in model.trainable_weights} == {"conv_pw_13", "conv_pw_13_bn", "logits"}
    assert_same_in_litert(model, pictures(32))
    model.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert len(again.trainable_weights) == len(model.trainable_weights)


@pytest.mark.parametrize("name", KINDS)
def test_an_uploaded_base_learns_at_the_top(tensorflow, uploaded, name):
    is_keras = not name.endswith(".zip")
    theirs = classifier(keras_of(name))
    model = uploaded(theirs, name, input_scale="0..1", units=[8])
    assert changed(model, 4) == {"dense_0/kernel", "dense_0/bias", "logits/kernel", "logits/bias"}
    raw = raw_batch(IMAGE, np.arange(3))
    # A Keras model is cut below its classifier; a SavedModel gives what it gives.
    keras = keras_of(name)
    body = keras.Model(theirs.inputs, theirs.get_layer("mean").output) if is_keras else theirs
    layer = model.get_layer("uploaded")
    scaled = tensorflow.constant(raw / np.float32(255))
    assert layer(scaled).numpy() == pytest.approx(np.array(body(scaled, training=False)), abs=1e-5)
    assert_same_in_litert(model)


@pytest.mark.parametrize("name", KINDS)
def test_a_checkpoint_holds_an_uploaded_base(tensorflow, uploaded, tmp_path, name):
    model = uploaded(classifier(keras_of(name)), name, input_scale="0..1", from_layer=0)
    raw = raw_batch(IMAGE, np.arange(3))
    expected = model({"image": raw}).numpy()
    path = tensorflow.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    changed(model)
    assert not np.array_equal(model({"image": raw}), expected)
    tensorflow.train.Checkpoint(model=model).read(path).assert_existing_objects_matched()
    assert np.array_equal(model({"image": raw}), expected)


def test_only_an_uploaded_base_of_keras_2_has_a_keras_file(uploaded, tmp_path):
    import tf_keras

    model = uploaded(classifier(keras_of("keras_2")), "keras_2.keras")
    model.save(tmp_path / "model.keras")
    raw = raw_batch(IMAGE, np.arange(3))
    again = tf_keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(again({"image": raw}), model({"image": raw}))
    with pytest.raises(NotImplementedError, match="no place in a"):
        uploaded(classifier(keras_of("keras_3")), "keras_3.keras").save(tmp_path / "other.keras")


@pytest.mark.parametrize("name", ["keras_2.keras", "keras_3.keras"])
def test_an_uploaded_keras_base_learns_from_a_layer_up(uploaded, name):
    model = uploaded(classifier(keras_of(name)), name, input_scale="0..1", from_layer="norm")
    learned = changed(model, 4)
    assert {part.split("/")[-1] for part in learned} == {"gamma", "beta", "kernel", "bias"}
    assert len(learned) == 4
    assert not any("conv" in part for part in learned)


def test_an_uploaded_saved_model_learns_as_a_whole_or_not_at_all(uploaded):
    model = uploaded(classifier(keras_of("module")), "module.zip", input_scale="0..1", from_layer=0)
    assert len(model.trainable_weights) == 8
    assert len(changed(model, 4)) == 8
    with pytest.raises(RefusedError, match=r"Received: 1\. Accepted: -1 to 0"):
        uploaded(classifier(keras_of("module")), "module.zip", from_layer=1)


def test_the_new_top_is_put_where_the_spec_says(uploaded):
    model = uploaded(classifier(keras_of("keras_2")), "keras_2.keras", base_output="conv")
    assert model.get_layer("uploaded").output_shape == (None, 6, 4, 4)
    assert model.get_layer("average").output_shape == (None, 4)
    for name, accepted in (("keras_2.keras", "conv, norm"), ("module.zip", "classes")):
        with pytest.raises(RefusedError, match=rf"base_output nowhere\. Accepted: .*{accepted}"):
            uploaded(classifier(keras_of(name)), name, base_output="nowhere")


def test_refusals_name_the_field_of_the_base(uploaded, tmp_path):
    with pytest.raises(RefusedError, match=r"^model\.params\.base_params\.path: .*\[batch, 9, 9, 1\]"):
        uploaded(classifier(keras_of("keras_2"), shape=(9, 9, 1)), "keras_2.keras")
    context = replace(context_of(IMAGE), files=tmp_path)
    with pytest.raises(RefusedError, match=r"^model\.params\.base_params\.weights: .*Received: base\.h5"):
        tiny_model("transfer", {"base": "resnet", "base_params": NARROW}, context)


def test_a_model_without_a_classifier_is_a_base_as_it_is(uploaded):
    keras = keras_of("keras_2")
    pixels = keras.Input(IMAGE.shape, name="pixels")
    theirs = keras.Model(pixels, keras.layers.Conv2D(5, 3)(pixels))
    assert uploaded(theirs, "keras_2.keras").get_layer("average").output_shape == (None, 5)


def test_an_uploaded_base_reads_signals(uploaded):
    motion = FEATURES["sensor"]
    keras = keras_of("keras_2")
    steps = keras.Input(motion.shape, name="steps")
    theirs = keras.Model(steps, keras.layers.Conv1D(5, 3)(steps))
    model = uploaded(theirs, "keras_2.keras", features=(motion,))
    assert model.get_layer("flatten").output_shape == (None, 50)
    assert_same_in_litert(model, motion)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"base": "cnn"}, "base"),
        ({"base": "mobilenet"}, "Received: weights null. Accepted: imagenet, or a weights file"),
        ({"base": "mobilenet", "base_params": {"depth": 20}}, "base_params.depth"),
        ({"base": "uploaded"}, "base_params.path"),
        ({"base": "uploaded", "base_params": {"path": "m.tflite"}}, r"ends in \.keras or \.h5"),
        ({"base": "resnet", "base_params": NARROW, "units": [0]}, "units"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        MODEL_TYPES["transfer"].params.model_validate(params)


def test_a_feature_that_the_base_does_not_take_is_refused():
    kind = MODEL_TYPES["transfer"].params
    published = kind.model_validate({"base": "resnet", "base_params": NARROW})
    own = kind.model_validate({"base": "uploaded", "base_params": {"path": "m.keras"}})
    motion = FEATURES["sensor"]
    assert own.check(motion, [motion]) is None
    assert published.check(pictures(8), [pictures(8)]) is None
    assert "Received: sensor. Accepted: image, video" in str(published.check(motion, [motion]))
    large = kind.model_validate({"base": "resnet", "base_params": {"depth": 50, "weights": "imagenet"}})
    assert "Received: 8x8. Accepted: at least 32x32" in str(large.check(pictures(8), [pictures(8)]))
    # What a spec is written from.
    assert kind.model_validate(published.model_dump()) == published
