"""Random bits of each patch, window or token, then a small convolutional network over them.

Projection networks as the first layer of a convolutional one: Ravi, "Efficient On-Device Models using Neural
Projections" (2019), projects inputs by locality-sensitive functions that need no stored weights; Kaliamoorthi, Ravi
and Kozareva, "PRADO: Projection Attention Networks for Document Classification On-Device" (2019), section 3, do so
with each token, learn one dense layer from bits to a short vector that all tokens share, and convolve over those
vectors. Here a piece is a patch of an image, a window of a signal, sound or bytes, a frame of a video, or a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.architectures.cnn import check_pooling
from ml.architectures.projection import MAX_INPUTS
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=2048)]


class ProjectionCnnParams(ModelParams):
    bits: int = Field(default=64, ge=1, le=4096, title="Bits", description="How many random bits each piece gives.")
    patch_size: int | None = Field(
        default=None,
        ge=1,
        le=256,
        title="Patch size",
        description="Side of an image's patches in pixels; length of a window in steps, frames or bytes. Empty: 5, and "
        "16 for bytes.",
    )
    stride: int | None = Field(
        default=None,
        ge=1,
        le=256,
        title="Stride",
        description="From one patch or window to the next. Empty: half of the patch size.",
    )
    width: Width = Field(
        default=16, title="Width", description="Values that are learned from the bits of a piece, before convolution."
    )
    filters: list[Width] = Field(
        default=[32],
        min_length=1,
        max_length=8,
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
        description="flatten keeps positions and costs bytes; average takes the mean over all pieces.",
    )
    units: list[Width] = Field(
        default=[], max_length=4, title="Hidden layers", description="Width of each dense layer before the output."
    )

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        values = self._values_of_a_piece(feature)
        if values > MAX_INPUTS:
            return f"a projection takes at most {MAX_INPUTS} values of a patch or frame. Received: {values}"
        picture = (*self.pieces(feature, self.cut(feature)[1]), self.width)
        return check_pooling(picture, blocks=len(self.filters), pool_size=self.pool_size)

    def cut(self, feature: FeatureSpec) -> tuple[int, int]:
        """Patch size and stride."""
        size = self.patch_size or (16 if feature.type == "text" else 5)
        return size, self.stride or max(1, size // 2)

    def pieces(self, feature: FeatureSpec, stride: int) -> tuple[int, int]:
        """How many rows and columns of pieces there are: one column unless it is an image."""
        if feature.type == "video" or feature.is_tokens:
            return feature.shape[0], 1
        height, width = feature.picture[:2] if feature.type == "image" else (feature.picture[0], 1)
        return -(-height // stride), 1 if width == 1 else -(-width // stride)

    def _values_of_a_piece(self, feature: FeatureSpec) -> int:
        size = self.cut(feature)[0]
        match feature.type:
            case "image":
                return size * (1 if feature.shape[1] == 1 else size) * feature.shape[2]
            case "video":
                return prod(feature.shape[1:])
            case "audio":
                return size * feature.spectrogram.bands
            case "text":
                return 0  # its n-grams are counted
        return size * feature.shape[1]


def encode(params: ProjectionCnnParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. For a sequence task there is a window around each step, and no pooling."""
    import tf_keras

    from ml.layers.front_end import sides
    from ml.layers.heads import activation_layer, hidden_layers, picture_head, seeded_initializer

    def convolution(x: Any, filters: int, kernel_size: Any, name: str) -> Any:
        initializer = seeded_initializer(context, name)
        x = tf_keras.layers.Conv2D(
            filters, kernel_size, padding="same", use_bias=False, kernel_initializer=initializer, name=name
        )(x)
        return tf_keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)

    x = convolution(_bits(params, raw, feature, context), params.width, 1, "width")
    for index, filters in enumerate(params.filters):
        x = convolution(x, filters, sides(x, params.kernel_size), f"conv_{index}")
        x = activation_layer(context.activation, name=f"activation_{index}")(x)
        if params.pool_size > 1 and not context.is_sequence:
            x = tf_keras.layers.MaxPooling2D(sides(x, params.pool_size), name=f"pool_{index}")(x)
    return hidden_layers(picture_head(x, params.head, context), params.units, context)


def _bits(params: ProjectionCnnParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """float32 ±1 [batch, rows, columns, bits]."""
    import tf_keras

    from ml.layers.frames import BatchAsFrames, FramesAsBatch
    from ml.layers.patches import Patches
    from ml.layers.standardize import Bits
    from ml.layers.structured_projection import StructuredProjection
    from ml.layers.text_projection import TextProjection

    size, stride = params.cut(feature)
    if context.is_sequence:
        stride = 1
    rows, columns = params.pieces(feature, stride)
    name = f"{feature.name}_projection"
    if feature.type == "text":
        projection = TextProjection(params.bits, seed=context.seed, name=name)
    else:
        projection = StructuredProjection(outputs=params.bits, center=[0], seed=context.seed, name=name)
    if feature.type == "video" or feature.is_tokens:
        cut = FramesAsBatch(name=f"{feature.name}_pieces_as_batch")
    else:
        cut = Patches(size, stride, name=f"{feature.name}_patches")
    bits = projection(cut(_whole_numbers(raw, feature, context)))
    bits = BatchAsFrames(rows * columns, name=f"{feature.name}_batch_as_pieces")(bits)
    bits = Bits(name=f"{feature.name}_bits")(bits)
    return tf_keras.layers.Reshape((rows, columns, params.bits), name=f"{feature.name}_pieces")(bits)


def _whole_numbers(raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """Bytes of text, or float32 of whole numbers around zero, which padding with zeros leaves alone."""
    import tf_keras

    from ml.layers.front_end import standardized
    from ml.layers.standardize import WholeNumbers

    if feature.type == "text":
        return raw
    if feature.type in ("image", "video"):
        center = [-float(round(mean)) for mean in context.statistics[feature.name].mean]
        return tf_keras.layers.Rescaling(1.0, offset=center, name=f"{feature.name}_centered")(raw)
    return WholeNumbers(name=f"{feature.name}_whole")(standardized(raw, feature, context))


MODEL_TYPE = ModelType(
    name="projection_cnn",
    title="Projection convolutional",
    description="Random bits of each patch, window or token, then a small convolutional network over them.",
    params=ProjectionCnnParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video"}),
    steps=frozenset({"text", "sensor", "audio", "video"}),
)
