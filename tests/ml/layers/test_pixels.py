from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.engine


def test_each_channel_is_standardized_by_its_own_statistics(tensorflow):
    from ml.layers.pixels import PixelStatistics, Standardize

    images = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 3), dtype=np.uint8)
    found = Standardize(PixelStatistics(mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0)))(images).numpy()
    expected = (images.astype(np.float64) - [10, 20, 30]) / [2, 4, 8]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_constant_channel_does_not_divide_by_zero(tensorflow):
    from ml.layers.pixels import PixelStatistics, Standardize

    found = Standardize(PixelStatistics(mean=(5.0,), std=(0.0,)))(np.full((1, 2, 2, 1), 5, np.uint8))
    assert not np.any(found.numpy())
