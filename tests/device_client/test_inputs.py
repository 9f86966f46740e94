from __future__ import annotations

import numpy as np
import pytest

from device_client import InputError
from device_client._inputs import InputSpec, prepare

IMAGE = {"image": InputSpec("image", (8, 8, 1), np.dtype(np.uint8))}
COLOR = {"image": InputSpec("image", (8, 6, 3), np.dtype(np.uint8))}
VECTOR = {"x": InputSpec("x", (4,), np.dtype(np.float32))}


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8, 1)])
def test_an_image_with_one_channel_comes_with_or_without_channel_and_batch(shape):
    pixels = np.arange(64, dtype=np.uint8)
    prepared = prepare(IMAGE, {"image": pixels.reshape(shape)})["image"]
    assert prepared.shape == (1, 8, 8, 1)
    assert prepared.dtype == np.uint8
    assert (prepared.ravel() == pixels).all()


@pytest.mark.parametrize("shape", [(8, 6, 3), (1, 8, 6, 3)])
def test_a_color_image_comes_with_or_without_batch(shape):
    assert prepare(COLOR, {"image": np.zeros(shape, np.uint8)})["image"].shape == (1, 8, 6, 3)


def test_lists_and_wider_integers_are_accepted_when_no_value_changes():
    assert prepare(IMAGE, {"image": [[255] * 8] * 8})["image"].dtype == np.uint8
    assert prepare(IMAGE, {"image": np.zeros((8, 8), bool)})["image"].dtype == np.uint8
    assert prepare(VECTOR, {"x": [1, 2, 3, 4]})["x"].dtype == np.float32


def test_an_array_that_is_not_contiguous_is_accepted():
    wide = np.arange(128, dtype=np.uint8).reshape(8, 16)
    assert (prepare(IMAGE, {"image": wide[:, ::2]})["image"].reshape(8, 8) == wide[:, ::2]).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"got the inputs \(none\); the model accepts exactly image: uint8 \(8, 8, 1\)"),
        ({"img": np.zeros((8, 8), np.uint8)}, r"got the inputs img; the model accepts exactly image: uint8"),
        ({"image": np.zeros((8, 8), np.uint8), "x": 1}, r"got the inputs image, x"),
        ({"image": np.zeros((28, 28), np.uint8)}, r"shape \(28, 28\); \(8, 8\) or \(8, 8, 1\) or \(1, 8, 8, 1\) is"),
        ({"image": np.zeros(64, np.uint8)}, r"shape \(64,\); \(8, 8\) or"),
        ({"image": np.zeros((5, 8, 8, 1), np.uint8)}, r"shape \(5, 8, 8, 1\).*one example at a time"),
        ({"image": 7}, r"shape \(\); \(8, 8\)"),
        (
            {"image": np.full((8, 8), 0.5)},
            r"dtype float64 with values from 0.5 to 0.5; uint8 from 0 to 255 is accepted",
        ),
        ({"image": np.full((8, 8), 256)}, r"values from 256 to 256; uint8 from 0 to 255 is accepted"),
        ({"image": np.full((8, 8), -1)}, r"values from -1 to -1"),
        ({"image": "digit.png"}, r"dtype <U9 \(from str\); uint8 is accepted"),
        ({"image": None}, r"dtype object \(from NoneType\)"),
        ({"image": [[1, 2], [3]]}, r"input 'image' is no array"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_received_and_what_is_accepted(given, message):
    with pytest.raises(InputError, match=message):
        prepare(IMAGE, given)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_values_that_float32_can_not_hold_are_refused(value):
    with pytest.raises(InputError, match="not finite in float32"):
        prepare(VECTOR, {"x": [0, 1, 2, value]})
    if value != 1e39:
        with pytest.raises(InputError, match="not finite in float32"):
            prepare(VECTOR, {"x": np.array([0, 1, 2, value], np.float32)})


def test_an_input_error_is_a_value_error():
    with pytest.raises(ValueError):
        prepare(IMAGE, {})
