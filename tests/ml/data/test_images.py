from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from ml.data.images import BrokenImageError, decode_image, decode_png, encode_png, inspect_image
from ml.refusal import RefusedError


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("I;16", 1), ("RGB", 3), ("RGBA", 3), ("P", 3)]
)
def test_shape_and_channels_of_each_mode(mode, channels):
    data = encoded(Image.new(mode, (5, 7)))
    assert inspect_image(data) == (7, 5, channels)
    assert decode_image(data, (7, 5, channels)).shape == (7, 5, channels)


def test_sixteen_bit_greys_keep_their_high_byte():
    data = encoded(Image.fromarray(np.array([[0x0000, 0x12FF], [0x8000, 0xFFFF]], np.uint16)))
    assert decode_image(data, (2, 2, 1)).ravel().tolist() == [0x00, 0x12, 0x80, 0xFF]


def test_png_keeps_every_pixel():
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (6, 9, channels), dtype=np.uint8)
        assert np.array_equal(decode_png(encode_png(pixels), (6, 9, channels)), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_the_way_that_the_camera_noted(orientation):
    upright = np.random.default_rng(0).integers(0, 256, (4, 6), dtype=np.uint8)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: np.rot90(upright.T, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(out, "PNG", exif=exif)
    assert inspect_image(out.getvalue()) == (4, 6, 1)
    assert np.array_equal(decode_image(out.getvalue(), (4, 6, 1))[:, :, 0], upright)


def test_another_size_is_resized():
    assert decode_image(encoded(Image.new("L", (20, 10), 77)), (8, 8, 1)).tolist() == np.full((8, 8, 1), 77).tolist()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_cut_off_image_is_broken(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    inspect_image(data)
    with pytest.raises(BrokenImageError, match="truncated"):
        inspect_image(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_other_bytes_are_broken(data):
    with pytest.raises(BrokenImageError):
        inspect_image(data)


def test_a_format_that_is_not_accepted_is_broken():
    with pytest.raises(BrokenImageError, match="not a PNG or JPEG"):
        inspect_image(encoded(Image.new("L", (4, 4)), "GIF"))


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_an_image_of_too_many_pixels_is_not_decoded(side):
    data = encoded(Image.new("1", (side, side)))
    with pytest.raises(BrokenImageError, match="pixels; at most 50000000 are accepted"):
        inspect_image(data)


def test_a_png_of_another_shape_is_refused():
    with pytest.raises(RefusedError, match="another shape"):
        decode_png(encode_png(np.zeros((4, 4, 1), np.uint8)), (8, 8, 1))
