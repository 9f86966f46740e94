"""From times to speeds, and from speeds to times."""

from __future__ import annotations

import pytest

from ml.evaluation.runtime import Runtime
from ml.profiling.device_profile import REQUIRED, Speed
from ml.profiling.latency import latency_for, predicted_ms
from ml.profiling.measuring import fitted, measure_profile, millions_of
from ml.profiling.reference_models import Reference, reference_model
from tests.ml.conftest import quiet_reporter
from tests.ml.profiling.profiles import plain_profile

SHAPES = [((1, 28, 28, 4), 3), ((1, 14, 14, 16), 1), ((1, 7, 7, 24), 3), ((1, 7, 7, 64), 1), ((1, 100, 1, 5), 3)]


@pytest.mark.parametrize("true", [(0.002, 0.01, 8), (0.0, 0.005, 32), (0.05, 0.0001, 1)])
def test_a_speed_is_found_from_its_times(true):
    speed = Speed(overhead_ms=true[0], ms_per_million=true[1], tile=true[2])
    references = [Reference("convolution", shape, kernel) for shape, kernel in SHAPES]
    times = [speed.overhead_ms + speed.ms_per_million * millions_of(one, speed) for one in references]
    found = fitted(references, times)
    assert (found.overhead_ms, found.ms_per_million) == pytest.approx(true[:2], abs=1e-9)
    assert found.tile == true[2]
    assert found.error == pytest.approx(0.0, abs=1e-6)


def test_times_that_fall_with_the_work_give_no_negative_speed():
    references = [Reference("dense", (1, width)) for width in (16, 32, 64)]
    found = fitted(references, [3.0, 2.0, 1.0])
    assert found.overhead_ms > 1
    assert found.ms_per_million >= 0
    assert found.error > 0.2


@pytest.fixture(scope="module")
def this_machine():
    return measure_profile(quiet_reporter(), name="here")


def test_this_machine_has_a_speed_for_everything(this_machine):
    assert this_machine.name == "here"
    assert "ai-edge-litert" in this_machine.runtime
    assert set(REQUIRED) <= set(this_machine.speeds)
    for speed in this_machine.speeds.values():
        assert speed.overhead_ms + speed.ms_per_million > 0


@pytest.mark.parametrize(
    "reference",
    [
        Reference("convolution", (1, 24, 24, 12), 3, repeats=12),
        Reference("depthwise", (1, 32, 32, 24), 3, repeats=12),
        Reference("dense", (1, 384), repeats=12),
    ],
)
def test_a_model_takes_about_as_long_as_predicted(this_machine, tmp_path, reference):
    """Other sizes than those that were measured. Within a third; the test leaves room for a busy machine."""
    path = tmp_path / "model.tflite"
    path.write_bytes(reference_model(reference))
    assert predicted_ms(path, this_machine) == pytest.approx(Runtime(path).latency()["p50"], rel=2.0)
    assert predicted_ms(path, this_machine) > 0.25 * Runtime(path).latency()["p50"]


def test_without_a_profile_latency_is_what_the_clock_says(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(reference_model(Reference("dense", (1, 64), repeats=3)))
    plain = plain_profile()
    layer = 0.0001 + 0.03 * 2 * 64 * 64 / 1e6
    assert latency_for(path, plain) == pytest.approx(0.001 + 3 * layer)
    assert latency_for(path, plain_profile(factor=10)) == pytest.approx(10 * latency_for(path, plain))
    assert latency_for(path, None) > 0
