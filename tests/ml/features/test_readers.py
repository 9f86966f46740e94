from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ml.features import FeatureSpec
from ml.features.raw import raw_values
from ml.features.reader import AskedSize, UnfitValueError
from ml.features.readers import make_reader
from ml.features.source import FeatureSource
from ml.features.video import frame_places
from ml.features.wav import write_wav
from ml.refusal import RefusedError


def png(height: int, width: int, value: int = 7, mode: str = "L") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), value).save(out, "PNG")
    return out.getvalue()


def wav(samples: list[int], rate: int = 8000) -> bytes:
    return write_wav(np.array(samples, "<i2").tobytes(), rate)


def taken_in(source: dict, given: list, *, is_sequence: bool = False, **asked: int):
    """Feature, warnings and raw values of all that is given."""
    reader = make_reader(FeatureSource(**source), is_sequence=is_sequence, asked=AskedSize(**asked))
    values = [reader.read(one) for one in given]
    for value in values:
        reader.sizes[reader.look(value)] += 1
    feature, warnings = reader.choose()
    return feature, warnings, [raw_values(reader.store(value, feature), feature) for value in values]


def refusal_of(source: dict, *given, **options) -> UnfitValueError:
    with pytest.raises(UnfitValueError) as caught:
        taken_in(source, list(given), **options)
    return caught.value


def test_every_field_of_a_feature_can_be_declared():
    assert set(FeatureSource.model_fields) == set(FeatureSpec.model_fields) | {"columns"}


def test_images_get_the_most_common_size():
    feature, warnings, values = taken_in({}, [png(4, 6), png(4, 6), png(8, 8)])
    assert feature.shape == (4, 6, 1)
    assert warnings == ["1 of 3 images have another size and were resized to 4x6"]
    assert [value.tolist() for value in values] == [np.full((4, 6, 1), 7).tolist()] * 3


def test_the_size_of_images_can_be_declared_or_asked_for():
    assert taken_in({"shape": (5, 3, 3)}, [png(4, 6)])[0].shape == (5, 3, 3)
    assert taken_in({}, [png(4, 6)], height=9, channels=3)[0].shape == (9, 6, 3)
    with pytest.raises(RefusedError, match=r"another height than the option\. Received: 9\. Accepted: 5") as caught:
        taken_in({"shape": (5, 3, 3)}, [png(4, 6)], height=9)
    assert caught.value.code == "invalid_shape"
    with pytest.raises(RefusedError, match="Received: 5000x6x1"):
        taken_in({}, [png(4, 6)], height=5000)
    with pytest.raises(RefusedError, match="too large"):
        taken_in({}, [png(4, 6)], height=4096, width=4096, channels=3)


def test_videos_get_the_most_common_size_and_number_of_frames():
    three = [png(4, 4, value) for value in (10, 20, 30)]
    feature, warnings, values = taken_in({"name": "clip", "type": "video"}, [three, three, three[:1]])
    assert feature.shape == (3, 4, 4, 1)
    assert warnings == ["1 of 3 videos have another number of frames; 3 were taken at equal distances"]
    assert [frame[0, 0, 0] for frame in values[0]] == [10, 20, 30]
    assert [frame[0, 0, 0] for frame in values[2]] == [10, 10, 10]


@pytest.mark.parametrize(
    ("found", "wanted", "places"),
    [(3, 3, [0, 1, 2]), (6, 3, [1, 3, 5]), (2, 4, [0, 0, 1, 1]), (1, 2, [0, 0]), (5, 1, [2])],
)
def test_frames_are_taken_at_equal_distances(found, wanted, places):
    assert frame_places(found, wanted) == places


def test_sounds_get_the_most_common_rate_and_a_length_that_most_fit_in():
    given = [wav([100] * 800)] * 19 + [wav([100] * 8000)]
    feature, warnings, values = taken_in({"name": "sound", "type": "audio"}, given)
    assert (feature.shape, feature.sample_rate) == ((800,), 8000)
    assert warnings == ["1 of 20 recordings are longer than 800 samples and lose their end"]
    assert values[19].tolist() == [100] * 800


def test_sounds_are_resampled_cut_and_followed_by_silence():
    source = {"name": "sound", "type": "audio", "shape": (600,), "sample_rate": 8000}
    feature, warnings, values = taken_in(source, [wav([1000] * 400), wav([1000] * 800, 16000), wav(list(range(700)))])
    assert feature.shape == (600,)
    assert warnings == [
        "1 of 3 recordings have another sample rate and were resampled to 8000",
        "1 of 3 recordings are longer than 600 samples and lose their end",
    ]
    assert values[0].tolist() == [1000] * 400 + [0] * 200
    assert values[1][100:300].tolist() == [1000] * 200
    assert values[1][400:].tolist() == [0] * 200
    assert values[2].tolist() == list(range(600))


def test_a_sound_shorter_than_a_window_is_refused():
    with pytest.raises(RefusedError, match="window longer than the sound") as caught:
        taken_in({"name": "sound", "type": "audio"}, [wav([1] * 50)])
    assert caught.value.code == "invalid_shape"


def test_loud_floats_are_clipped():
    loud = np.array([2.0, -2.0] + [0.0] * 400, "<f4").tobytes()
    header = write_wav(b"", 8000)[:20] + bytes([3, 0, 1, 0]) + b"\x40\x1f\0\0" + b"\0\x7d\0\0" + bytes([4, 0, 32, 0])
    given = header + b"data" + len(loud).to_bytes(4, "little") + loud
    assert taken_in({"name": "sound", "type": "audio"}, [given])[2][0][:3].tolist() == [32767, -32768, 0]


def test_text_has_128_bytes_unless_another_length_is_declared():
    feature, warnings, values = taken_in({"name": "text", "type": "text"}, ["größe", "x" * 200])
    assert feature.shape == (128,)
    assert warnings == ["1 of 2 texts of 'text' are longer than 128 bytes and lose their end"]
    assert bytes(values[0]).rstrip(b"\0").decode() == "größe"
    assert taken_in({"name": "text", "type": "text", "shape": (9,)}, ["a"])[0].shape == (9,)


def test_text_with_a_label_for_each_step_comes_in_tokens():
    given = ["play some jazz", '["New York", "now"]', ["a", "b", "c"], "[odd bracket"]
    feature, warnings, values = taken_in({"name": "text", "type": "text"}, given, is_sequence=True)
    assert (feature.shape, warnings) == ((3, 16), [])
    texts = [[bytes(token).rstrip(b"\0") for token in value] for value in values]
    assert texts[0] == [b"play", b"some", b"jazz"]
    assert texts[1] == [b"New York", b"now", b""]
    assert texts[3] == [b"[odd", b"bracket", b""]


def test_tokens_that_do_not_fit_are_told():
    source = {"name": "text", "type": "text", "shape": (2, 3)}
    assert taken_in(source, ["a b c", "long", "ab c"])[1] == [
        "1 of 3 texts of 'text' are longer than 2 tokens and lose their end",
        "1 of 3 texts of 'text' have tokens longer than 3 bytes, which lose their end",
    ]


def test_vectors_come_as_cells_lists_or_text():
    given = [["1", "2.5", "-3e2"], [1, 2.5, -300], "[1, 2.5, -300]", "1 2.5 -300"]
    feature, _, values = taken_in({"name": "x", "type": "vector"}, given)
    assert feature.shape == (3,)
    assert [value.tolist() for value in values] == [[1, 2.5, -300]] * 4
    assert taken_in({"name": "x", "type": "vector"}, ["7"])[2][0].tolist() == [7]


def test_sensors_come_as_steps_flat_or_from_a_file():
    given = [[[1, 2], [3, 4]], "[[1, 2], [3, 4]]", b"left,right\n1,2\n\n3,4\n", b"\xef\xbb\xbf1,2\n3,4"]
    feature, _, values = taken_in({"name": "motion", "type": "sensor"}, given)
    assert feature.shape == (2, 2)
    assert [value.tolist() for value in values] == [[[1, 2], [3, 4]]] * 4
    flat = taken_in({"name": "motion", "type": "sensor", "shape": (3, 2)}, [["1", "2", "3", "4"]])
    assert flat[2][0].tolist() == [[1, 2], [3, 4], [0, 0]]
    assert taken_in({"name": "motion", "type": "sensor"}, [[1, 2, 3]])[0].shape == (3, 1)


def test_sensor_steps_beyond_the_shape_are_cut_and_told():
    source = {"name": "motion", "type": "sensor", "shape": (1, 2)}
    _, warnings, values = taken_in(source, [[[1, 2], [3, 4]]])
    assert values[0].tolist() == [[1, 2]]
    assert warnings == ["1 of 1 recordings of 'motion' are longer than 1 steps and lose their end"]


@pytest.mark.parametrize(
    ("source", "given", "code", "reason"),
    [
        ({"type": "image"}, [b"no image"], "broken_image", "not a PNG or JPEG"),
        ({"type": "image"}, ["a path"], "broken_image", "str instead of a file"),
        ({"type": "video"}, [[]], "broken_image", "no frames"),
        ({"type": "video"}, [[b"x"]], "broken_image", "not a PNG or JPEG"),
        ({"type": "video"}, [b"x"], "broken_image", "bytes instead of frames"),
        ({"type": "audio"}, [b"x"], "broken_audio", "not a WAV file"),
        ({"type": "audio"}, [5], "broken_audio", "int instead of a file"),
        ({"type": "text"}, [5], "invalid_text", "5"),
        ({"type": "text"}, ["\ud800"], "invalid_utf8", "surrogates"),
        ({"type": "text"}, [b"\xff"], "invalid_utf8", "0xff"),
        ({"type": "text", "shape": (2, 2)}, [5], "invalid_text", "5"),
        ({"type": "text", "shape": (2, 2)}, [["a", 5]], "invalid_text", "5"),
        ({"type": "vector"}, [["1", "two"]], "not_a_number", "'two'"),
        ({"type": "vector"}, ["[1, 2"], "not_a_number", "[1, 2"),
        ({"type": "vector"}, ["[[1], [2]]"], "not_a_number", "[1]"),
        ({"type": "vector"}, [{}], "not_a_number", "{}"),
        ({"type": "vector"}, [["1", "nan"]], "bad_values", "'nan' in value 2 of 2"),
        ({"type": "vector"}, [["", "1"]], "bad_values", "nothing in value 1 of 2"),
        ({"type": "vector"}, [[1, None]], "bad_values", "nothing in value 2 of 2"),
        ({"type": "vector"}, [[1e39]], "bad_values", "1e+39 in value 1 of 1"),
        ({"type": "vector"}, [[10**400]], "not_a_number", "1000"),
        ({"type": "vector"}, [[1, 2], [1, 2], [1]], "wrong_length", "1 values"),
        ({"type": "vector", "shape": (3,)}, [[1, 2]], "wrong_length", "2 values"),
        ({"type": "sensor"}, [[]], "not_a_number", "[]"),
        ({"type": "sensor"}, [[[1, 2], [3]]], "wrong_length", "steps of 1, 2 values"),
        ({"type": "sensor"}, [[[1, 2], 3]], "wrong_length", "steps of 0, 2 values"),
        ({"type": "sensor"}, [[[1, 2]], [[1]]], "wrong_length", "1 channels"),
        ({"type": "sensor", "shape": (2, 2)}, [[1, 2, 3]], "wrong_length", "3 numbers"),
        ({"type": "sensor"}, [[[1, float("inf")]]], "bad_values", "inf in value 2 of 2"),
        ({"type": "sensor"}, [b"a,b\n"], "wrong_length", "without numbers"),
        ({"type": "sensor"}, [b"\xff"], "invalid_utf8", "byte 0"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(source, given, code, reason):
    error = refusal_of({"name": "x", **source}, *given)
    assert error.code == code
    assert reason in error.reason


def test_a_sound_that_is_not_finite_is_a_bad_value():
    samples = np.array([0.0, np.nan, 0.0], "<f4").tobytes()
    header = write_wav(b"", 8000)[:20] + bytes([3, 0, 1, 0]) + b"\x40\x1f\0\0" + b"\0\x7d\0\0" + bytes([4, 0, 32, 0])
    error = refusal_of({"name": "x", "type": "audio"}, header + b"data" + (12).to_bytes(4, "little") + samples)
    assert (error.code, error.reason) == ("bad_values", "nan in sample 2")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "image", "shape": [3, 3]}, "not that of image"),
        ({"type": "text", "sample_rate": 8000}, "audio only"),
        ({"type": "text", "columns": ["a", "b"]}, "too many for text"),
        ({"type": "audio", "shape": [10], "sample_rate": 8000}, "window longer than the sound"),
        ({"type": "text", "bytes": 5}, "Extra inputs"),
    ],
)
def test_a_feature_that_can_not_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        FeatureSource(name="x", **fields)
