"""What every model type declares: its parameters, its own checks, and how to build it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from ml.layers.pixels import PixelStatistics


class ModelParams(BaseModel):
    """Base of the parameters of one model type: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def check_shape(self, shape: tuple[int, int, int]) -> str | None:
        """Says why these parameters can't work on images of `shape` (height, width, channels), or None if they can."""
        return None


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What a builder gets besides its own parameters. `shape` is (height, width, channels) of the uint8 image."""

    name: str
    feature: str
    shape: tuple[int, int, int]
    num_classes: int
    activation: str
    seed: int
    statistics: PixelStatistics


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """One entry of the registry. `build(params, context)` gives a tf_keras.Model: uint8 images → float32 logits."""

    name: str
    title: str
    description: str
    params: type[ModelParams]
    build: Callable[[Any, BuildContext], Any]
