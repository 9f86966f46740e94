"""Depthwise separable convolutions: a k×k filter for each channel, then 1×1 filters that mix channels.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017), section 3.1:
k²·C + C·F weights in place of k²·C·F.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.architectures.cnn import check_pooling
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=2048)]


class DepthwiseCnnParams(ModelParams):
    stem: Width = Field(default=8, title="Stem", description="Filters of the ordinary first convolution.")
    filters: list[Width] = Field(
        default=[16, 32],
        min_length=1,
        max_length=16,
        title="Filters",
        description="Channels that each depthwise block gives, first to last.",
    )
    kernel_size: Literal[3, 5, 7] = Field(default=3, title="Kernel size", description="Side of the square kernels.")
    pool_size: int = Field(
        default=2, ge=1, le=4, title="Pooling", description="Side of the max pooling after each block; 1 for none."
    )
    head: Literal["flatten", "average"] = Field(
        default="average",
        title="Head",
        description="flatten keeps positions and costs bytes; average takes the mean over the image.",
    )
    units: list[Width] = Field(
        default=[], max_length=4, title="Hidden layers", description="Width of each dense layer before the output."
    )

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        return check_pooling(feature.picture, blocks=len(self.filters), pool_size=self.pool_size)


def encode(params: DepthwiseCnnParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. What has steps only is convolved along them; of a video, each frame by itself."""
    from ml.layers.front_end import encode_pictures

    return encode_pictures(raw, feature, context, lambda x: _blocks(params, x, context))


def _blocks(params: DepthwiseCnnParams, x: Any, context: BuildContext) -> Any:
    import tf_keras

    from ml.layers.front_end import sides
    from ml.layers.heads import activation_layer, hidden_layers, picture_head, seeded_initializer

    def normalized(x: Any, name: str) -> Any:
        x = tf_keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return activation_layer(context.activation, name=f"{name}_activation")(x)

    x = tf_keras.layers.Conv2D(
        params.stem,
        sides(x, params.kernel_size),
        padding="same",
        use_bias=False,
        kernel_initializer=seeded_initializer(context, "stem"),
        name="stem",
    )(x)
    x = normalized(x, "stem")
    for index, filters in enumerate(params.filters):
        x = tf_keras.layers.DepthwiseConv2D(
            sides(x, params.kernel_size),
            padding="same",
            use_bias=False,
            depthwise_initializer=seeded_initializer(context, f"depthwise_{index}"),
            name=f"depthwise_{index}",
        )(x)
        x = normalized(x, f"depthwise_{index}")
        x = tf_keras.layers.Conv2D(
            filters,
            1,
            use_bias=False,
            kernel_initializer=seeded_initializer(context, f"pointwise_{index}"),
            name=f"pointwise_{index}",
        )(x)
        x = normalized(x, f"pointwise_{index}")
        if params.pool_size > 1 and not context.is_sequence:
            x = tf_keras.layers.MaxPooling2D(sides(x, params.pool_size), name=f"pool_{index}")(x)
    return hidden_layers(picture_head(x, params.head, context), params.units, context)


MODEL_TYPE = ModelType(
    name="depthwise_cnn",
    title="Depthwise convolutional",
    description="Depthwise separable convolutions: most accuracy for the bytes on images, sounds and signals.",
    params=DepthwiseCnnParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video"}),
    steps=frozenset({"text", "sensor", "audio"}),
)
