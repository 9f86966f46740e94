"""Whether what the application hands over fits a model's input, and if not, what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from device_client._exceptions import InputError
from device_client._text import encode_text, encode_tokens


@dataclass(frozen=True)
class InputSpec:
    """One named input of a model.

    Attributes:
        shape: without the batch dimension, for example (8, 8, 1).
        dtype: for example uint8.
        type: image, text, sensor, audio, video or vector; "" where the file does not say.
        sample_rate: samples a second of audio, or None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    type: str = ""
    sample_rate: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether it comes as text, whole or in tokens."""
        return self.type == "text" and self.dtype == np.uint8 and len(self.shape) in (1, 2)

    @property
    def may_be_shorter(self) -> bool:
        """Whether what is too short is followed by zeros, as it was when the model learned."""
        return self.type in ("audio", "sensor")

    @property
    def accepted(self) -> str:
        """What is accepted, in words: "uint8 (8, 8, 1)"."""
        if self.is_text and len(self.shape) == 1:
            return f"text, of which {self.shape[0]} bytes of UTF-8 count"
        if self.is_text:
            return f"a list of tokens, of which {self.shape[0]} count, and {self.shape[1]} bytes of UTF-8 of each"
        shape = f"{self.dtype} {_text(self.shape)}"
        if not self.may_be_shorter:
            return shape
        rate = f" at {self.sample_rate} samples a second" if self.sample_rate else ""
        return f"{shape}{rate}, or shorter"


@dataclass(frozen=True)
class Prepared:
    """Arrays by input name, and how many steps of the first input were given, where that is known."""

    arrays: dict[str, npt.NDArray[Any]]
    steps: int | None


def prepare(specs: dict[str, InputSpec], given: dict[str, Any]) -> Prepared:
    """Turn `given` into arrays of exactly the shape (1, *spec.shape) and the dtype that the model takes.

    An input of shape (H, W, C) may come as (1, H, W, C), as (H, W, C), and if C is 1 as (H, W). Text comes as a str, or
    as a list of them where the model takes tokens; what is too long is cut between two characters. Audio and sensor
    recordings may be shorter than the shape: zeros follow. Values are never scaled or rounded; a dtype is converted
    only when no value changes.

    Raises:
        InputError: a name is missing or unknown, or a shape, dtype or value does not fit.
    """
    if given.keys() != specs.keys():
        raise InputError(
            f"predict() got the inputs {_names(given)}; the model accepts exactly "
            f"{', '.join(f'{spec.name}: {spec.accepted}' for spec in specs.values())}"
        )
    prepared = [(name, *_prepare_one(spec, given[name])) for name, spec in specs.items()]
    return Prepared({name: array for name, array, _ in prepared}, prepared[0][2] if prepared else None)


def _prepare_one(spec: InputSpec, value: Any) -> tuple[npt.NDArray[Any], int | None]:
    """The array, and how many tokens or steps of a sensor were given, where that is known."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        value = value.tolist()
    if spec.is_text and not isinstance(value, np.ndarray):
        encoded = _encoded(spec, value)
        return encoded, min(len(value), spec.shape[0]) if len(spec.shape) == 2 else None
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"input {spec.name!r} is no array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"input {spec.name!r} has dtype {array.dtype} (from {type(value).__name__}); {spec.dtype} is accepted"
        )
    is_short = spec.type == "sensor" and 0 < array.ndim <= len(spec.shape) and len(array) < spec.shape[0]
    return _converted(spec, _reshaped(spec, _lengthened(spec, array))), len(array) if is_short else None


def _encoded(spec: InputSpec, value: Any) -> npt.NDArray[np.uint8]:
    """Text or tokens as bytes."""
    tokens = value if isinstance(value, list | tuple) else None
    try:
        if len(spec.shape) == 1 and isinstance(value, str):
            return encode_text(value, spec.shape[0])[np.newaxis]
        if len(spec.shape) == 2 and tokens is not None and all(isinstance(token, str) for token in tokens):
            return encode_tokens(tokens, (spec.shape[0], spec.shape[1]))[np.newaxis]
    except UnicodeEncodeError as error:
        raise InputError(f"input {spec.name!r} is no text that UTF-8 has: {error}") from error
    hint = ""
    if isinstance(value, str):
        hint = ", for example text.split()"
    elif tokens is not None and len(spec.shape) == 1:
        hint = ", for example ' '.join(tokens)"
    raise InputError(f"input {spec.name!r} is a {type(value).__name__}; {spec.accepted} is accepted{hint}")


def _lengthened(spec: InputSpec, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A recording that is too short, followed by zeros."""
    if not spec.may_be_shorter or array.ndim < 1 or not 0 < len(array) < spec.shape[0]:
        return array
    if array.shape[1:] not in (spec.shape[1:], *([()] if spec.shape[1:] == (1,) else [])):
        return array
    longer = np.zeros((spec.shape[0], *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def _reshaped(spec: InputSpec, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    accepted = [spec.shape, (1, *spec.shape)]
    if len(spec.shape) > 1 and spec.shape[-1] == 1:
        accepted.insert(0, spec.shape[:-1])
    if array.shape not in accepted:
        hint = ""
        if array.ndim == len(spec.shape) + 1 and array.shape[1:] == spec.shape:
            hint = ". predict() takes one example at a time"
        elif spec.may_be_shorter and array.ndim == len(spec.shape) and len(array) > spec.shape[0]:
            hint = f". Cut it first, for example {spec.name}[:{spec.shape[0]}]"
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
        how = "the model does its own normalisation"
        if spec.type == "audio":
            how = f"of samples from -1 to 1, ({spec.name} * 32767).round().astype('int16')"
        raise InputError(
            f"input {spec.name!r} has dtype {array.dtype} with values from {array.min():g} to {array.max():g}; "
            f"{_range(spec.dtype)} is accepted, so convert it first: {how}"
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
