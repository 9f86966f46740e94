from __future__ import annotations

import numpy as np
import pytest

from device_client import InputError
from device_client._inputs import InputSpec, prepare

IMAGE = {"image": InputSpec("image", (8, 8, 1), np.dtype(np.uint8), "image")}
COLOR = {"image": InputSpec("image", (8, 6, 3), np.dtype(np.uint8))}
VECTOR = {"x": InputSpec("x", (4,), np.dtype(np.float32))}
TEXT = {"text": InputSpec("text", (8,), np.dtype(np.uint8), "text")}
TOKENS = {"tokens": InputSpec("tokens", (3, 4), np.dtype(np.uint8), "text")}
AUDIO = {"sound": InputSpec("sound", (6,), np.dtype(np.int16), "audio", 8000)}
SENSOR = {"motion": InputSpec("motion", (4, 2), np.dtype(np.float32), "sensor")}
VIDEO = {"clip": InputSpec("clip", (2, 3, 4, 1), np.dtype(np.uint8), "video")}


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8, 1)])
def test_an_image_with_one_channel_comes_with_or_without_channel_and_batch(shape):
    pixels = np.arange(64, dtype=np.uint8)
    prepared = prepare(IMAGE, {"image": pixels.reshape(shape)}).arrays["image"]
    assert prepared.shape == (1, 8, 8, 1)
    assert prepared.dtype == np.uint8
    assert (prepared.ravel() == pixels).all()


@pytest.mark.parametrize("shape", [(8, 6, 3), (1, 8, 6, 3)])
def test_a_color_image_comes_with_or_without_batch(shape):
    assert prepare(COLOR, {"image": np.zeros(shape, np.uint8)}).arrays["image"].shape == (1, 8, 6, 3)


def test_lists_and_wider_integers_are_accepted_when_no_value_changes():
    assert prepare(IMAGE, {"image": [[255] * 8] * 8}).arrays["image"].dtype == np.uint8
    assert prepare(IMAGE, {"image": np.zeros((8, 8), bool)}).arrays["image"].dtype == np.uint8
    assert prepare(VECTOR, {"x": [1, 2, 3, 4]}).arrays["x"].dtype == np.float32


def test_an_array_that_is_not_contiguous_is_accepted():
    wide = np.arange(128, dtype=np.uint8).reshape(8, 16)
    assert (prepare(IMAGE, {"image": wide[:, ::2]}).arrays["image"].reshape(8, 8) == wide[:, ::2]).all()


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


@pytest.mark.parametrize(
    ("specs", "accepted"),
    [
        (IMAGE, "uint8 (8, 8, 1)"),
        (TEXT, "text, of which 8 bytes of UTF-8 count"),
        (TOKENS, "a list of tokens, of which 3 count, and 4 bytes of UTF-8 of each"),
        (AUDIO, "int16 (6,) at 8000 samples a second, or shorter"),
        (SENSOR, "float32 (4, 2), or shorter"),
        (VIDEO, "uint8 (2, 3, 4, 1)"),
    ],
)
def test_every_kind_of_input_says_what_it_accepts(specs, accepted):
    assert [spec.accepted for spec in specs.values()] == [accepted]


def test_text_becomes_bytes_with_zeros_after_the_end():
    prepared = prepare(TEXT, {"text": "héy"})
    assert prepared.arrays["text"].tolist() == [[*"héy".encode(), 0, 0, 0, 0]]
    assert prepared.arrays["text"].dtype == np.uint8
    assert prepare(TEXT, {"text": np.zeros(8, np.uint8)}).arrays["text"].shape == (1, 8)


@pytest.mark.parametrize("tokens", [["a", "über"], ("a", "über"), np.array(["a", "über"])])
def test_tokens_become_rows_of_bytes_and_are_counted(tokens):
    prepared = prepare(TOKENS, {"tokens": tokens})
    assert prepared.arrays["tokens"].tolist() == [[[97, 0, 0, 0], [0xC3, 0xBC, 98, 101], [0, 0, 0, 0]]]
    assert prepared.steps == 2
    assert prepare(TOKENS, {"tokens": []}).steps == 0
    assert prepare(TOKENS, {"tokens": list("abcde")}).steps == 3


def test_a_recording_that_is_too_short_is_followed_by_zeros():
    sound = prepare(AUDIO, {"sound": np.array([1, -2, 300], np.int16)}).arrays["sound"]
    assert sound.tolist() == [[1, -2, 300, 0, 0, 0]]
    assert sound.dtype == np.int16
    assert prepare(AUDIO, {"sound": [1, 2, 3, 4, 5, 6]}).arrays["sound"].tolist() == [[1, 2, 3, 4, 5, 6]]
    motion = prepare(SENSOR, {"motion": [[1, 2], [3, 4]]})
    assert motion.arrays["motion"].tolist() == [[[1, 2], [3, 4], [0, 0], [0, 0]]]
    assert motion.steps == 2
    assert prepare(SENSOR, {"motion": np.zeros((1, 4, 2))}).steps is None
    one = {"x": InputSpec("x", (3, 1), np.dtype(np.float32), "sensor")}
    assert prepare(one, {"x": [0.5]}).arrays["x"].tolist() == [[[0.5], [0], [0]]]


def test_a_video_comes_with_or_without_channel():
    assert prepare(VIDEO, {"clip": np.zeros((2, 3, 4), np.uint8)}).arrays["clip"].shape == (1, 2, 3, 4, 1)


@pytest.mark.parametrize(
    ("specs", "value", "message"),
    [
        (TEXT, 7, "is a int; text, of which 8 bytes of UTF-8 count is accepted"),
        (TEXT, b"bytes", "is a bytes; text"),
        (TEXT, ["a", "b"], r"is a list; text, .* for example ' '.join\(tokens\)"),
        (TEXT, "\ud800", "is no text that UTF-8 has"),
        (TEXT, np.zeros(7, np.uint8), r"shape \(7,\); \(8,\)"),
        (TOKENS, "a b", r"is a str; a list of tokens.* for example text.split\(\)"),
        (TOKENS, ["a", 7], "is a list; a list of tokens"),
        (TOKENS, ["\udfff"], "is no text that UTF-8 has"),
        (AUDIO, np.array([0.5, -0.25], np.float32), r"\(sound \* 32767\).round\(\).astype\('int16'\)"),
        (AUDIO, np.zeros(7, np.int16), r"shape \(7,\).*Cut it first, for example sound\[:6\]"),
        (AUDIO, np.zeros(0, np.int16), r"shape \(0,\)"),
        (AUDIO, np.zeros((2, 3), np.int16), r"shape \(2, 3\)"),
        (AUDIO, [40000], "values from 0 to 40000; int16 from -32768 to 32767"),
        (SENSOR, np.zeros((2, 3)), r"shape \(2, 3\); \(4, 2\)"),
        (SENSOR, np.zeros((5, 2)), r"Cut it first, for example motion\[:4\]"),
        (SENSOR, [[1, 2], [3]], "is no array"),
        (SENSOR, [[1, float("nan")]], "not finite in float32"),
    ],
)
def test_what_no_kind_of_input_accepts_is_refused_with_what_to_do(specs, value, message):
    with pytest.raises(InputError, match=message):
        prepare(specs, {next(iter(specs)): value})


def test_the_steps_are_those_of_the_first_input():
    both = {**SENSOR, **TOKENS}
    given = {"tokens": ["a"], "motion": [[1, 2], [3, 4], [5, 6]]}
    assert prepare(both, given).steps == 3
    assert prepare({**TEXT, **SENSOR}, {"text": "a", "motion": [[1, 2]]}).steps is None
