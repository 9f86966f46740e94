"""Images: any PNG or JPEG, all brought to one size."""

from __future__ import annotations

from collections.abc import Iterable

from ml.data.images import BrokenImageError, decode_image, encode_png, inspect_image
from ml.features.reader import FeatureReader, Size, UnfitValueError, most_common
from ml.features.spec import FeatureSpec
from ml.features.stored import Stored
from ml.refusal import RefusedError

ACCEPTED = "PNG and JPEG"
MAX_SIDE = 4096


class ImageReader(FeatureReader[bytes]):
    """Values are encoded images. The size is the declared one, that asked for, or the most common."""

    noun = "images"

    def read(self, given: object) -> bytes:
        if not isinstance(given, bytes):
            raise UnfitValueError("broken_image", f"{type(given).__name__} instead of a file", ACCEPTED)
        return given

    def look(self, value: bytes) -> Size:
        return look_at_image(value)

    def content(self, value: bytes) -> Iterable[bytes]:
        return (value,)

    def choose(self) -> tuple[FeatureSpec, list[str]]:
        return choose_picture(self, ())

    def store(self, value: bytes, feature: FeatureSpec) -> Stored:
        return store_picture(value, feature)

    def preview(self, stored: Stored) -> bytes | None:
        return stored if isinstance(stored, bytes) else None


def look_at_image(value: bytes) -> tuple[int, int, int]:
    """(height, width, channels). Raises UnfitValueError `broken_image`."""
    try:
        return inspect_image(value)
    except BrokenImageError as error:
        raise UnfitValueError("broken_image", str(error), ACCEPTED) from None


def store_picture(value: bytes, feature: FeatureSpec) -> bytes:
    """A PNG of the last three sizes of the feature's shape. Raises UnfitValueError `broken_image`."""
    height, width, channels = feature.shape[-3:]
    try:
        return encode_png(decode_image(value, (height, width, channels)))
    except BrokenImageError as error:
        raise UnfitValueError("broken_image", str(error), ACCEPTED) from None


def choose_picture(
    reader: FeatureReader[bytes] | FeatureReader[list[bytes]], leading: Size
) -> tuple[FeatureSpec, list[str]]:
    """The feature whose shape is `leading` and the pictures' size, from sizes that end in height, width, channels.

    Raises RefusedError `invalid_shape`.
    """
    sides = reader.sizes.__class__()
    for size, count in reader.sizes.items():
        sides[size[-3:-1]] += count
    asked, declared = reader.asked, reader.source.shape
    if declared:
        height, width, channels = declared[-3:]
        _check_asked(reader, (height, width, channels))
    else:
        common = most_common(sides)
        height, width = asked.height or common[0], asked.width or common[1]
        channels = asked.channels or max(size[-1] for size in reader.sizes)
    if channels not in (1, 3) or not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise RefusedError(
            "invalid_shape",
            f"The {reader.noun} can't have this shape. Received: {height}x{width}x{channels}. "
            f"Accepted: height and width from 1 to {MAX_SIDE}, 1 or 3 channels.",
        )
    resized = sum(count for size, count in sides.items() if size != (height, width))
    warnings = []
    if resized:
        warnings.append(
            f"{resized} of {reader.count} {reader.noun} have another size and were resized to {height}x{width}"
        )
    return reader.make_spec((*leading, height, width, channels)), warnings


def _check_asked(reader: FeatureReader[bytes] | FeatureReader[list[bytes]], declared: tuple[int, int, int]) -> None:
    asked = (reader.asked.height, reader.asked.width, reader.asked.channels)
    for option, wanted, found in zip(("height", "width", "channels"), asked, declared, strict=True):
        if wanted not in (None, found):
            raise RefusedError(
                "invalid_shape",
                f"The spec gives '{reader.source.name}' another {option} than the option. "
                f"Received: {wanted}. Accepted: {found}, or the option left out.",
            )
