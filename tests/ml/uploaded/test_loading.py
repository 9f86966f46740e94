"""Models of every format are loaded, called as at inference, and refused when they are unsafe or broken."""

from __future__ import annotations

import json
import warnings
import zipfile

import numpy as np
import pytest

from ml.refusal import RefusedError
from ml.uploaded.loading import load_uploaded
from tests.ml.uploaded.files import FORMATS, classifier, keras_of, write, zip_folder

pytestmark = pytest.mark.engine

FIELD = "trainer.params.path"


def load(path, signature="serving_default"):
    return load_uploaded(path, signature=signature, field=FIELD)


@pytest.mark.parametrize("name", FORMATS)
def test_it_gives_what_the_model_gives_at_inference(tensorflow, tmp_path, name):
    model = write(classifier(keras_of(name)), tmp_path / name)
    loaded = load(tmp_path / name)
    ((input_name, spec),) = loaded.inputs.items()
    assert (spec.shape.as_list(), spec.dtype) == ([None, 8, 6, 1], tensorflow.float32)
    values = np.random.default_rng(0).normal(size=(5, 8, 6, 1)).astype(np.float32)
    ((_, found),) = loaded.call({input_name: tensorflow.constant(values)}).items()
    expected = model(values, training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3
    assert found.numpy() == pytest.approx(expected, abs=1e-6)
    assert (len(loaded.variables), len(loaded.trainable_variables)) == (8, 6)
    assert all(isinstance(variable, tensorflow.Variable) for variable in loaded.variables)


def test_the_suffix_does_not_matter(tensorflow, tmp_path):
    write(classifier(keras_of("keras_2")), tmp_path / "m.keras")
    (tmp_path / "m.keras").rename(tmp_path / "m.h5")
    assert load(tmp_path / "m.h5").file.kind == "keras_2"


def test_inputs_and_outputs_have_names(tensorflow, tmp_path):
    for version in ("keras_2", "keras_3"):
        keras = keras_of(version)
        first, second = keras.Input((2,), name="b"), keras.Input((3,), name="a")
        both = keras.layers.Concatenate()([first, second])
        outputs = [keras.layers.Dense(4, name="x")(both), keras.layers.Dense(1, name="y")(both)]
        write(keras.Model({"b": first, "a": second}, outputs), tmp_path / f"{version}.keras")
        loaded = load(tmp_path / f"{version}.keras")
        assert {name: spec.shape[1] for name, spec in loaded.inputs.items()} == {"a": 3, "b": 2}
        found = loaded.call({"a": tensorflow.ones([5, 3]), "b": tensorflow.ones([5, 2])})
        assert [tuple(value.shape) for value in found.values()] == [(5, 4), (5, 1)]
        assert version == "keras_3" or list(found) == ["x", "y"]


def test_a_saved_model_in_a_folder_keeps_its_vocabulary(tensorflow, tmp_path):
    tf = tensorflow
    (tmp_path / "words.txt").write_text("tea\ncoffee\n")

    class Lookup(tf.Module):  # type: ignore[misc, name-defined]
        def __init__(self):
            initializer = tf.lookup.TextFileInitializer(
                str(tmp_path / "words.txt"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
            )
            self.table = tf.lookup.StaticHashTable(initializer, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def number(self, text):
            return {"number": self.table.lookup(text)}

    module = Lookup()
    tf.saved_model.save(module, str(tmp_path / "folder"), signatures={"look_up": module.number})
    (tmp_path / "words.txt").unlink()
    zip_folder(tmp_path / "folder", tmp_path / "m.zip", below="folder/")
    loaded = load(tmp_path / "m.zip", "look_up")
    assert loaded.call({"text": tf.constant(["coffee", "milk"])})["number"].numpy().tolist() == [1, -1]
    holder = tf.Module()
    holder.uploaded = loaded.tracked
    again = tf.function(lambda text: loaded.call({"text": text})).get_concrete_function(
        tf.TensorSpec([None], tf.string)
    )
    tf.saved_model.save(holder, str(tmp_path / "again"), signatures=again)
    with pytest.raises(RefusedError, match="it has no signature 'serving_default', but 'look_up'"):
        load(tmp_path / "m.zip")


@pytest.mark.parametrize("name", ["keras_2.keras", "keras_2.h5", "keras_3.keras", "keras_3.h5"])
def test_a_lambda_layer_is_refused(tensorflow, tmp_path, name):
    keras = keras_of(name)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2, name="twice")])
    write(model, tmp_path / name)
    with pytest.raises(RefusedError, match=rf"{FIELD}: .*safe mode.*'twice' is a Lambda.*Received: {name}") as error:
        load(tmp_path / name)
    assert error.value.code == "unsafe_model"


def test_a_class_from_elsewhere_is_refused_before_it_is_imported(tensorflow, tmp_path):
    write(classifier(keras_of("keras_2")), tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        entries: dict[str, bytes] = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    config["config"]["layers"][1]["module"] = "antigravity"
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in {**entries, "config.json": json.dumps(config).encode()}.items():
            archive.writestr(name, content)
    with pytest.raises(RefusedError, match=r"class antigravity\.Conv2D"):
        load(tmp_path / "m.keras")


def test_a_model_that_the_engine_exported_is_loaded(tensorflow, tmp_path):
    from tests.ml.architectures.tiny import FEATURES, context_of, raw_batch, tiny_model

    context = context_of(FEATURES["image"])
    model = tiny_model("depthwise_cnn", {"stem": 4, "filters": [4]}, context)
    model.save(tmp_path / "m.keras")
    raw = raw_batch(FEATURES["image"], np.arange(3))
    found = load(tmp_path / "m.keras").call({"image": tensorflow.constant(raw)})["logits"]
    assert np.array_equal(found, model({"image": raw}))


def test_what_is_broken_is_refused_with_the_reason(tensorflow, tmp_path):
    write(classifier(keras_of("keras_2")), tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, b"no weights" if name.endswith(".h5") else content)
    (tmp_path / "m.zip").write_bytes(b"no model")
    for name in ("m.keras", "m.zip"):
        with pytest.raises(
            RefusedError, match=rf"can't be loaded \(.+\)\. Received: {name}\. Accepted: a \.keras"
        ) as error:
            load(tmp_path / name)
        assert error.value.code == "unreadable_model"


def test_nothing_is_left_of_an_archive_that_holds_no_model(tensorflow, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("saved_model.pb", b"no model")
    with warnings.catch_warnings(), pytest.raises(RefusedError, match="can't be loaded"):
        load(tmp_path / "m.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["m.zip"]
