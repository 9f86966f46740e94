from __future__ import annotations

from typing import Any

import pytest

from ml.specs import EarlyStopping

pytestmark = pytest.mark.engine


def cross_stopping(limit: float | None) -> Any:
    from ml.training.stopping import CrossStopping

    return CrossStopping(limit, ["a", "b"])


def values(a: float, b: float) -> dict[str, float]:
    return {"student:a/cross": a, "student:b/cross": b, "loss": 9.0}


def test_the_mean_of_a_window_of_100_steps_decides(tensorflow):
    stopping = cross_stopping(1.0)
    # The mean is weighted by the steps: (60 · 1.5 + 40 · 0.2) / 100 = 0.98.
    assert not stopping.is_reached(60, 60, values(1.5, 0.5))
    assert stopping.is_reached(100, 40, values(0.2, 0.5))
    assert not cross_stopping(0.97).is_reached(100, 100, values(0.98, 0.5))


def test_every_student_has_to_be_close(tensorflow):
    assert not cross_stopping(1.0).is_reached(100, 100, values(0.5, 1.5))
    assert not cross_stopping(None).is_reached(100, 100, values(0.0, 0.0))


def test_each_window_counts_for_itself(tensorflow):
    stopping = cross_stopping(1.0)
    assert not stopping.is_reached(100, 100, values(50.0, 50.0))
    assert not stopping.is_reached(150, 50, values(0.5, 0.5))
    assert stopping.is_reached(200, 50, values(0.5, 0.5))


def test_a_window_goes_on_in_a_resumed_run(tensorflow, tmp_path):
    stopping, resumed = cross_stopping(1.0), cross_stopping(1.0)
    stopping.is_reached(60, 60, values(2.0, 0.0))
    path = tensorflow.train.Checkpoint(stopping=stopping).write(str(tmp_path / "state"))
    tensorflow.train.Checkpoint(stopping=resumed).read(path).assert_consumed()
    assert not resumed.is_reached(100, 40, values(0.0, 0.0))
    assert cross_stopping(1.0).is_reached(100, 40, values(0.0, 0.0))


class Best:
    """Notes when the best weights are kept."""

    def __init__(self) -> None:
        self.saved = 0

    def save(self, checkpoint_number: int) -> None:
        self.saved += 1


def judged(
    seen: list[float], *, name: str = "loss", larger_is_better: bool = True, **declared: Any
) -> tuple[list[bool], int]:
    """What is said of each evaluation, and how often the weights were kept."""
    from ml.training.stopping import ValidationStopping

    best = Best()
    metric = "accuracy" if name == "loss" else name
    stopping = ValidationStopping(
        EarlyStopping(**declared), students=["a"], metric=metric, larger_is_better=larger_is_better, best=best
    )
    return [stopping.is_reached({f"validation/student:a/{name}": value}) for value in seen], best.saved


def test_it_ends_after_as_many_evaluations_without_a_better_one(tensorflow):
    assert judged([3.0, 2.0, 2.5, 2.0], patience=2) == ([False, False, False, True], 2)
    assert judged([3.0, 4.0, 2.0, 5.0, 1.9], patience=2) == ([False] * 5, 3)
    assert judged([3.0, 4.0], patience=1) == ([False, True], 1)
    assert judged([3.0, 4.0, 5.0]) == ([False] * 3, 0)


def test_what_is_better_depends_on_the_metric(tensorflow):
    by_metric: dict[str, Any] = {"patience": 1, "metric": "accuracy"}
    assert judged([0.5, 0.6, 0.4], name="accuracy", **by_metric) == ([False, False, True], 2)
    # Of a regression the metric is an error, which is to be small.
    assert judged([0.5, 0.4, 0.6], name="mae", larger_is_better=False, **by_metric) == ([False, False, True], 2)
    # So is every loss.
    assert judged([0.5, 0.4, 0.6], patience=1) == ([False, False, True], 2)


def test_a_change_that_is_too_small_is_none(tensorflow):
    assert judged([3.0, 2.95, 2.85], patience=2, min_delta=0.1) == ([False, False, False], 2)
    assert judged([3.0, 2.95, 2.92], patience=2, min_delta=0.1) == ([False, False, True], 1)


def test_the_mean_over_the_students_is_judged_and_nothing_without_validation(tensorflow):
    from ml.training.stopping import ValidationStopping

    stopping = ValidationStopping(
        EarlyStopping(patience=1), students=["a", "b"], metric="accuracy", larger_is_better=True, best=Best()
    )
    loss = "validation/student:{}/loss"
    assert not stopping.is_reached({"loss": 1.0})
    assert not stopping.is_reached({loss.format("a"): 1.0, loss.format("b"): 3.0})
    assert not stopping.is_reached({loss.format("a"): 0.5, loss.format("b"): 3.4})
    assert stopping.is_reached({loss.format("a"): 0.1, loss.format("b"): 3.9})
