from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.runtime import Runtime

pytestmark = pytest.mark.engine


def test_a_difference_beyond_the_tolerance_names_the_worst_example(tensorflow, trained):
    """The file is compared with a model that is not the one it was made from."""
    from ml.conversion.parity import ParityError, check_parity

    def stranger(images, *, training):
        return tensorflow.zeros([len(images), 10])

    runtime = Runtime(trained.out / "dense" / "model.tflite")
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), dtype=np.uint8)
    found = np.abs(np.stack([runtime.predict(image) for image in images]) - 0.1).max(axis=1)
    with pytest.raises(ParityError, match=f"on noise-{found.argmax()};"):
        check_parity(stranger, runtime, ((image, f"noise-{index}") for index, image in enumerate(images)))


def test_nan_is_a_difference(tensorflow, trained):
    from ml.conversion.parity import ParityError, check_parity

    def broken(images, *, training):
        return tensorflow.fill([len(images), 10], float("nan"))

    runtime = Runtime(trained.out / "dense" / "model.tflite")
    with pytest.raises(ParityError, match="nan"):
        check_parity(broken, runtime, [(np.zeros((8, 8, 1), np.uint8), "black")])
