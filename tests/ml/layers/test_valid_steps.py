"""What stands after the end of a text is told from the text."""

from __future__ import annotations

import numpy as np
import pytest

from ml.features import FeatureSpec

pytestmark = pytest.mark.engine

TEXTS = np.array([[7, 0, 5, 0], [0, 0, 0, 0], [1, 2, 3, 4]], np.uint8)
VALUES = np.arange(3 * 4 * 2, dtype=np.float32).reshape(3, 4, 2)
VALID = np.array([3, 1, 4], np.int32)


def test_bytes_up_to_the_last_that_is_not_zero_are_valid(tensorflow):
    from ml.layers.valid_steps import ValidSteps

    assert ValidSteps()(TEXTS).numpy().tolist() == VALID.tolist()


def test_an_empty_token_counts_if_another_follows(tensorflow):
    from ml.layers.valid_steps import ValidSteps

    tokens = np.zeros((2, 5, 3), np.uint8)
    tokens[0, 2] = [0, 200, 0]
    tokens[1, 4] = [255, 1, 1]
    assert ValidSteps()(tokens).numpy().tolist() == [3, 5]


def test_all_steps_of_what_is_no_text_are_valid(tensorflow):
    from ml.layers.valid_steps import valid_steps

    assert valid_steps(None, FeatureSpec(name="motion", type="sensor", shape=(4, 2))) is None


def test_only_valid_steps_are_reversed(tensorflow):
    from ml.layers.valid_steps import ReversedSteps

    found = ReversedSteps()(VALUES, VALID).numpy()
    assert np.array_equal(found[0], VALUES[0][[2, 1, 0, 3]])
    assert np.array_equal(found[1], VALUES[1])
    assert np.array_equal(found[2], VALUES[2][::-1])
    assert np.array_equal(ReversedSteps()(found, VALID), VALUES)
    assert np.array_equal(ReversedSteps()(VALUES), VALUES[:, ::-1])


def test_the_last_step_is_the_last_valid_one(tensorflow):
    from ml.layers.valid_steps import LastStep

    assert np.array_equal(LastStep()(VALUES, VALID), VALUES[[0, 1, 2], [2, 0, 3]])
    assert np.array_equal(LastStep()(VALUES), VALUES[:, -1])


def test_both_ways_end_at_the_last_and_at_the_first_step(tensorflow):
    from ml.layers.valid_steps import both_ways

    def running_sum(x, name):
        return tensorflow.cumsum(x, axis=1)

    ends = both_ways(running_sum, VALUES, VALID, name="ends", keep_steps=False).numpy()
    steps = both_ways(running_sum, VALUES, VALID, name="steps", keep_steps=True).numpy()
    for row, valid in enumerate(VALID):
        text = VALUES[row, :valid]
        assert np.array_equal(ends[row], np.tile(text.sum(0), 2))
        backwards = np.cumsum(text[::-1], 0)[::-1]
        assert np.array_equal(steps[row, :valid], np.hstack([np.cumsum(text, 0), backwards]))
