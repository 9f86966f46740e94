"""Dense layers on the flattened, standardized input: the classic multilayer perceptron."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=8192)]


class FeedForwardParams(ModelParams):
    units: list[Width] = Field(
        default=[128],
        min_length=0,
        max_length=16,
        title="Hidden layers",
        description="Width of each hidden dense layer, first to last. An empty list gives a linear classifier.",
    )


def encode(params: FeedForwardParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. Text becomes one learned vector by its hashed n-grams."""
    from ml.layers.front_end import as_sequence, as_vector
    from ml.layers.heads import hidden_layers

    read = as_sequence if context.is_sequence else as_vector
    return hidden_layers(read(raw, feature, context), params.units, context)


MODEL_TYPE = ModelType(
    name="feed_forward",
    title="Feed forward",
    description="Dense layers on all values of an example. A plain baseline, and a strong trainer for small inputs.",
    params=FeedForwardParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video", "vector"}),
    steps=frozenset({"text", "sensor", "audio", "video"}),
)
