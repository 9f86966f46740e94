"""What a file consists of, as a device profile prices it."""

from __future__ import annotations

import pytest

from ml.compatibility.flatbuffer import NotAModelError
from ml.profiling.operations import Operation, operations
from ml.profiling.reference_models import Reference, reference_model
from tests.ml.profiling.profiles import plain_profile


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (Reference("convolution", (1, 6, 5, 3), 3), Operation("convolution", "float32", 2 * 30 * 3 * 27 / 1e6, 3)),
        (Reference("convolution", (1, 6, 5, 3), 3, "int8"), Operation("convolution", "int8", 2 * 30 * 3 * 27 / 1e6, 3)),
        (Reference("depthwise", (1, 6, 5, 3), 3), Operation("depthwise", "float32", 2 * 30 * 3 * 9 / 1e6, 3)),
        (Reference("dense", (1, 8)), Operation("dense", "float32", 2 * 64 / 1e6, 8)),
        # Of several rows, each weight is used more than once.
        (Reference("dense", (1, 5, 8)), Operation("convolution", "float32", 5 * 2 * 64 / 1e6, 8)),
        (Reference("elementwise", (1, 8), number="int32"), Operation("elementwise", "int32", 8 / 1e6, 1)),
        (Reference("scalar", (1, 8), number="int32"), Operation("scalar", "int32", 8 / 1e6, 1)),
        (Reference("moving", (1, 4, 4)), Operation("moving", "float32", 16 / 1e6, 1)),
    ],
)
def test_each_operation_has_its_kind_and_work(tmp_path, reference, expected):
    path = tmp_path / "model.tflite"
    path.write_bytes(reference_model(reference))
    found = operations(path)
    assert len(found) == reference.repeats
    assert set(found) == {expected}


def test_a_fourier_transform_is_counted_by_its_rows(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(reference_model(Reference("fourier", (1, 2, 1, 8), repeats=1)))
    assert operations(path)[0] == Operation("fourier", "float32", 2.5 * 2 * 8 * 3 / 1e6, 1)


def test_an_operation_takes_as_long_as_full_groups_of_its_outputs_each_time_it_runs():
    profile = plain_profile(tile=4)
    once = Operation("convolution", "float32", 3.0, outputs=3)
    assert once.ms(profile) == pytest.approx(0.0001 + 0.01 * 3.0 * 4 / 3)
    assert Operation("convolution", "float32", 3.0, outputs=3, times=5).ms(profile) == pytest.approx(
        5 * once.ms(profile)
    )


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model")
    with pytest.raises(NotAModelError):
        operations(path)
