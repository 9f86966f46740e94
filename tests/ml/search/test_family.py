"""The family: what there is for each kind of data, and that its rows grow."""

from __future__ import annotations

import pytest

from ml.architectures import MODEL_TYPES
from ml.features import FeatureSpec
from ml.search.family import affordable, skeletons, spaces
from ml.search.layers import STORAGE, bytes_of
from ml.search.space import Setting, certain
from ml.specs import ModelSpec
from tests.ml.architectures.tiny import FEATURES, TASKS
from tests.ml.search.settings import space_of

CASES = [
    ("image", "classification", ["projection", "feed_forward", "depthwise_cnn", "cnn"]),
    ("audio", "classification", ["projection", "feed_forward", "depthwise_cnn", "cnn"]),
    ("sensor", "regression", ["projection", "feed_forward", "depthwise_cnn", "cnn"]),
    ("video", "multi_label", ["projection", "feed_forward", "depthwise_cnn", "cnn"]),
    ("bytes", "classification", ["projection", "feed_forward"]),
    ("vector", "regression", ["projection", "feed_forward"]),
    ("tokens", "sequence", ["projection", "feed_forward"]),
    ("sensor", "sequence", ["feed_forward", "depthwise_cnn", "cnn"]),
    ("image", "sequence", []),
    ("vector", "sequence", []),
]


def size_of(space, picked):
    return bytes_of(space.layers(certain(picked)), STORAGE["float32"])


@pytest.mark.parametrize(("feature", "task", "expected"), CASES)
def test_each_kind_of_data_has_its_spaces(feature, task, expected):
    assert [space.model_type for space in spaces(Setting(TASKS[task], FEATURES[feature]))] == expected


@pytest.mark.parametrize(("feature", "task", "expected"), CASES)
def test_every_architecture_of_a_row_is_a_valid_model_and_costs_more_than_the_one_before(feature, task, expected):
    setting = Setting(TASKS[task], FEATURES[feature])
    for space in spaces(setting):
        for skeleton in skeletons(space):
            costs = []
            for picked in skeleton.steps:
                model = ModelSpec.model_validate(
                    {"id": skeleton.name, "model_type": space.model_type, "params": space.params(picked)}
                )
                assert model.params.check(setting.feature, [setting.feature]) is None
                costs.append(size_of(space, picked))
            assert costs == sorted(costs)
            assert len(costs) > 5


@pytest.mark.parametrize("model_type", ["projection", "feed_forward", "depthwise_cnn", "cnn"])
@pytest.mark.parametrize("end", [0, -1])
def test_every_corner_of_a_space_is_a_valid_model(model_type, end):
    space = space_of(model_type)
    params = space.params({choice.name: choice.sizes[end] for choice in space.choices})
    assert MODEL_TYPES[model_type].params.model_validate(params).check(FEATURES["image"], [FEATURES["image"]]) is None


def test_sizes_that_are_too_much_by_themselves_are_left_out():
    space = space_of("feed_forward")
    inputs = 48
    kept = affordable(space, lambda picked: inputs * picked["units_0"] * (picked["depth"] > 0) <= 1000)
    assert kept.sizes("units_0") == (8, 16)
    assert kept.sizes("depth") == (0, 1, 2)
    assert kept.sizes("units_1") == space.sizes("units_1")


def test_something_of_each_gate_is_left():
    space = space_of("depthwise_cnn")
    kept = affordable(space, lambda picked: False)
    assert {choice.name: choice.sizes for choice in kept.choices} == {
        choice.name: choice.sizes[:1] for choice in space.choices
    }


def test_a_wide_layer_is_judged_with_neighbours_that_suit_it():
    space = space_of("depthwise_cnn")
    for picked in space.cheapest_with("filters_1", 64):
        assert (picked["depth"] >= 2, picked["filters_0"], picked["stem"]) == (True, 16, 16)
    assert {picked["depth"] for picked in space.cheapest_with("head", 1)} == set(space.sizes("depth"))


def test_small_budgets_get_networks_with_fewer_blocks():
    setting = Setting(TASKS["classification"], FeatureSpec(shape=(28, 28, 1)))
    space = next(space for space in spaces(setting) if space.model_type == "cnn")
    row = next(skeleton for skeleton in skeletons(space) if skeleton.name == "cnn-average").steps
    depths = [picked["depth"] for picked in row]
    assert depths == sorted(depths)
    assert (depths[0], depths[-1]) == (1, 4)
    deepest = [picked for picked in row if picked["depth"] == 4]
    assert deepest[0]["filters_0"] == 4
    assert all(size_of(space, picked) < size_of(space, deepest[0]) for picked in row if picked["depth"] < 4)
