"""A plain convolutional network: blocks of convolution, batch normalization, activation and max pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=2048)]


class CnnParams(ModelParams):
    filters: list[Width] = Field(
        default=[16, 32],
        min_length=1,
        max_length=12,
        title="Filters",
        description="Filters of each convolution block, first to last.",
    )
    kernel_size: Literal[1, 3, 5, 7] = Field(default=3, title="Kernel size", description="Side of the square kernels.")
    pool_size: int = Field(
        default=2, ge=1, le=4, title="Pooling", description="Side of the max pooling after each block; 1 for none."
    )
    head: Literal["flatten", "average"] = Field(
        default="flatten",
        title="Head",
        description="flatten keeps positions and costs bytes; average takes the mean over the image.",
    )
    units: list[Width] = Field(
        default=[], max_length=4, title="Hidden layers", description="Width of each dense layer before the output."
    )
    batch_norm: bool = Field(
        default=True,
        title="Batch normalization",
        description="Normalize each block while training. On export it is folded into the convolutions.",
    )

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        return check_pooling(feature.picture, blocks=len(self.filters), pool_size=self.pool_size)


def check_pooling(picture: tuple[int, int, int], *, blocks: int, pool_size: int) -> str | None:
    """Says that `blocks` poolings by `pool_size` leave nothing of a picture; None if something is left.

    A picture that is one pixel wide is pooled along its height alone.
    """
    side = picture[0] if picture[1] == 1 else min(picture[:2])
    fitting = 0
    while pool_size > 1 and side >= pool_size:
        side //= pool_size
        fitting += 1
    if pool_size > 1 and blocks > fitting:
        return (
            f"{blocks} blocks with pool_size {pool_size} leave nothing of {picture[0]}x{picture[1]}. "
            f"Accepted: at most {fitting} blocks, or pool_size 1"
        )
    return None


def encode(params: CnnParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. What has steps only is convolved along them; of a video, each frame by itself."""
    from ml.layers.front_end import encode_pictures

    return encode_pictures(raw, feature, context, lambda x: _blocks(params, x, context))


def _blocks(params: CnnParams, x: Any, context: BuildContext) -> Any:
    import tf_keras

    from ml.layers.front_end import sides
    from ml.layers.heads import activation_layer, hidden_layers, picture_head, seeded_initializer

    for index, filters in enumerate(params.filters):
        x = tf_keras.layers.Conv2D(
            filters,
            sides(x, params.kernel_size),
            padding="same",
            use_bias=not params.batch_norm,
            kernel_initializer=seeded_initializer(context, f"conv_{index}"),
            name=f"conv_{index}",
        )(x)
        if params.batch_norm:
            x = tf_keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{index}")(x)
        x = activation_layer(context.activation, name=f"activation_{index}")(x)
        if params.pool_size > 1 and not context.is_sequence:
            x = tf_keras.layers.MaxPooling2D(sides(x, params.pool_size), name=f"pool_{index}")(x)
    return hidden_layers(picture_head(x, params.head, context), params.units, context)


MODEL_TYPE = ModelType(
    name="cnn",
    title="Convolutional",
    description="Convolution blocks with pooling. The usual choice of trainer for images, sounds and signals.",
    params=CnnParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video"}),
    steps=frozenset({"text", "sensor", "audio"}),
)
