"""Patches are the windows of a convolution with padding."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("height", "width", "patch", "stride"), [(8, 8, 4, 4), (7, 5, 3, 2), (9, 1, 4, 2), (3, 3, 5, 2), (6, 1, 3, 1)]
)
def test_a_dot_product_with_each_patch_is_a_convolution(tensorflow, height, width, patch, stride):
    from ml.layers.patches import Patches

    generator = np.random.default_rng(0)
    x = generator.integers(-9, 10, (2, height, width, 3)).astype(np.float32)
    side = (patch, 1) if width == 1 else (patch, patch)
    kernel = generator.integers(-9, 10, (*side, 3, 1)).astype(np.float32)
    strides = (stride, 1) if width == 1 else (stride, stride)
    expected = tensorflow.nn.conv2d(x, kernel, strides, "SAME").numpy()
    patches = Patches(patch, stride)(x).numpy()
    # A patch has its columns first: nothing depends on the order of its values.
    order = kernel.transpose(1, 0, 2, 3).reshape(-1)
    assert np.array_equal(patches @ order, expected.reshape(-1))
    if width == 1:
        assert np.array_equal(Patches(patch, stride)(x[:, :, 0]), patches)


def test_windows_of_bytes(tensorflow):
    from ml.layers.patches import Patches

    raw = np.arange(1, 8, dtype=np.uint8)[np.newaxis]
    windows = Patches(4, 3)(raw).numpy()
    assert windows.dtype == np.int32
    assert windows.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 0, 0]]
