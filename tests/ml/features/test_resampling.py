from __future__ import annotations

import math

import numpy as np
import pytest

from ml.features.resampling import ZERO_CROSSINGS, resample


def tone(frequency: float, rate: int, seconds: float = 0.25) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def slow(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """The interpolation formula, sample by sample."""
    cutoff = min(1.0, wanted / rate)
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    out = []
    for index in range(math.ceil(len(samples) * wanted / rate)):
        time = index * rate / wanted
        value = total = 0.0
        for place in range(math.floor(time) - reach + 1, math.floor(time) + reach + 1):
            distance = place - time
            weight = cutoff * np.sinc(cutoff * distance) * math.cos(math.pi / 2 * distance / reach) ** 2
            total += weight
            value += weight * (samples[place] if 0 <= place < len(samples) else 0.0)
        out.append(value / total)
    return np.array(out, np.float32)


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 11025), (22050, 8000), (3, 7)])
def test_it_is_the_formula(rate, wanted):
    samples = np.random.default_rng(0).normal(size=60).astype(np.float32)
    np.testing.assert_allclose(resample(samples, rate, wanted), slow(samples, rate, wanted), atol=1e-5)


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 16000), (48000, 16000), (44100, 16000), (16000, 22050)])
def test_a_tone_stays_the_same_tone(rate, wanted):
    found, expected = resample(tone(440, rate), rate, wanted), tone(440, wanted)
    assert len(found) == pytest.approx(len(expected), abs=1)
    inner = slice(100, min(len(found), len(expected)) - 100)
    np.testing.assert_allclose(found[inner], expected[inner], atol=2e-3)


def test_what_the_lower_rate_can_not_hold_is_not_aliased():
    assert np.abs(resample(tone(7000, 16000), 16000, 8000)[100:-100]).max() < 0.01


def test_the_first_samples_alone_are_the_same():
    samples = tone(300, 8000)
    whole = resample(samples, 8000, 16000)
    np.testing.assert_array_equal(resample(samples, 8000, 16000, length=50), whole[:50])
    assert len(resample(samples, 8000, 16000, length=10**6)) == len(whole)


def test_the_same_rate_changes_nothing():
    samples = tone(300, 8000)
    np.testing.assert_array_equal(resample(samples, 8000, 8000), samples)
    np.testing.assert_array_equal(resample(samples, 8000, 8000, length=9), samples[:9])
