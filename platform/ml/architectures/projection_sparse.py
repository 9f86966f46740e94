"""Random bits in blocks, each of which is read as a number that looks up learned weights.

Ravi, "ProjectionNet: Learning Efficient On-Device Deep Networks Using Neural Projections" (2017), section 3: a
projection function of d bits has 2^d outcomes, and each of them has weights of its own. Nothing is multiplied on the
device, whatever the width; the file grows with T·2^d·width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.architectures.projection import check_inputs
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=8192)]

MAX_WEIGHTS = 2**26


class ProjectionSparseParams(ModelParams):
    projections: int = Field(
        default=100, ge=1, le=4096, title="Projections (T)", description="How many projection functions."
    )
    bits: int = Field(
        default=4,
        ge=1,
        le=16,
        title="Bits (d)",
        description="How many bits each function gives: it has two to the power of this rows of weights.",
    )
    width: Width = Field(
        default=16, title="Width", description="Weights of a row; the rows that the bits look up are added."
    )
    units: list[Width] = Field(
        default=[],
        max_length=4,
        title="Hidden layers",
        description="Width of each dense layer after the sum. Empty: the sum feeds the output layer.",
    )

    @model_validator(mode="after")
    def check_size(self) -> Self:
        weights = (self.projections << self.bits) * self.width
        if weights > MAX_WEIGHTS:
            raise ValueError(
                f"the tables are too large. Received: projections {self.projections} · 2^{self.bits} · "
                f"width {self.width} = {weights} weights. Accepted: at most {MAX_WEIGHTS}"
            )
        return self

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        return check_inputs(feature)


def encode(params: ProjectionSparseParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode."""
    from ml.layers.bit_lookup import BitLookup
    from ml.layers.front_end import projected
    from ml.layers.heads import activation_layer, hidden_layers, seed_of

    bits = projected(raw, feature, context, outputs=params.projections * params.bits)
    x = BitLookup(params.bits, params.width, seed=seed_of(context, "lookup"), name="lookup")(bits)
    if params.units:
        x = activation_layer(context.activation, name="lookup_activation")(x)
    return hidden_layers(x, params.units, context)


MODEL_TYPE = ModelType(
    name="projection_sparse",
    title="Sparse projection",
    description="Random bits look up learned weights: next to no arithmetic, a larger file.",
    params=ProjectionSparseParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video", "vector"}),
    steps=frozenset({"text"}),
)
