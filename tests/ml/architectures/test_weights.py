"""Weights come from whatever file Keras wrote, and only if they are of this network."""

from __future__ import annotations

import zipfile

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

from ml.architectures.weights import load_weights
from ml.refusal import RefusedError

pytestmark = pytest.mark.engine

FIELD = "model.params.weights"


@pytest.fixture
def network(tensorflow):
    """Makes a small network of layers that are named, or numbered from wherever Keras is."""
    import tf_keras

    def make(*, named: bool = True, top: bool = False, filters: int = 3):
        names = iter(["first", "norm", "split", "second", "top"] if named else [None] * 5)
        layers = tf_keras.layers
        stack = [
            layers.Conv2D(filters, 3, name=next(names)),
            layers.BatchNormalization(name=next(names)),
            layers.ReLU(),
            layers.SeparableConv2D(4, 2, name=next(names)),
            layers.Conv2D(2, 1, name=next(names)),
            *([layers.Conv2D(5, 1, name=next(names))] if top else []),
        ]
        model = tf_keras.Sequential([tf_keras.Input((6, 6, 1)), *stack])
        generator = np.random.default_rng(filters)
        model.set_weights([generator.normal(size=weight.shape) for weight in model.weights])
        return model

    return make


def weights_of(model):
    return [value for layer in model.layers[:5] for value in layer.get_weights()]


def assert_same(model, other):
    assert all(np.array_equal(x, y) for x, y in zip(weights_of(model), weights_of(other), strict=True))


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5", "whole.h5", "whole.keras"])
def test_they_come_from_every_format(network, tmp_path, name, named):
    written = network(named=named, top=True)
    write = written.save if "whole" in name else written.save_weights
    write(tmp_path / name)
    read = network(named=named)
    read.set_weights([np.zeros(weight.shape) for weight in read.weights])
    load_weights(read.layers, tmp_path / name, field=FIELD)
    assert_same(read, written)


def test_an_attribute_that_hdf5_had_to_split_is_read(network, tmp_path):
    written = network()
    written.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        names = file.attrs.pop("layer_names")
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
    read = network(filters=3)
    load_weights(read.layers, tmp_path / "w.h5", field=FIELD)
    assert_same(read, written)


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_the_first_layer_that_does_not_fit_is_named(network, tmp_path, name):
    network(filters=7).save_weights(tmp_path / name)
    model = network()
    before = weights_of(model)
    with pytest.raises(RefusedError) as error:
        load_weights(model.layers, tmp_path / name, field=FIELD)
    assert error.value.code == "weights_mismatch"
    assert error.value.details[0]["field"] == FIELD
    assert "layer 'first' does not fit" in error.value.message
    assert f"Received: {name} with weights of the shapes [3, 3, 1, 7], [7]" in error.value.message
    assert "Accepted: weights of the shapes [3, 3, 1, 3], [3]" in error.value.message
    assert all(np.array_equal(x, y) for x, y in zip(before, weights_of(model), strict=True))


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_a_layer_that_the_file_has_not_is_named(network, tmp_path, name):
    network().save_weights(tmp_path / name)
    with pytest.raises(RefusedError, match=rf"layer 'top' does not fit\. Received: {name} with none"):
        load_weights(network(top=True).layers, tmp_path / name, field=FIELD)


def test_what_is_no_weights_file_is_refused(network, tmp_path):
    (tmp_path / "text.h5").write_text("no weights")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["something"] = 1
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    model = network()
    for name in ("text.h5", "empty.h5", "other.keras"):
        with pytest.raises(RefusedError, match=rf"Received: {name}\. Accepted: a \.h5") as error:
            load_weights(model.layers, tmp_path / name, field=FIELD)
        assert error.value.code == "unreadable_weights"


def test_a_file_that_reaches_into_another_one_is_refused(network, tmp_path):
    network().save_weights(tmp_path / "secret.h5")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = ["first"]
        file["first"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "first")
    with pytest.raises(RefusedError, match="first leads to another file"):
        load_weights(network().layers, tmp_path / "w.h5", field=FIELD)
    (tmp_path / "numbers").write_bytes(b"\0" * 200)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.attrs["layer_names"] = ["first"]
        group = file.create_group("first")
        group.attrs["weight_names"] = ["kernel"]
        group.create_dataset("kernel", (3, 3, 1, 3), "f4", external=[(str(tmp_path / "numbers"), 0, 108)])
    with pytest.raises(RefusedError, match="kernel keeps its values in another file"):
        load_weights(network().layers, tmp_path / "v.h5", field=FIELD)
