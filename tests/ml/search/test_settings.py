"""Searches in large spaces take fewer and smaller steps."""

from __future__ import annotations

from ml.features import FeatureSpec
from ml.hyperparameters import Hyperparameters
from ml.search.family import spaces
from ml.search.settings import BATCH, LEAST_BATCH, LEAST_STEPS, SCORE_STEPS, SEARCH_STEPS, SearchSettings
from ml.search.space import Setting
from ml.tasks import TaskSpec


def effort(side, examples=10_000):
    feature = FeatureSpec(shape=(side, side, 3))
    return SearchSettings().effort(spaces(Setting(TaskSpec(num_classes=10), feature)), examples)


def test_a_search_is_never_longer_than_the_training():
    assert SearchSettings.of(Hyperparameters(steps=30)) == SearchSettings(30, 30)
    assert SearchSettings.of(Hyperparameters(steps=10_000)) == SearchSettings(SEARCH_STEPS, SCORE_STEPS)


def test_small_pictures_get_the_full_effort_and_large_ones_less():
    assert effort(8) == (SEARCH_STEPS, BATCH)
    steps, batch = effort(224)
    assert LEAST_STEPS <= steps < SEARCH_STEPS
    assert LEAST_BATCH <= batch < BATCH


def test_a_batch_is_no_larger_than_the_data():
    assert effort(8, examples=20)[1] == 20
