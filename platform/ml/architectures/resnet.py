"""Residual networks: each block adds to what it got.

He et al., "Deep Residual Learning for Image Recognition" (2016): section 4.2 for small pictures (6n + 2 layers,
shortcuts without weights), table 1 for large ones (50, 101 or 152 layers; built by keras.applications).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ml.architectures import published
from ml.architectures.base import BuildContext, ModelType

_LARGE = (50, 101, 152)


class ResnetParams(published.PublishedParams):
    depth: Literal[8, 14, 20, 32, 44, 56, 110, 50, 101, 152] = Field(
        default=20,
        title="Depth",
        description="Layers with weights. 50, 101 and 152 are the large networks; all others are narrow, for small "
        "pictures.",
    )
    width: int = Field(
        default=16,
        ge=4,
        le=256,
        title="Width",
        description="Filters of the first third of a narrow network; the second third has twice, the last four times "
        "as many.",
    )

    @model_validator(mode="after")
    def check_weights_exist(self) -> Self:
        if self.weights == published.IMAGENET and not self.is_large:
            raise ValueError(
                f"there are no {published.IMAGENET} weights of this network. Received: depth {self.depth}. "
                f"Accepted: {', '.join(map(str, _LARGE))}, or weights from a file"
            )
        return self

    @property
    def is_large(self) -> bool:
        """Whether it is one of the networks for large pictures."""
        return self.depth in _LARGE

    @property
    def smallest_side(self) -> int:
        return 32 if self.is_large else 4

    @property
    def scaling(self) -> Literal["tf", "caffe"] | None:
        return "caffe" if self.is_large else None

    def network(self, pictures: Any, weights: str | None, context: BuildContext) -> Any:
        if not self.is_large:
            return _narrow(self, pictures, context)
        from tf_keras import applications

        application = {50: applications.ResNet50, 101: applications.ResNet101, 152: applications.ResNet152}[self.depth]
        shape = tuple(pictures.shape[1:])
        return application(input_tensor=pictures, input_shape=shape, include_top=False, weights=weights).output


def _narrow(params: ResnetParams, x: Any, context: BuildContext) -> Any:
    """Section 4.2: one convolution, then three stages of n blocks; the second and third halve the picture."""
    import tf_keras

    from ml.layers.heads import activation_layer

    def normalized(x: Any, filters: int, stride: int, name: str) -> Any:
        x = tf_keras.layers.Conv2D(
            filters,
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(x)
        return tf_keras.layers.BatchNormalization(name=f"{name}_norm")(x)

    x = activation_layer(context.activation, name="stem_activation")(normalized(x, params.width, 1, "stem"))
    for stage in range(3):
        filters = params.width * 2**stage
        for block in range((params.depth - 2) // 6):
            name = f"stage{stage}_block{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            y = normalized(x, filters, stride, f"{name}_first")
            y = activation_layer(context.activation, name=f"{name}_first_activation")(y)
            y = normalized(y, filters, 1, f"{name}_second")
            x = tf_keras.layers.Add(name=f"{name}_add")([_shortcut(x, filters, stride, name), y])
            x = activation_layer(context.activation, name=f"{name}_activation")(x)
    return x


def _shortcut(x: Any, filters: int, stride: int, name: str) -> Any:
    """Option A of section 3.3: every `stride`-th pixel, with zeros for the channels that are new."""
    import tf_keras

    if stride == 1:
        return x
    x = tf_keras.layers.MaxPooling2D(1, strides=stride, padding="same", name=f"{name}_shortcut")(x)
    new = filters - x.shape[-1]
    # Read as channels first, the last two axes are those that are padded: width by nothing, channels by zeros.
    return tf_keras.layers.ZeroPadding2D(
        ((0, 0), (new // 2, new - new // 2)), data_format="channels_first", name=f"{name}_zeros"
    )(x)


MODEL_TYPE = ModelType(
    name="resnet",
    title="ResNet",
    description="Residual blocks of any depth: narrow ones for small pictures, and the large published ones.",
    params=ResnetParams,
    encode=published.encode,
    takes=published.TAKES,
)
