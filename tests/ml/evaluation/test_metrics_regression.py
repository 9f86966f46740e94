from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from ml.evaluation.metrics import accumulator_for
from ml.tasks import TaskSpec


def measured(outputs: np.ndarray, labels: np.ndarray, batch: int = 16) -> dict:
    metrics = accumulator_for(TaskSpec(type="regression", num_values=labels.shape[1]), [])
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        metrics.update(outputs[part], labels[part])
    return metrics.result()


def test_metrics_equal_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels = (generator.normal(size=(100, 3)) * [1, 10, 0.1] + [0, 5, -2]).astype(np.float32)
    outputs = (labels + generator.normal(size=labels.shape) * [0.5, 5, 0.2]).astype(np.float32)
    found = measured(outputs, labels)
    wide = labels.astype(float), outputs.astype(float)
    assert found["num_examples"] == 100
    assert found["mae"] == pytest.approx(mean_absolute_error(*wide))
    assert found["loss"] == pytest.approx(mean_squared_error(*wide))
    assert found["rmse"] == pytest.approx(mean_squared_error(*wide) ** 0.5)
    assert found["r2"] == pytest.approx(r2_score(*wide))
    mae = mean_absolute_error(*wide, multioutput="raw_values")
    mse = mean_squared_error(*wide, multioutput="raw_values")
    r2 = r2_score(*wide, multioutput="raw_values")
    assert r2.min() < 0 < r2.max()
    for index, value in enumerate(found["per_value"]):
        assert value == {
            "mae": pytest.approx(mae[index]),
            "rmse": pytest.approx(mse[index] ** 0.5),
            "r2": pytest.approx(r2[index]),
        }


def test_r2_holds_far_from_zero():
    """Sums of squares would have lost all digits: 10⁷ squared is 10¹⁴, beside a variance of 8."""
    labels = 1e7 + 4 * np.random.default_rng(1).integers(-1, 2, (3000, 1)).astype(np.float32)
    found = measured(labels + np.float32(1), labels)
    assert found["r2"] == pytest.approx(r2_score(labels.astype(float), labels.astype(float) + 1), rel=1e-9)


def test_r2_of_a_constant_is_undefined_whatever_rounding_does():
    labels = np.full((1000, 2), 0.1)
    assert labels[:7].mean(axis=0)[0] != 0.1
    labels[:, 1] = np.arange(1000)
    found = measured(labels, labels, batch=7)
    assert [value["r2"] for value in found["per_value"]] == [None, 1.0]
    assert found["r2"] == 1.0
    assert measured(labels[:, :1], labels[:, :1])["r2"] is None


def test_always_saying_the_mean_has_an_r2_of_zero():
    labels = np.array([[1.0], [2.0], [3.0]])
    assert measured(np.full((3, 1), 2.0), labels)["r2"] == 0.0
