from __future__ import annotations

import numpy as np
import pytest

from ml.features import FeatureSpec, Spectrogram

pytestmark = pytest.mark.engine


def sound(samples: int, rate: int, window_ms: float, hop_ms: float, bands: int) -> FeatureSpec:
    spectrogram = Spectrogram(window_ms=window_ms, hop_ms=hop_ms, bands=bands)
    return FeatureSpec(name="sound", type="audio", shape=(samples,), sample_rate=rate, spectrogram=spectrogram)


CASES = [
    sound(8000, 8000, 32, 16, 40),  # as spoken digits: a power of two, half overlapping
    sound(4000, 16000, 25, 10, 24),  # padded to 512, two and a half hops long
    sound(999, 8000, 20, 30, 8),  # with gaps between frames
    sound(300, 8000, 32, 32, 10),  # a single frame and a rest
]


def noisy_tones(samples: int, rate: int) -> np.ndarray:
    """int16 [3, samples]: a rising tone with noise, near full scale noise, silence."""
    generator = np.random.default_rng(0)
    time = np.arange(samples) / rate
    tone = 9000 * np.sin(2 * np.pi * (200 + 900 * time) * time) + generator.normal(0, 30, samples)
    loud = generator.integers(-32768, 32768, samples)
    return np.stack([tone, loud, np.zeros(samples)]).astype(np.int16)


def slow_log_mel(samples: np.ndarray, feature: FeatureSpec) -> np.ndarray:
    """One sound in double precision: each frame by itself, each filter as a triangle over mel."""
    length, step = feature.frame_length, feature.frame_step
    size = 2
    while size < length:
        size *= 2

    def mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)

    rate = feature.sample_rate or 0
    edges = np.linspace(mel(20.0), mel(rate / 2), feature.spectrogram.bands + 2)
    at = mel(np.arange(size // 2 + 1) * rate / size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    rows = []
    for start in range(0, len(samples) - length + 1, step):
        power = np.abs(np.fft.rfft(samples[start : start + length] / 32768 * window, size)) ** 2
        bands = []
        for low, middle, high in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
            triangle = np.minimum((at - low) / (middle - low), (high - at) / (high - middle))
            bands.append(np.sum(np.maximum(triangle, 0) * power))
        rows.append(np.log(np.array(bands) + 1e-6))
    return np.array(rows)


@pytest.mark.parametrize("feature", CASES)
def test_values_equal_the_reference(tensorflow, feature):
    from ml.layers.log_mel import LogMel

    layer = LogMel(feature, name="sound_log_mel")
    samples = noisy_tones(feature.shape[0], feature.sample_rate or 0)
    found = layer(samples).numpy()
    frames = 1 + (feature.shape[0] - feature.frame_length) // feature.frame_step
    assert found.shape == (3, frames, feature.spectrogram.bands) == layer.compute_output_shape((3, *feature.shape))
    for row in range(3):
        np.testing.assert_allclose(found[row], slow_log_mel(samples[row], feature), atol=2e-3)


def test_filters_are_those_of_tensorflow_over_the_same_edges(tensorflow):
    from ml.layers.log_mel import LogMel

    feature = CASES[0]
    frequencies = np.eye(129, dtype=np.float32)[:, np.newaxis]
    found = LogMel(feature).filtered(tensorflow.constant(frequencies)).numpy()[:, 0]
    expected = tensorflow.signal.linear_to_mel_weight_matrix(40, 129, 8000, 20.0, 4000.0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("feature", CASES[:3])
def test_litert_gives_the_same_values_from_a_small_file(tensorflow, in_litert, feature):
    from ml.layers.log_mel import LogMel

    layer = LogMel(feature)
    samples = noisy_tones(feature.shape[0], feature.sample_rate or 0)
    runtime = in_litert(layer, feature.shape, dtype="int16")
    np.testing.assert_allclose([runtime(one) for one in samples], layer(samples).numpy(), atol=1e-3)
    assert "RFFT2D" in runtime.operators
    assert len(runtime.content) < 14_000


def test_a_saved_layer_gives_the_same_values(tensorflow):
    from ml.layers.log_mel import LogMel

    layer = LogMel(CASES[1])
    again = LogMel.from_config(layer.get_config())
    assert again.feature == CASES[1]
    samples = noisy_tones(4000, 16000)
    assert np.array_equal(layer(samples), again(samples))


def test_a_sound_shorter_than_a_frame_is_refused(tensorflow):
    from ml.layers.log_mel import LogMel

    with pytest.raises(ValueError, match=r"Received: 100 samples\. Accepted: at least 256"):
        LogMel(CASES[0])(np.zeros((1, 100), np.int16))
