from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.images import encode_png
from ml.features import FeatureSpec
from ml.features.raw import raw_values
from ml.features.text import cut_utf8
from ml.refusal import RefusedError

IMAGE = FeatureSpec(type="image", shape=(4, 5, 3))
VIDEO = FeatureSpec(name="clip", type="video", shape=(2, 4, 5, 1))
TEXT = FeatureSpec(name="text", type="text", shape=(6,))
TOKENS = FeatureSpec(name="words", type="text", shape=(3, 4))
AUDIO = FeatureSpec(name="sound", type="audio", shape=(400,), sample_rate=8000)
SENSOR = FeatureSpec(name="motion", type="sensor", shape=(3, 2))
VECTOR = FeatureSpec(name="values", type="vector", shape=(3,))


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_pixels_are_those_that_were_stored():
    image = pixels(4, 5, 3)
    np.testing.assert_array_equal(raw_values(encode_png(image), IMAGE), image)
    clip = pixels(2, 4, 5, 1)
    np.testing.assert_array_equal(raw_values([encode_png(frame) for frame in clip], VIDEO), clip)


def test_text_is_followed_by_zeros_and_cut_between_characters():
    assert raw_values(b"abc", TEXT).tolist() == [97, 98, 99, 0, 0, 0]
    assert bytes(raw_values("größer".encode(), TEXT)) == "größ".encode()
    assert bytes(raw_values("abcde€".encode(), TEXT)) == b"abcde\0"


def test_tokens_are_cut_each_and_those_too_many_left_out():
    values = raw_values([b"ab", "fünf".encode(), b"", b"gone"], TOKENS)
    assert [bytes(row).rstrip(b"\0") for row in values] == [b"ab", "fün".encode(), b""]
    assert raw_values([], TOKENS).tolist() == np.zeros((3, 4)).tolist()


def test_samples_and_numbers_keep_their_values():
    samples = np.arange(-200, 200, dtype="<i2")
    np.testing.assert_array_equal(raw_values(samples.tobytes(), AUDIO), samples)
    assert raw_values([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], SENSOR).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert raw_values([0.5, -1.0, 2.0], VECTOR).tolist() == [0.5, -1, 2]


@pytest.mark.parametrize(
    ("stored", "feature"),
    [
        (encode_png(pixels(4, 5, 3)), IMAGE),
        ([encode_png(pixels(4, 5, 1))] * 2, VIDEO),
        (b"abc", TEXT),
        ([b"abc"], TOKENS),
        (bytes(800), AUDIO),
        ([1.0] * 6, SENSOR),
        ([1.0] * 3, VECTOR),
    ],
)
def test_shape_and_dtype_are_those_of_the_feature(stored, feature):
    values = raw_values(stored, feature)
    assert (values.shape, values.dtype) == (feature.shape, np.dtype(feature.dtype))


@pytest.mark.parametrize(
    ("stored", "feature"),
    [
        (encode_png(pixels(4, 4, 3)), IMAGE),
        (b"no image", IMAGE),
        ([b"x"], IMAGE),
        ([encode_png(pixels(4, 5, 1))], VIDEO),
        (b"x", VIDEO),
        ([b"abc"], TEXT),
        (b"abc", TOKENS),
        ([1.0], TOKENS),
        (bytes(799), AUDIO),
        ([1.0] * 5, SENSOR),
        (b"abc", VECTOR),
    ],
)
def test_another_form_is_refused(stored, feature):
    with pytest.raises(RefusedError) as caught:
        raw_values(stored, feature)
    assert caught.value.code == "broken_example"


@given(st.text(max_size=12), st.integers(0, 20))
def test_cut_text_is_the_longest_beginning_of_whole_characters_that_fits(text, length):
    beginnings = [text[:count].encode() for count in range(len(text) + 1)]
    assert cut_utf8(text.encode(), length) == max((one for one in beginnings if len(one) <= length), key=len)
