"""Models of several features: one row of architectures, small to large, each feature read by what suits its type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml.features import FeatureSpec
from ml.search.picture_space import picture_space
from ml.search.space import Setting
from ml.tasks import TaskSpec

MODEL_TYPE = "multimodal"


@dataclass(frozen=True)
class Rung:
    """`stem` of convolutions, `projections` of text, `units` of all else and of the layer over all features."""

    stem: int
    projections: int
    units: int


RUNGS = (
    Rung(2, 4, 8),
    Rung(4, 8, 12),
    Rung(6, 15, 16),
    Rung(8, 30, 24),
    Rung(12, 60, 32),
    Rung(16, 90, 48),
    Rung(24, 120, 64),
    Rung(32, 180, 96),
)


def params(rung: Rung, task: TaskSpec, features: Sequence[FeatureSpec]) -> dict[str, Any]:
    """The parameters of the multimodal type."""
    return {
        "branches": {feature.name: _branch(rung, task, feature) for feature in features},
        "units": [rung.units],
    }


def _branch(rung: Rung, task: TaskSpec, feature: FeatureSpec) -> dict[str, Any]:
    if feature.type == "text":
        return {"model_type": "projection", "params": {"projections": rung.projections, "bits": 8}}
    space = picture_space("depthwise_cnn", Setting(task, feature)) if feature.type != "vector" else None
    if space is None:
        return {"model_type": "feed_forward", "params": {"units": [rung.units]}}
    blocks = min(max(space.sizes("depth")), 2)
    filters = [rung.stem * 2 ** (block + 1) for block in range(blocks)]
    return {"model_type": "depthwise_cnn", "params": {"stem": rung.stem, "filters": filters}}
