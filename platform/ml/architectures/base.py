"""What every model type declares: its parameters, its own checks, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml.features import FeatureSpec, FeatureType
from ml.features.statistics import Statistics
from ml.tasks import TaskSpec


class ModelParams(BaseModel):
    """Base of the parameters of one model type: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        """Says why these parameters can't work on `feature`, one of `features`, or None if they can."""
        return None

    @property
    def brings_weights(self) -> bool:
        """Whether a model of these parameters starts from weights that it finds itself."""
        return False


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What a builder gets besides its own parameters.

    `statistics` has an entry for each feature with numbers to be standardized, by name. `files` is the folder that
    paths in parameters are relative to.
    """

    name: str
    task: TaskSpec
    features: tuple[FeatureSpec, ...]
    statistics: Mapping[str, Statistics]
    activation: str
    seed: int
    output_buckets: int | None = None
    files: Path = Path()

    @property
    def is_sequence(self) -> bool:
        """Whether an output is wanted for each step, so that the time axis has to stay."""
        return self.task.type == "sequence"


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """One entry of the registry.

    `encode(params, raw, feature, context)` takes the raw batch of one feature (see `FeatureSpec` for shape and dtype)
    through the model's layers up to the output layer: float32 [batch, width], or [batch, steps, width] for a sequence
    task. `ml.architectures.assemble` puts input, output layer and several features around it.

    `takes` are the types of feature that it can work on; `steps`: those of which it can keep the time axis, for
    sequence tasks. `build(params, context)`, where given, makes the whole model by itself instead: a callable of the
    raw inputs by name that gives float32 logits, with `trainable_variables`.
    """

    name: str
    title: str
    description: str
    params: type[ModelParams]
    takes: frozenset[FeatureType]
    encode: Callable[[Any, Any, FeatureSpec, BuildContext], Any] | None = None
    build: Callable[[Any, BuildContext], Any] | None = None
    steps: frozenset[FeatureType] = frozenset()
    takes_several: bool = False
    is_trainer_only: bool = False
