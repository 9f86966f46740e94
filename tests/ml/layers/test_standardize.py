from __future__ import annotations

import numpy as np
import pytest

from ml.features.statistics import Statistics

pytestmark = pytest.mark.engine


def test_each_channel_is_standardized_by_its_own_statistics(tensorflow):
    from ml.layers.standardize import Standardize

    images = np.array([[[[0, 100, 255]]]], np.uint8)
    found = Standardize(Statistics(mean=(10.0, 50.0, 100.0), std=(10.0, 25.0, 50.0)), smallest_std=1.0)(images).numpy()
    assert found.reshape(-1).tolist() == pytest.approx([-1.0, 2.0, 3.1])


def test_what_never_changes_is_only_moved_to_zero(tensorflow):
    from ml.layers.standardize import Standardize

    statistics = Statistics(mean=(7.0, 0.5), std=(0.0, 0.1))
    assert Standardize(statistics)(np.array([[7.0, 0.6]], np.float32)).numpy()[0].tolist() == pytest.approx([0.0, 1.0])
    pixels = Standardize(Statistics(mean=(7.0,), std=(0.3,)), smallest_std=1.0)(np.array([[[[8]]]], np.uint8))
    assert pixels.numpy().item() == 1.0


def test_rounded_pixels_are_the_pixels_exactly_up_to_float_rounding(tensorflow):
    from ml.layers.standardize import Standardize

    statistics = Statistics(mean=(33.3,), std=(78.6,))
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    exact, rounded = (Standardize(statistics, rounds=rounds)(pixels).numpy() for rounds in (False, True))
    assert len(np.unique(rounded)) == 256
    # The range is moved so that zero is one of the values: by less than half a pixel.
    assert np.abs(exact - rounded).max() < 0.5 / 78.6


def test_values_in_units_undo_standardizing(tensorflow):
    from ml.layers.standardize import InUnits, Standardize

    statistics = Statistics(mean=(5.0, -1.0), std=(2.0, 0.0))
    values = np.array([[9.0, -1.0]], np.float32)
    assert InUnits(statistics)(Standardize(statistics)(values)).numpy().tolist() == values.tolist()


def test_whole_numbers_are_rounded_and_cut_off(tensorflow):
    from ml.layers.standardize import WholeNumbers

    found = WholeNumbers()(np.array([[0.0, 0.04, -0.03125, 1.0, 99.0, -99.0]], np.float32)).numpy()
    assert found.tolist() == [[0.0, 1.0, 0.0, 16.0, 127.0, -127.0]]
