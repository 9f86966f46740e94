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


class Said:
    """What a model or a file answers to each example, which is its own number."""

    def __init__(self, tensorflow, answers: list[list[float]]) -> None:
        self._tensorflow, self._answers = tensorflow, np.array(answers, np.float32)

    def answers(self, *, number):
        return {"answers": self._tensorflow.constant(self._answers[number])}

    def predict(self, inputs):
        return self._answers[inputs["number"]]


def compared(tensorflow, model: list[list[float]], file: list[list[float]], **options: object):
    from ml.conversion.parity import check_parity

    numbers = [({"number": np.array(index)}, f"example-{index}") for index in range(len(model))]
    return check_parity(Said(tensorflow, model), Said(tensorflow, file), numbers, quantized=True, **options)  # type: ignore[arg-type]


def test_a_class_that_was_first_by_next_to_nothing_may_become_another(tensorflow):
    from ml.conversion.parity import ParityError

    near, far = [[0.48, 0.52], [0.9, 0.1]], [[0.42, 0.58], [0.9, 0.1]]
    parity = compared(tensorflow, near, [[0.52, 0.48], [0.9, 0.1]])
    assert parity["top1_agreement"] == 0.5
    with pytest.raises(ParityError, match=r"first class in 50\.0% .* at least 97% of those where it is clear"):
        compared(tensorflow, far, [[0.51, 0.49], [0.9, 0.1]])


def test_of_several_classes_each_is_a_decision_of_its_own(tensorflow):
    from ml.conversion.parity import ParityError

    # Which is the largest has no meaning, and changes here.
    model, file = [[0.99, 0.98, 0.1]] * 4, [[0.97, 0.99, 0.1]] * 4
    assert compared(tensorflow, model, file, task="multi_label")["top1_agreement"] == 1.0
    # What was close to a half may become the other, with what was clear it may not.
    model = [[0.99, 0.98, 0.47]] * 4
    parity = compared(tensorflow, model, [[0.99, 0.98, 0.53]] * 4, task="multi_label")
    assert parity["top1_agreement"] == pytest.approx(2 / 3)
    model = [[0.99, 0.98, 0.4]] * 4
    with pytest.raises(ParityError, match=r"in 66\.7%"):
        compared(tensorflow, model, [[0.99, 0.98, 0.6]] * 4, task="multi_label")


def test_values_of_a_regression_agree_within_the_tolerance(tensorflow):
    from ml.conversion.parity import ParityError

    model = [[100.0, 1.0], [110.0, 2.0]]
    scale = np.array([10.0, 0.1])
    assert compared(tensorflow, model, [[101.0, 1.01], [110.0, 2.0]], task="regression", scale=scale) == {
        "max_abs": pytest.approx(0.1, rel=1e-3),
        "top1_agreement": 1.0,
        "tolerance": 0.35,
        "num_examples": 2,
    }
    with pytest.raises(ParityError, match=r"differs from the trained model by 0\.5 on example-1"):
        compared(tensorflow, model, [[101.0, 1.01], [115.0, 2.0]], task="regression", scale=scale)
