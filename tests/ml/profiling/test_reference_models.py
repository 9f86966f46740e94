"""The models that a device is measured by compute what they are meant to."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from ml.compatibility.flatbuffer import read_model
from ml.profiling.device_profile import Speed
from ml.profiling.measuring import millions_of
from ml.profiling.reference_models import Reference, reference_model

REFERENCES = [
    (Reference("convolution", (1, 6, 5, 3), 3), "CONV_2D"),
    (Reference("convolution", (1, 9, 1, 3), 3), "CONV_2D"),
    (Reference("convolution", (1, 6, 5, 3), 3, "int8"), "CONV_2D"),
    (Reference("depthwise", (1, 6, 5, 3), 3), "DEPTHWISE_CONV_2D"),
    (Reference("depthwise", (1, 6, 5, 3), 3, "int8"), "DEPTHWISE_CONV_2D"),
    (Reference("dense", (1, 8)), "FULLY_CONNECTED"),
    (Reference("dense", (1, 8), number="int8"), "FULLY_CONNECTED"),
    (Reference("elementwise", (1, 8)), "MUL"),
    (Reference("elementwise", (1, 8), number="int32"), "MUL"),
    (Reference("scalar", (1, 8), number="int32"), "FLOOR_MOD"),
    (Reference("moving", (1, 4, 4)), "TRANSPOSE"),
    (Reference("moving", (1, 4, 4), number="int32"), "TRANSPOSE"),
    (Reference("fourier", (1, 2, 1, 8)), "RFFT2D"),
]


@pytest.mark.parametrize(("reference", "operator"), REFERENCES)
def test_a_chain_has_its_operations_and_runs(reference, operator):
    content = reference_model(reference)
    info = read_model(content)
    assert sum(count for (name, _), count in info.operators.items() if name == operator) == reference.repeats
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner("serving_default")
    details = runner.get_input_details()["x"]
    assert (tuple(details["shape"]), details["dtype"]) == (reference.shape, np.dtype(reference.number))
    assert runner(x=np.ones(reference.shape, reference.number))["y"].shape == reference.shape


def test_a_dense_chain_multiplies_by_each_of_its_matrices():
    content = reference_model(Reference("dense", (1, 4), repeats=3))
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    matrices = [
        interpreter.get_tensor(details["index"])
        for details in interpreter.get_tensor_details()
        if tuple(details["shape"]) == (4, 4)
    ]
    x = np.array([[1, -2, 3, 0.5]], np.float32)
    expected = x
    for matrix in matrices:
        expected = expected @ matrix.T
    assert len({matrix.tobytes() for matrix in matrices}) == 3
    np.testing.assert_allclose(interpreter.get_signature_runner()(x=x)["y"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("reference", "millions"),
    [
        (Reference("convolution", (1, 6, 5, 3), 3), 2 * 30 * 9 * 3 * 4),
        (Reference("convolution", (1, 9, 1, 3), 3), 2 * 9 * 3 * 3 * 4),
        (Reference("depthwise", (1, 6, 5, 3), 3), 2 * 30 * 9 * 4),
        (Reference("dense", (1, 6)), 2 * 6 * 8),
        (Reference("moving", (1, 4, 4)), 16),
        (Reference("fourier", (1, 2, 1, 8)), 2.5 * 2 * 8 * 3),
    ],
)
def test_work_is_counted_with_full_groups_of_channels(reference, millions):
    assert millions_of(reference, Speed(overhead_ms=0, ms_per_million=1, tile=4)) == pytest.approx(millions / 1e6)
