"""Dense layers on the flattened, standardized input: the classic multilayer perceptron."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType

Width = Annotated[int, Field(ge=1, le=8192)]


class FeedForwardParams(ModelParams):
    units: list[Width] = Field(
        default=[128],
        min_length=0,
        max_length=16,
        title="Hidden layers",
        description="Width of each hidden dense layer, first to last. An empty list gives a linear classifier.",
    )


def build(params: FeedForwardParams, context: BuildContext) -> Any:
    """tf_keras.Model: uint8 [batch, height, width, channels] → logits float32 [batch, num_classes]."""
    import tf_keras

    from ml.layers.heads import dense_head
    from ml.layers.pixels import Standardize

    pixels = tf_keras.Input(context.shape, dtype="uint8", name=context.feature)
    x = Standardize(context.statistics, name="standardize")(pixels)
    x = tf_keras.layers.Flatten(name="flatten")(x)
    return tf_keras.Model(pixels, dense_head(x, params.units, context), name=context.name)


MODEL_TYPE = ModelType(
    name="feed_forward",
    title="Feed forward",
    description="Dense layers on the flattened image. A plain baseline, and a strong trainer for small images.",
    params=FeedForwardParams,
    build=build,
)
