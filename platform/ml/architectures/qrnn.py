"""Quasi-recurrent network: convolutions along the steps, and a recurrence that has no weights of its own.

Bradbury, Merity, Xiong and Socher, "Quasi-Recurrent Neural Networks" (2016), section 2: masked convolutions of
`kernel_size` steps, which see the present and the past, give Z = tanh(W_z * X), F = σ(W_f * X) and O = σ(W_o * X);
then fo-pooling (`ml.layers.qrnn_pooling`). Everything with weights is computed for all steps at once.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=2048)]


class QrnnParams(ModelParams):
    units: list[Width] = Field(
        default=[64],
        min_length=1,
        max_length=8,
        title="Layers",
        description="Width of each layer, first to last; with both directions, of each of them.",
    )
    kernel_size: int = Field(
        default=2,
        ge=1,
        le=16,
        title="Kernel size",
        description="How many steps each gate sees: the present and before.",
    )
    bidirectional: bool = Field(
        default=False, title="Both directions", description="A second half of each layer reads from the end."
    )


def encode(params: QrnnParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. The output is that of the last step; of text, that of its last byte or token."""
    from ml.layers.front_end import as_sequence
    from ml.layers.valid_steps import both_ways, last_step, valid_steps

    x = as_sequence(raw, feature, context)
    valid = valid_steps(raw, feature)
    for index, width in enumerate(params.units):
        keep_steps = context.is_sequence or index < len(params.units) - 1
        read = partial(_read, width=width, kernel_size=params.kernel_size, context=context)
        name = f"qrnn_{index}"
        if params.bidirectional:
            x = both_ways(read, x, valid, name=name, keep_steps=keep_steps)
        else:
            x = read(x, name) if keep_steps else last_step(read(x, name), valid)
    return x


def _read(x: Any, name: str, *, width: int, kernel_size: int, context: BuildContext) -> Any:
    """One layer in one direction: [batch, steps, values] → [batch, steps, width]."""
    import tf_keras

    from ml.layers.heads import seeded_initializer
    from ml.layers.qrnn_gates import QrnnGates
    from ml.layers.qrnn_pooling import QrnnPooling

    x = tf_keras.layers.Reshape((x.shape[1], 1, x.shape[2]), name=f"{name}_picture")(x)
    x = tf_keras.layers.ZeroPadding2D(((kernel_size - 1, 0), (0, 0)), name=f"{name}_past")(x)
    x = tf_keras.layers.Conv2D(
        3 * width, (kernel_size, 1), kernel_initializer=seeded_initializer(context, name), name=name
    )(x)
    return QrnnPooling(name=f"{name}_pooling")(QrnnGates(name=f"{name}_gates")(x))


MODEL_TYPE = ModelType(
    name="qrnn",
    title="QRNN",
    description="Convolutions along the steps with a recurrence between them: nearly as an LSTM, and much faster.",
    params=QrnnParams,
    encode=encode,
    takes=frozenset({"image", "text", "sensor", "audio", "video"}),
    steps=frozenset({"text", "sensor", "audio", "video"}),
)
