"""From what a dataset keeps to what a model takes: pixels, samples, bytes and values, as a device gives them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ml.data.images import decode_png
from ml.features.spec import FeatureSpec, FeatureType
from ml.features.stored import Stored
from ml.features.text import read_text, read_tokens
from ml.refusal import RefusedError


def raw_values(stored: Stored, feature: FeatureSpec) -> npt.NDArray[np.generic]:
    """The raw input of a model for one example: `feature.shape` and `feature.dtype`.

    Text is cut between two characters and followed by zeros. Raises RefusedError `broken_example` if `stored` is not
    of the feature's form.
    """
    try:
        return _READERS[feature.type](stored, feature)
    except (TypeError, ValueError) as error:
        raise RefusedError(
            "broken_example",
            f"'{feature.name}' of an example is not stored as {feature.type}. Received: {error}. "
            f"Accepted: what gives the shape {list(feature.shape)}.",
        ) from None


def _image(stored: Stored, feature: FeatureSpec) -> npt.NDArray[np.generic]:
    height, width, channels = feature.shape
    return decode_png(_bytes(stored), (height, width, channels))


def _video(stored: Stored, feature: FeatureSpec) -> npt.NDArray[np.generic]:
    frames, height, width, channels = feature.shape
    pictures = _list_of_bytes(stored)
    if len(pictures) != frames:
        raise ValueError(f"{len(pictures)} frames")
    return np.stack([decode_png(picture, (height, width, channels)) for picture in pictures])


def _text(stored: Stored, feature: FeatureSpec) -> npt.NDArray[np.generic]:
    if feature.is_tokens:
        return read_tokens(_list_of_bytes(stored), feature)
    return read_text(_bytes(stored), feature)


def _audio(stored: Stored, feature: FeatureSpec) -> npt.NDArray[np.generic]:
    return np.frombuffer(_bytes(stored), "<i2").astype(np.int16).reshape(feature.shape)


def _numbers(stored: Stored, feature: FeatureSpec) -> npt.NDArray[np.generic]:
    if isinstance(stored, bytes):
        raise TypeError("bytes instead of numbers")
    return np.asarray(stored, np.float32).reshape(feature.shape)


_READERS: dict[FeatureType, Callable[[Stored, FeatureSpec], npt.NDArray[np.generic]]] = {
    "image": _image,
    "video": _video,
    "text": _text,
    "audio": _audio,
    "sensor": _numbers,
    "vector": _numbers,
}


def _bytes(stored: Stored) -> bytes:
    if not isinstance(stored, bytes):
        raise TypeError(f"a list of {len(stored)} instead of bytes")
    return stored


def _list_of_bytes(stored: Stored) -> list[bytes]:
    if isinstance(stored, bytes):
        raise TypeError("bytes instead of a list")
    found = [value for value in stored if isinstance(value, bytes)]
    if len(found) != len(stored):
        raise TypeError("numbers instead of bytes")
    return found
