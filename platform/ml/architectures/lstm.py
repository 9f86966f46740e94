"""Long short-term memory: a recurrent network that reads step after step and keeps what matters.

Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with forget gates (Gers et al., 2000): see
`ml.layers.long_short_term_memory` for the equations.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=2048)]


class LstmParams(ModelParams):
    units: list[Width] = Field(
        default=[64],
        min_length=1,
        max_length=4,
        title="Layers",
        description="Width of each recurrent layer, first to last.",
    )


def encode(params: LstmParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. The output is that of the last step; of text, that of its last byte or token."""
    from ml.layers.front_end import as_sequence
    from ml.layers.heads import seed_of
    from ml.layers.long_short_term_memory import LongShortTermMemory
    from ml.layers.valid_steps import last_step, valid_steps

    x = as_sequence(raw, feature, context)
    for index, width in enumerate(params.units):
        name = f"lstm_{index}"
        x = LongShortTermMemory(width, seed=seed_of(context, name), name=name)(x)
    # Nothing flows back in time: what stands after the end of a text changes nothing before it.
    return x if context.is_sequence else last_step(x, valid_steps(raw, feature))


MODEL_TYPE = ModelType(
    name="lstm",
    title="LSTM",
    description="Reads step after step and keeps what matters: for signals, sounds and text where order counts.",
    params=LstmParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video"}),
    steps=frozenset({"text", "sensor", "audio", "video"}),
)
