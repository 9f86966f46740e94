"""A model's layers and weights by name, and what passes through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import tensorflow as tf
import tf_keras

# What is told of a call: the layer's name, what went in, what came out.
Record = Callable[[str, Any, Any], None]


def named_layers(model: Any) -> dict[str, Any]:
    """The tf_keras layers of a model in their order, those of a model in it as "<its name>/<layer>".

    Inputs are left out. Of a callable that is no Keras model nothing is known.
    """
    found: dict[str, Any] = {}
    if not isinstance(model, tf_keras.Model):
        return found
    for layer in model.layers:
        if isinstance(layer, tf_keras.Model):
            found |= {f"{layer.name}/{name}": inner for name, inner in named_layers(layer).items()}
        elif not isinstance(layer, tf_keras.layers.InputLayer):
            found[layer.name] = layer
    return found


def named_weights(model: Any) -> dict[str, Any]:
    """What a model learns, as "<layer>/<weight>"; what is in no known layer by the name that it has itself."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for name, layer in named_layers(model).items():
        for weight in layer.trainable_weights:
            if id(weight) not in seen:
                seen.add(id(weight))
                found[_unused(f"{name}/{_own_name(weight).removeprefix(f'{layer.name}/')}", found)] = weight
    for weight in model.trainable_variables:
        if id(weight) not in seen:
            found[_unused(_own_name(weight), found)] = weight
    return found


@contextmanager
def recording(layers: Mapping[str, Any], record: Record) -> Iterator[None]:
    """Within the block, `record` is told of each call of the layers. Only calls outside of graphs are seen.

    Extra outputs of the model would not do: a Keras model has no tensors for what happens in the models inside of it.
    """
    try:
        for name, layer in layers.items():
            # An attribute of the object stands before the method of its class.
            vars(layer)["call"] = _recorded(name, layer.call, record)
        yield
    finally:
        for layer in layers.values():
            vars(layer).pop("call", None)


def float_tensors(outputs: Any) -> list[tf.Tensor]:
    """The tensors of a layer's output that hold numbers, not indices."""
    return [one for one in tf.nest.flatten(outputs) if isinstance(one, tf.Tensor) and one.dtype.is_floating]


def _recorded(name: str, call: Callable[..., Any], record: Record) -> Callable[..., Any]:
    @wraps(call)
    def recorded(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = call(inputs, *args, **kwargs)
        record(name, inputs, outputs)
        return outputs

    return recorded


def _own_name(weight: Any) -> str:
    """Keras 3 says the layer in `path` only; names of TensorFlow end in the number of an output, ":0"."""
    return str(getattr(weight, "path", weight.name)).partition(":")[0]


def _unused(name: str, names: Mapping[str, Any]) -> str:
    """The name, or the name with the first number that makes it new."""
    found, number = name, 1
    while found in names:
        found, number = f"{name}_{number}", number + 1
    return found
