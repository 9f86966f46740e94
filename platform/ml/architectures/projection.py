"""Random projections to bits, then a small dense classifier.

Ravi, "ProjectionNet: Learning Efficient On-Device Deep Networks Using Neural Projections" (2017), section 3:
T functions of d bits each, bit = sign of ⟨random vector, x⟩. The random vectors are never stored: see
`ml.layers.structured_projection`.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType

Width = Annotated[int, Field(ge=1, le=8192)]

# Above this many input values the integer sums of the projection would no longer be exact in float32.
MAX_INPUTS = 65536


class ProjectionParams(ModelParams):
    projections: int = Field(
        default=60, ge=1, le=4096, title="Projections (T)", description="How many projection functions."
    )
    bits: int = Field(default=12, ge=1, le=64, title="Bits (d)", description="How many bits each function gives.")
    units: list[Width] = Field(
        default=[],
        max_length=4,
        title="Hidden layers",
        description="Width of each dense layer between the bits and the output. Empty: the bits feed the output layer.",
    )

    def check_shape(self, shape: tuple[int, int, int]) -> str | None:
        if prod(shape) > MAX_INPUTS:
            return f"a projection takes at most {MAX_INPUTS} input values. Received: {prod(shape)} ({shape})"
        return None


def build(params: ProjectionParams, context: BuildContext) -> Any:
    """tf_keras.Model: uint8 [batch, height, width, channels] → logits float32 [batch, num_classes]."""
    import tf_keras

    from ml.layers.heads import dense_head
    from ml.layers.structured_projection import StructuredProjection

    pixels = tf_keras.Input(context.shape, dtype="uint8", name=context.feature)
    bits = StructuredProjection(
        outputs=params.projections * params.bits,
        center=[round(value) for value in context.statistics.mean],
        seed=context.seed,
        name="projection",
    )(pixels)
    return tf_keras.Model(pixels, dense_head(bits, params.units, context), name=context.name)


MODEL_TYPE = ModelType(
    name="projection",
    title="Projection",
    description="Random bits of the input feed a small dense classifier. Tiny and fast; nothing large is stored.",
    params=ProjectionParams,
    build=build,
)
