"""Encoded images to arrays of pixels and back."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ml.refusal import RefusedError

MAX_PIXELS = 50_000_000
# The Exif orientations that exchange height and width.
_LYING = (5, 6, 7, 8)

Pixels = npt.NDArray[np.uint8]


class BrokenImageError(Exception):
    """The bytes are not an image that can be read; the message says why."""


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            # Pillow warns of a large image before it refuses a huge one; the limit here is our own.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BrokenImageError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS} are accepted")
                yield image
    except UnidentifiedImageError:
        raise BrokenImageError("it is not a PNG or JPEG image") from None
    except Image.DecompressionBombError:
        raise BrokenImageError(f"it has too many pixels; at most {MAX_PIXELS} are accepted") from None
    except BrokenImageError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged bytes.
        raise BrokenImageError(str(error) or type(error).__name__) from None


def inspect_image(data: bytes) -> tuple[int, int, int]:
    """(height, width, channels) of an image that decodes to its end, the right way up. Raises BrokenImageError."""
    with _opened(data) as image:
        image.load()
        height, width = image.height, image.width
        if image.getexif().get(ExifTags.Base.Orientation, 1) in _LYING:
            height, width = width, height
        return height, width, 1 if image.mode in ("1", "L", "LA") or image.mode.startswith("I") else 3


def decode_image(data: bytes, shape: tuple[int, int, int]) -> Pixels:
    """uint8 pixels of `shape` (height, width, channels): turned upright, made grey or RGB, and resized if need be.

    Transparency is dropped; 16-bit greys keep their high byte. Raises BrokenImageError.
    """
    height, width, channels = shape
    with _opened(data) as image:
        # Cameras store a picture as the sensor lay, and note which way is up.
        picture: Image.Image = ImageOps.exif_transpose(image)
        if picture.mode.startswith("I"):
            picture = Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
        picture = picture.convert("L" if channels == 1 else "RGB")
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture, np.uint8).reshape(shape)


def encode_png(pixels: Pixels) -> bytes:
    """A PNG of uint8 [height, width, 1 or 3]."""
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "PNG")
    return out.getvalue()


def decode_png(data: bytes, shape: tuple[int, int, int]) -> Pixels:
    """The exact pixels of a PNG of a dataset. Raises RefusedError `broken_example` if it has another shape."""
    try:
        with _opened(data) as image:
            pixels = np.asarray(image, np.uint8)
    except BrokenImageError as error:
        raise RefusedError("broken_example", f"An image of the dataset can't be read: {error}.") from None
    if pixels.size != shape[0] * shape[1] * shape[2] or pixels.shape[:2] != shape[:2]:
        raise RefusedError(
            "broken_example", f"An image of the dataset has another shape. Received: {pixels.shape}. Accepted: {shape}."
        )
    return pixels.reshape(shape)
