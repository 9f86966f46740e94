"""Random projections to bits, then a small dense classifier.

Ravi, "ProjectionNet: Learning Efficient On-Device Deep Networks Using Neural Projections" (2017), section 3:
T functions of d bits each, bit = sign of ⟨random vector, x⟩. The random vectors are never stored: see
`ml.layers.structured_projection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Any

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.features import FeatureSpec

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

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        return check_inputs(feature)


def check_inputs(feature: FeatureSpec) -> str | None:
    """Says that a feature has too many values for a projection, or None."""
    values = feature.frames * feature.spectrogram.bands if feature.type == "audio" else prod(feature.shape)
    if feature.type != "text" and values > MAX_INPUTS:
        return f"a projection takes at most {MAX_INPUTS} input values. Received: {values} ({list(feature.shape)})"
    return None


def encode(params: ProjectionParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode."""
    from ml.layers.front_end import projected
    from ml.layers.heads import hidden_layers

    bits = projected(raw, feature, context, outputs=params.projections * params.bits)
    return hidden_layers(bits, params.units, context)


MODEL_TYPE = ModelType(
    name="projection",
    title="Projection",
    description="Random bits of the input feed a small dense classifier. Tiny and fast; nothing large is stored.",
    params=ProjectionParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video", "vector"}),
    steps=frozenset({"text"}),
)
