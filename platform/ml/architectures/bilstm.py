"""Two long short-term memories, one that reads forwards and one that reads backwards.

Graves and Schmidhuber, "Framewise phoneme classification with bidirectional LSTM" (2005).
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=2048)]


class BiLstmParams(ModelParams):
    units: list[Width] = Field(
        default=[32],
        min_length=1,
        max_length=4,
        title="Layers",
        description="Width of each layer for each direction, first to last: it gives twice as many values.",
    )


def encode(params: BiLstmParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. Of each direction it is the output where it ends: the last valid step, and the first."""
    from ml.layers.front_end import as_sequence
    from ml.layers.valid_steps import both_ways, valid_steps

    x = as_sequence(raw, feature, context)
    valid = valid_steps(raw, feature)
    last = len(params.units) - 1
    for index, width in enumerate(params.units):
        read = partial(_read, width=width, context=context)
        x = both_ways(read, x, valid, name=f"lstm_{index}", keep_steps=context.is_sequence or index < last)
    return x


def _read(x: Any, name: str, *, width: int, context: BuildContext) -> Any:
    from ml.layers.heads import seed_of
    from ml.layers.long_short_term_memory import LongShortTermMemory

    return LongShortTermMemory(width, seed=seed_of(context, name), name=name)(x)


MODEL_TYPE = ModelType(
    name="bilstm",
    title="Bidirectional LSTM",
    description="Reads forwards and backwards, so that each step knows what comes before and after it.",
    params=BiLstmParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video"}),
    steps=frozenset({"text", "sensor", "audio", "video"}),
)
