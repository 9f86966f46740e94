"""An uploaded model of any format is a trainer: frozen or fine-tuned, exact on resume, and exported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures.saved_model import SavedModelParams
from ml.features import FeatureSpec
from ml.refusal import RefusedError
from ml.specs import SpecError, TrainingSpec
from tests.ml.architectures.tiny import FEATURES, File, context_of, learn, raw_batch, tiny_model
from tests.ml.uploaded.files import FORMATS, KINDS, classifier, keras_of, write

pytestmark = pytest.mark.engine

IMAGE = FEATURES["image"]
TEXT = FEATURES["bytes"]


@pytest.fixture
def uploaded(tensorflow, tmp_path):
    """The model that is built for an uploaded one, and the context."""

    def build(model, name="keras_2.keras", *, features=(IMAGE,), task="classification", **params):
        write(model, tmp_path / name)
        context = replace(context_of(*features, task=task), files=tmp_path)
        return tiny_model("saved_model", {"path": name, **params}, context)

    return build


def keras_model(outputs_of, *inputs, name="keras_2"):
    keras = keras_of(name)
    tensors = [keras.Input(shape, name=key, dtype=dtype) for key, shape, dtype in inputs]
    return keras.Model(tensors if len(tensors) > 1 else tensors[0], outputs_of(keras, *tensors))


@pytest.mark.parametrize("name", FORMATS)
def test_its_logits_are_those_of_the_uploaded_probabilities(tensorflow, uploaded, name):
    theirs = classifier(keras_of(name))
    model = uploaded(theirs, name, input_scale="0..1")
    raw = raw_batch(IMAGE, np.arange(3))
    expected = theirs(raw / np.float32(255), training=False).numpy()
    for training in (False, True):  # dropout and batch statistics are those of inference all the same
        logits = model({"image": tensorflow.constant(raw)}, training=training)
        assert logits.dtype == tensorflow.float32
        assert tensorflow.nn.softmax(logits).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_it_learns_and_its_file_gives_the_same_in_litert(tensorflow, uploaded, name):
    tf = tensorflow
    model = uploaded(classifier(keras_of(name)), name, input_scale="-1..1")
    assert model.count_params() == sum(np.size(value) for value in model.weights)
    statistics = [value for value in model.variables if "moving" in value.name]
    before = [value.numpy() for value in statistics]
    first, last = learn(model, context_of(IMAGE), steps=8)
    assert last < 0.9 * first
    assert len(statistics) == 2
    assert all(np.array_equal(x, y) for x, y in zip(before, statistics, strict=True))

    raw = raw_batch(IMAGE, np.arange(3), seed=1)
    expected = model({"image": tf.constant(raw)}).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3
    function = tf.function(lambda image: model({"image": image}, training=False)).get_concrete_function(
        tf.TensorSpec([1, *IMAGE.shape], tf.uint8, name="image")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    file = File(converter.convert())
    found = np.stack([file.predict(image=picture) for picture in raw])
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_a_checkpoint_and_a_saved_model_hold_it_whole(tensorflow, uploaded, tmp_path, name):
    tf = tensorflow
    model = uploaded(classifier(keras_of(name)), name, input_scale="0..1")
    raw = tf.constant(raw_batch(IMAGE, np.arange(3)))
    expected = model({"image": raw}).numpy()
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    learn(model, context_of(IMAGE), steps=1)
    assert not np.allclose(model({"image": raw}), expected, atol=1e-3)
    tf.train.Checkpoint(model=model).read(path).assert_existing_objects_matched()
    assert np.array_equal(model({"image": raw}), expected)

    signature = tf.function(lambda image: {"logits": model({"image": image})}).get_concrete_function(
        tf.TensorSpec([None, *IMAGE.shape], tf.uint8, name="image")
    )
    tf.saved_model.save(model, str(tmp_path / "saved"), signatures=signature)
    again = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"](image=raw)["logits"]
    assert np.array_equal(again, expected)


def test_a_frozen_one_has_nothing_to_learn(uploaded):
    model = uploaded(classifier(keras_of("keras_2")))
    learning = len(model.trainable_variables)
    model.trainable = False
    assert (learning, len(model.trainable_variables), len(model.weights)) == (6, 0, 8)


def test_several_labels_and_values_and_steps(tensorflow, uploaded):
    motion = FEATURES["sensor"]
    raw = raw_batch(motion, np.arange(3))
    dense = lambda units, activation: lambda keras, x: keras.layers.Dense(units, activation)(x)  # noqa: E731
    steps = keras_model(dense(3, "softmax"), ("motion", (12, 2), "float32"))
    found = uploaded(steps, features=(motion,), task="sequence")({"motion": raw})
    assert tensorflow.nn.softmax(found).numpy() == pytest.approx(steps(raw).numpy(), abs=1e-5)

    flat = lambda keras, x: keras.layers.Dense(3, "sigmoid")(keras.layers.Flatten()(x))  # noqa: E731
    labels = keras_model(flat, ("motion", (12, 2), "float32"))
    found = uploaded(labels, features=(motion,), task="multi_label")({"motion": raw})
    assert tensorflow.sigmoid(found).numpy() == pytest.approx(labels(raw).numpy(), abs=1e-5)

    flat = lambda keras, x: keras.layers.Dense(2)(keras.layers.Flatten()(x))  # noqa: E731
    values = keras_model(flat, ("motion", (12, 2), "float32"))
    found = uploaded(values, features=(motion,), task="regression", output="logits")({"motion": raw})
    assert np.array_equal(found, values(raw))
    with pytest.raises(RefusedError, match=r"model\.params\.output: a regression has no probabilities"):
        uploaded(values, features=(motion,), task="regression")


def test_several_features_go_to_the_inputs_of_their_names(uploaded):
    vector, motion = FEATURES["vector"], FEATURES["sensor"]
    theirs = keras_model(
        lambda keras, a, b: keras.layers.Dense(3)(keras.layers.Concatenate()([keras.layers.Flatten()(a), b])),
        ("motion", (12, 2), "float32"),
        ("values", (6,), "float32"),
    )
    raw = {one.name: raw_batch(one, np.arange(3)) for one in (vector, motion)}
    model = uploaded(theirs, features=(vector, motion), output="logits")
    assert np.array_equal(model(raw), theirs([raw["motion"], raw["values"]]))
    with pytest.raises(RefusedError, match=r"other inputs.*Received: motion, values\. Accepted: values, image"):
        uploaded(theirs, features=(vector, IMAGE), output="logits")


def test_text_goes_in_as_strings_where_the_model_wants_them(tensorflow, uploaded):
    def lengths(keras, text):
        import tensorflow as tf

        counted = tf.cast(tf.strings.length(text), tf.float32)
        return keras.layers.Dense(3, name="classes")(tf.reshape(counted, [-1, 1]))

    theirs = keras_model(lengths, ("text", (), "string"))
    raw = raw_batch(TEXT, np.arange(3))
    sizes = np.count_nonzero(raw, axis=1).reshape(-1, 1).astype(np.float32)
    model = uploaded(theirs, features=(TEXT,), output="logits")
    assert model({"text": raw}).numpy() == pytest.approx(sizes @ theirs.get_layer("classes").kernel.numpy(), abs=1e-4)
    with pytest.raises(RefusedError, match=r"takes strings for 'text'\. Received: a feature of type image"):
        uploaded(theirs, features=(IMAGE,), output="logits")


def test_a_model_of_another_shape_is_refused(uploaded):
    for theirs, message in [
        (
            classifier(keras_of("keras_2"), outputs=5),
            r"the 3 classes.*Received: .*\[batch, 5\]\. Accepted: .*\[batch, 3\]",
        ),
        (
            classifier(keras_of("keras_2"), shape=(6, 6, 1)),
            r"'image'\. Received: .*\[batch, 6, 6, 1\]\. .*\[batch, 8, 6, 1\]",
        ),
        (classifier(keras_of("keras_2"), shape=(8, 6, 3)), r"Received: .*\[batch, 8, 6, 3\]"),
    ]:
        with pytest.raises(RefusedError, match=rf"model\.params\.path: .*{message}") as error:
            uploaded(theirs)
        assert error.value.code == "uploaded_model_mismatch"


def test_a_model_for_batches_of_one_is_refused(tensorflow, uploaded, tmp_path):
    keras = keras_of("keras_2")
    pixels = keras.Input(IMAGE.shape, batch_size=1, name="pixels")
    theirs = keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Flatten()(pixels)))
    with pytest.raises(RefusedError, match=r"batches of one size only\. Received: \[1, 8, 6, 1\]"):
        uploaded(theirs, output="logits")


def test_one_of_several_outputs_is_named(uploaded):
    def two(keras, x):
        flat = keras.layers.Flatten()(x)
        return [keras.layers.Dense(5, name="other")(flat), keras.layers.Dense(3, name="classes")(flat)]

    theirs = keras_model(two, ("pixels", IMAGE.shape, "float32"))
    raw = raw_batch(IMAGE, np.arange(3))
    found = uploaded(theirs, output="logits", output_name="classes")({"image": raw})
    assert np.array_equal(found, theirs(raw.astype(np.float32))[1])
    for name in (None, "more"):
        with pytest.raises(RefusedError, match=r"output.*Accepted: other, classes"):
            uploaded(theirs, output="logits", output_name=name)


def test_it_has_its_own_output_layer(tensorflow, tmp_path):
    write(classifier(keras_of("keras_2")), tmp_path / "m.keras")
    context = replace(context_of(IMAGE), files=tmp_path, output_buckets=2)
    with pytest.raises(RefusedError, match=r"model\.output_buckets: .*Received: 2\. Accepted: null"):
        tiny_model("saved_model", {"path": "m.keras"}, context)


def test_a_file_that_is_not_there_is_refused(tensorflow, tmp_path):
    with pytest.raises(RefusedError, match=r"model\.params\.path: there is no such file\. Received: m\.keras"):
        tiny_model("saved_model", {"path": "m.keras"}, replace(context_of(IMAGE), files=tmp_path))


@pytest.mark.parametrize("path", ["m.tflite", "/m.keras", "../m.h5", ""])
def test_other_paths_are_refused(path):
    with pytest.raises(ValidationError, match=r"Accepted: a relative path without '\.\.' that ends in \.keras or \.h5"):
        SavedModelParams(path=path)


def test_a_scale_that_no_feature_has_is_refused():
    sound = FEATURES["audio"]
    assert SavedModelParams(path="m.h5", input_scale="-1..1").check(sound, [sound]) is None
    assert SavedModelParams(path="m.h5", input_scale="0..1").check(TEXT, [TEXT, IMAGE]) is None
    assert "Received: 0..1. Accepted: raw, -1..1" in str(
        SavedModelParams(path="m.h5", input_scale="0..1").check(sound, [sound])
    )


def test_it_is_a_trainer_and_may_be_frozen():
    shape = list(FeatureSpec(name="image", type="image", shape=(8, 8, 1)).shape)
    model = {"id": "big", "model_type": "saved_model", "params": {"path": "m.keras"}}
    spec = {
        "experiment_name": "uploaded",
        "task": {"num_classes": 3},
        "features": [{"name": "image", "shape": shape}],
        "trainer": {**model, "freeze_model_from_checkpoint": True},
        "students": [{"id": "small", "model_type": "projection"}],
    }
    assert TrainingSpec.parse(spec).trainer.params.brings_weights
    with pytest.raises(SpecError, match=r"students\[0\]\.model_type: can only be the trainer"):
        TrainingSpec.parse({**spec, "trainer": None, "students": [model]})
