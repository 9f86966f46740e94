"""Whether what the application hands over fits a model's input, and if not, what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from device_client._exceptions import InputError


@dataclass(frozen=True)
class InputSpec:
    """One named input of a model.

    Attributes:
        shape: without the batch dimension, for example (8, 8, 1).
        dtype: for example uint8.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def accepted(self) -> str:
        """What is accepted, in words: "uint8 (8, 8, 1)"."""
        return f"{self.dtype} {_text(self.shape)}"


def prepare(specs: dict[str, InputSpec], given: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Turn `given` into arrays of exactly the shape (1, *spec.shape) and the dtype that the model takes.

    An input of shape (H, W, C) may come as (1, H, W, C), as (H, W, C), and if C is 1 as (H, W). Values are never
    scaled or rounded; a dtype is converted only when no value changes.

    Raises:
        InputError: a name is missing or unknown, or a shape, dtype or value does not fit.
    """
    if given.keys() != specs.keys():
        raise InputError(
            f"predict() got the inputs {_names(given)}; the model accepts exactly "
            f"{', '.join(f'{spec.name}: {spec.accepted}' for spec in specs.values())}"
        )
    return {name: _prepare_one(spec, given[name]) for name, spec in specs.items()}


def _prepare_one(spec: InputSpec, value: Any) -> npt.NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"input {spec.name!r} is no array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"input {spec.name!r} has dtype {array.dtype} (from {type(value).__name__}); {spec.dtype} is accepted"
        )
    return _converted(spec, _reshaped(spec, array))


def _reshaped(spec: InputSpec, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    accepted = [spec.shape, (1, *spec.shape)]
    if len(spec.shape) > 1 and spec.shape[-1] == 1:
        accepted.insert(0, spec.shape[:-1])
    if array.shape not in accepted:
        hint = ""
        if array.ndim == len(spec.shape) + 1 and array.shape[1:] == spec.shape:
            hint = ". predict() takes one example at a time"
        raise InputError(
            f"input {spec.name!r} has shape {_text(array.shape)}; {' or '.join(map(_text, accepted))} is accepted{hint}"
        )
    return array.reshape(1, *spec.shape)


def _converted(spec: InputSpec, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if spec.dtype.kind == "f":
        with np.errstate(over="ignore"):
            converted = np.ascontiguousarray(array, spec.dtype)
        if not np.isfinite(converted).all():
            raise InputError(f"input {spec.name!r} has values that are not finite in {spec.dtype}")
        return converted
    if array.dtype == spec.dtype:
        return np.ascontiguousarray(array)
    if spec.dtype.kind not in "iu":
        raise InputError(f"input {spec.name!r} has dtype {array.dtype}; {spec.dtype} is accepted")
    if array.dtype.kind == "f":
        raise InputError(
            f"input {spec.name!r} has dtype {array.dtype} with values from {array.min():g} to {array.max():g}; "
            f"{_range(spec.dtype)} is accepted, so convert it first: the model does its own normalisation"
        )
    limits = np.iinfo(spec.dtype)
    if array.size and (int(array.min()) < limits.min or int(array.max()) > limits.max):
        raise InputError(
            f"input {spec.name!r} has values from {array.min()} to {array.max()}; {_range(spec.dtype)} is accepted"
        )
    return array.astype(spec.dtype)


def _range(dtype: np.dtype[Any]) -> str:
    limits = np.iinfo(dtype)
    return f"{dtype} from {limits.min} to {limits.max}"


def _names(given: dict[str, Any]) -> str:
    return ", ".join(sorted(given)) if given else "(none)"


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
