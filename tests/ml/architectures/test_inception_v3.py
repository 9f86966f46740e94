"""Inception v3 learns and converts, and its layers, which have no names of their own, start alike each time."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ml.architectures.published_nets import (
    learns_and_gives_the_same_in_litert,
    picture_context,
    pictures,
    problem_with,
)
from tests.ml.architectures.tiny import tiny_model

pytestmark = pytest.mark.engine


def test_it_learns_and_gives_the_same_in_litert(tensorflow):
    model = learns_and_gives_the_same_in_litert("inception_v3", {}, 75, steps=2)
    assert not [layer.name for layer in model.layers if "dropout" in type(layer).__name__.lower()]


def test_what_was_built_before_does_not_change_how_it_starts(tensorflow):
    first, second = (tiny_model("inception_v3", {}, picture_context(75)) for _ in range(2))
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert all(np.array_equal(x, y) for x, y in zip(first.get_weights(), second.get_weights(), strict=True))


def test_pictures_that_are_too_small_are_refused():
    assert problem_with("inception_v3", pictures(75)) is None
    assert "Received: 32x32. Accepted: at least 75x75" in str(problem_with("inception_v3", pictures(32)))
