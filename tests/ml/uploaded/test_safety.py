"""A description that carries or imports code is found, wherever in it."""

from __future__ import annotations

import re

import pytest

from ml.uploaded.safety import unsafe_part


def model(*layers):
    return {"class_name": "Sequential", "module": "keras", "config": {"name": "m", "layers": list(layers)}}


def layer(class_name, module="keras.layers", registered_name=None, **config):
    return {"class_name": class_name, "module": module, "registered_name": registered_name, "config": config}


DENSE = layer("Dense", name="dense", kernel_initializer=layer("Zeros", "keras.initializers"))


@pytest.mark.parametrize(
    "safe",
    [
        DENSE,
        {"class_name": "Dense", "config": {"name": "dense"}},  # Keras 2 in .h5
        layer("Functional", "keras.src.engine.functional", name="inner", layers=[DENSE]),
        layer("Standardize", "ml.layers.standardize", "bantam>Standardize", name="image_standardize"),
        layer("Dense", activation={"module": "builtins", "class_name": "function", "config": "relu"}, name="dense"),
    ],
)
def test_layers_of_keras_and_of_the_engine_are_safe(safe):
    assert unsafe_part(model(DENSE, safe)) is None


@pytest.mark.parametrize(
    ("unsafe", "words"),
    [
        (layer("Lambda", name="evil"), "'evil' is a Lambda"),
        ({"class_name": "Lambda", "config": {"name": "evil", "function": ["4wAAA", None, None]}}, "'evil' is a Lambda"),
        (layer("Dense", name="dense", activation={"class_name": "__lambda__", "config": {}}), "is a Lambda"),
        (layer("system", "os", name="evil"), r"'evil' is of the class os\.system"),
        (layer("Thing", "kerasish.layers", name="evil"), r"kerasish\.layers\.Thing"),
        (layer("Standardize", "ml.layers.standardize", name="evil"), r"ml\.layers\.standardize\.Standardize"),
        (layer("train", "ml.training.run", "bantam>train", name="evil"), r"ml\.training\.run\.train"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda node: node, lambda node: layer("Functional", layers=[[{"in": node}]])])
def test_code_is_found(unsafe, words, wrap):
    assert re.search(words, unsafe_part(model(DENSE, wrap(unsafe))) or "nothing")
