"""Weights of a published network from a file, whatever Keras wrote it. No TensorFlow here: the file is read, not run.

Three layouts: Keras 2 `.h5` (each layer under its own name, in the order of an attribute), and the newer `.weights.h5`
of tf_keras and of Keras 3 (each layer under its class and number), which is also inside of every `.keras` file.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from ml.architectures.named_files import field_refused
from ml.refusal import RefusedError

MAX_BYTES = 4 * 2**30
# Where the newer layout keeps the layers: Keras 3, tf_keras.
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


def load_weights(layers: Sequence[Any], path: Path, *, field: str) -> None:
    """Sets the weights of a network's `layers` (in its own order) to those of the file.

    The file may hold more than the network has, as its output layer. Raises RefusedError `unreadable_weights`, or
    `weights_mismatch`, which names the first layer that does not fit.
    """
    own = [layer for layer in layers if layer.weights]
    with _opened(path, field) as root:
        try:
            found = _found(root, own)
        except (KeyError, ValueError, OSError) as error:
            raise _unreadable(path, field, str(error)) from None
        # All are compared before the first is set; only the shapes, so that a wrong file is never read whole.
        for layer, datasets in zip(own, found, strict=True):
            _check_shapes(layer, datasets, path, field)
        for layer, datasets in zip(own, found, strict=True):
            layer.set_weights([np.asarray(dataset) for dataset in datasets])


@contextmanager
def _opened(path: Path, field: str) -> Iterator[Any]:
    """The root of the HDF5 file, or of the one in a .keras archive."""
    import h5py  # type: ignore[import-untyped]

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if archive.getinfo("model.weights.h5").file_size > MAX_BYTES:
                    raise ValueError(f"its weights have more than {MAX_BYTES} bytes")
                source: Any = io.BytesIO(archive.read("model.weights.h5"))
        else:
            source = path
        file = h5py.File(source, "r")
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable(path, field, str(error)) from None
    with file:
        yield file


def _found(root: Any, own: Sequence[Any]) -> list[list[Any]]:
    """For each layer the datasets of its weights in the file; none for a layer that the file has not."""
    if "model_weights" in root:
        root = _child(root, "model_weights")
    if names := _names(root, "layer_names"):
        return _by_name(root, names, own)
    for container in _CONTAINERS:
        if container in root:
            return _by_class(_child(root, container), own)
    raise ValueError("it holds no layers of a Keras model")


def _by_name(root: Any, names: Sequence[str], own: Sequence[Any]) -> list[list[Any]]:
    """The Keras 2 layout: layers by their names, or one after the other where names were given by counting."""
    stored = {}
    for name in names:
        group = _child(root, name)
        datasets = [_child(group, weight) for weight in _names(group, "weight_names")]
        if datasets:
            stored[name] = datasets
    if all(layer.name in stored for layer in own):
        return [stored[layer.name] for layer in own]
    in_order = list(stored.values())[: len(own)]
    return in_order + [[]] * (len(own) - len(in_order))


def _by_class(container: Any, own: Sequence[Any]) -> list[list[Any]]:
    """The newer layout: conv2d, conv2d_1, conv2d_2 … for the first, second, third layer of the class Conv2D."""
    groups = {}
    for name in container:
        class_name, number = re.fullmatch(r"(.+?)(?:_(\d+))?", name).groups()  # type: ignore[union-attr]
        groups[class_name.replace("_", ""), int(number or 0)] = name
    seen: Counter[str] = Counter()
    found = []
    for layer in own:
        class_name = type(layer).__name__.lower()
        name = groups.get((class_name, seen[class_name]))
        seen[class_name] += 1
        group = _child(_child(container, name), "vars") if name is not None else {}
        found.append([_child(group, index) for index in sorted(group, key=int)])
    return found


def _names(group: Any, attribute: str) -> list[str]:
    """A list in the attributes of a group, which HDF5 splits when it is long: layer_names0, layer_names1 …"""
    parts = [attribute] if attribute in group.attrs else takewhile(group.attrs.__contains__, _numbered(attribute))
    values = [value for part in parts for value in group.attrs[part]]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _numbered(attribute: str) -> Iterator[str]:
    return (f"{attribute}{index}" for index in count())


def _child(group: Any, name: str) -> Any:
    """What lies under a group. Raises ValueError for what leads to another file, KeyError if there is nothing."""
    import h5py

    for part in name.split("/"):
        link = group.get(part, getlink=True)
        if link is None:
            raise KeyError(f"it has no {name}")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name} leads to another file")
        group = group[part]
    if isinstance(group, h5py.Dataset) and (group.external or group.is_virtual):
        raise ValueError(f"{name} keeps its values in another file")
    return group


def _check_shapes(layer: Any, datasets: Sequence[Any], path: Path, field: str) -> None:
    needed = [tuple(weight.shape) for weight in layer.weights]
    given = [tuple(dataset.shape) for dataset in datasets]
    if given == needed:
        return
    received = f"weights of the shapes {_listed(given)}" if given else "none"
    raise field_refused(
        "weights_mismatch",
        field,
        f"the file is not of this network: layer '{layer.name}' does not fit. Received: {path.name} with {received}. "
        f"Accepted: weights of the shapes {_listed(needed)}",
    )


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)


def _unreadable(path: Path, field: str, reason: str) -> RefusedError:
    return field_refused(
        "unreadable_weights",
        field,
        f"the file holds no weights that can be read ({reason.strip(chr(39))}). Received: {path.name}. "
        "Accepted: a .h5, .weights.h5 or .keras file that Keras wrote",
    )
