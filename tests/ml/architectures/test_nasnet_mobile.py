"""NASNet mobile learns and converts. Once: it has 770 layers."""

from __future__ import annotations

import pytest

from tests.ml.architectures.published_nets import learns_and_gives_the_same_in_litert, pictures, problem_with

pytestmark = pytest.mark.engine


def test_it_learns_and_gives_the_same_in_litert(tensorflow):
    model = learns_and_gives_the_same_in_litert("nasnet_mobile", {}, 32, steps=2)
    assert not [layer.name for layer in model.layers if "dropout" in type(layer).__name__.lower()]


def test_pictures_that_are_too_small_are_refused():
    assert problem_with("nasnet_mobile", pictures(32)) is None
    assert "Received: 31x31. Accepted: at least 32x32" in str(problem_with("nasnet_mobile", pictures(31)))
