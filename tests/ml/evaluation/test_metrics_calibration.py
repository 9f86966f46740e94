from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.metrics.calibration import Calibration


def slow_error(confidence: list[float], is_right: list[bool]) -> float:
    """Guo et al., 2017, eq. 3, sum by sum."""
    error = 0.0
    for number in range(1, 16):
        inside = [i for i, value in enumerate(confidence) if (number - 1) / 15 < value <= number / 15]
        if inside:
            accuracy = sum(is_right[i] for i in inside) / len(inside)
            mean = sum(confidence[i] for i in inside) / len(inside)
            error += len(inside) / len(confidence) * abs(accuracy - mean)
    return error


def test_the_error_equals_the_formula():
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.1, 1, 400)
    is_right = generator.random(400) < confidence**2
    calibration = Calibration()
    for start in range(0, 400, 150):
        calibration.add(confidence[start : start + 150], is_right[start : start + 150])
    found = calibration.result()
    assert found["ece"] == pytest.approx(slow_error(confidence.tolist(), is_right.tolist()))
    assert found["ece"] > 0.1
    third = (confidence > 9 / 15) & (confidence <= 10 / 15)
    assert found["bins"][9] == {
        "confidence": pytest.approx(confidence[third].mean()),
        "accuracy": pytest.approx(is_right[third].mean()),
        "count": third.sum(),
    }


def test_a_confidence_that_comes_true_has_no_error():
    calibration = Calibration()
    calibration.add(np.full(4, 0.75), np.array([True, True, True, False]))
    assert calibration.result()["ece"] == pytest.approx(0)


def test_the_ends_are_inside_and_empty_bins_undefined():
    calibration = Calibration()
    calibration.add(np.array([0.0, 1.0, 1.0000001], np.float32), np.array([False, True, False]))
    bins = calibration.result()["bins"]
    assert [each["count"] for each in bins] == [1, *[0] * 13, 2]
    assert bins[14]["accuracy"] == 0.5
    assert bins[1] == {"confidence": None, "accuracy": None, "count": 0}


def test_a_confidence_between_two_bins_is_in_the_lower_one():
    calibration = Calibration()
    calibration.add(np.array([0.2, 0.4, 0.6, 0.8]), np.array([True] * 4))
    assert [index for index, each in enumerate(calibration.result()["bins"]) if each["count"]] == [2, 5, 8, 11]


def test_nothing_has_no_error():
    assert Calibration().result()["ece"] is None
