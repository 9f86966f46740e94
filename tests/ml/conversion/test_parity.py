from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.runtime import Runtime

pytestmark = pytest.mark.engine


class Stranger:
    """A model that is not the one that a file was made from: the same answer to everything."""

    def __init__(self, tensorflow, answer: float) -> None:
        self._tensorflow, self._answer = tensorflow, answer

    def answers(self, **inputs):
        image = inputs["image"]
        return {"probabilities": self._tensorflow.fill([len(image), 10], self._answer)}


@pytest.fixture
def runtime(trained) -> Runtime:
    return Runtime(trained.out / "dense" / "model.tflite")


def noise(count: int) -> list:
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
    return [({"image": image}, f"noise-{index}") for index, image in enumerate(images)]


def test_a_difference_beyond_the_tolerance_names_the_worst_example(tensorflow, runtime):
    from ml.conversion.parity import ParityError, check_parity

    found = np.abs(np.stack([runtime.predict(inputs) for inputs, _ in noise(300)]) - 0.1).max(axis=1)
    with pytest.raises(ParityError, match=f"on noise-{found.argmax()},"):
        check_parity(Stranger(tensorflow, 0.1), runtime, noise(300))


def test_nan_is_a_difference(tensorflow, runtime):
    from ml.conversion.parity import ParityError, check_parity

    with pytest.raises(ParityError, match="nan"):
        check_parity(Stranger(tensorflow, float("nan")), runtime, noise(1))


def test_a_quantized_file_may_differ_more_but_not_in_its_first_class(tensorflow, runtime):
    from ml.conversion.parity import QUANTIZED_TOLERANCE, ParityError, check_parity

    class Near:
        def __init__(self, shift: int) -> None:
            self._shift = shift

        def answers(self, **inputs):
            found = np.stack([runtime.predict({"image": one}) for one in inputs["image"]])
            # A mixture with the mean keeps the order of the classes; rolled, another one is first.
            near = np.roll(found, self._shift, axis=1) * 0.9 + 0.01
            return {"probabilities": tensorflow.constant(near)}

    with pytest.raises(ParityError, match=r"at most 0\.001 is accepted"):
        check_parity(Near(0), runtime, noise(50))
    parity = check_parity(Near(0), runtime, noise(50), quantized=True)
    assert (parity["top1_agreement"], parity["num_examples"], parity["tolerance"]) == (1.0, 50, QUANTIZED_TOLERANCE)
    with pytest.raises(ParityError, match="the same first class in"):
        check_parity(Near(1), runtime, noise(50), quantized=True)


def test_differences_of_a_regression_are_measured_in_deviations(tensorflow, runtime):
    from ml.conversion.parity import check_parity

    class Off:
        def answers(self, **inputs):
            found = np.stack([runtime.predict({"image": one}) for one in inputs["image"]])
            return {"probabilities": tensorflow.constant(found + 0.05)}

    parity = check_parity(Off(), runtime, noise(5), scale=np.full(10, 100.0))
    assert parity["max_abs"] == pytest.approx(0.0005, rel=1e-3)
