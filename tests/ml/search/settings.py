"""Spaces of small features, by the names of `tests.ml.architectures.tiny`."""

from __future__ import annotations

from ml.search.family import spaces
from ml.search.space import Setting, Space
from tests.ml.architectures.tiny import FEATURES, TASKS


def space_of(model_type: str, feature: str = "image", task: str = "classification") -> Space:
    """The space of a model type for a tiny feature."""
    found = spaces(Setting(TASKS[task], FEATURES[feature]))
    return next(space for space in found if space.model_type == model_type)
