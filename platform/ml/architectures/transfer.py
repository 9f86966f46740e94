"""Transfer learning: a network that was trained on something else, with a new top.

Yosinski et al., "How transferable are features in deep neural networks?" (2014): the first layers of a trained network
are of use for other tasks as they are; the more of the last ones learn anew, the more special they become.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, ValidationInfo, WithJsonSchema, field_validator

from ml.architectures import inception_v3, mobilenet, nasnet_mobile, resnet
from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.architectures.named_files import existing_file, field_refused
from ml.architectures.published import PublishedParams, encode_with_layers
from ml.architectures.uploaded import UploadedBaseParams
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=8192)]

_BASES: dict[str, type[ModelParams]] = {
    **{module.MODEL_TYPE.name: module.MODEL_TYPE.params for module in (mobilenet, nasnet_mobile, inception_v3, resnet)},
    "uploaded": UploadedBaseParams,
}


class TransferParams(ModelParams):
    base: Literal["mobilenet", "nasnet_mobile", "inception_v3", "resnet", "uploaded"] = Field(
        default="mobilenet", title="Base", description="The trained network: a published one, or one that you bring."
    )
    # Inside the schema of a spec it can refer to no definitions of its own.
    base_params: Annotated[SerializeAsAny[ModelParams], WithJsonSchema({"type": "object", "properties": {}})] = Field(
        default=ModelParams(),
        validate_default=True,
        title="Base parameters",
        description="Those of the base's model type, with its weights; for uploaded {path, signature, input_scale, "
        "base_output}.",
    )
    from_layer: int | str | None = Field(
        default=None,
        title="From layer",
        description="The first layer of the base that learns along with the new top: its name, or its number (0 is the "
        "first, -1 the last). Empty: only the top learns.",
    )
    units: list[Width] = Field(
        default=[], max_length=4, title="Hidden layers", description="Width of each dense layer of the new top."
    )

    @field_validator("base_params", mode="before")
    @classmethod
    def params_of_the_base(cls, value: object, info: ValidationInfo) -> object:
        base = info.data.get("base")
        if base is None:  # its own error is reported
            return ModelParams()
        if isinstance(value, ModelParams):
            value = value.model_dump()
        return _BASES[base].model_validate({} if value is None else value)

    @field_validator("base_params")
    @classmethod
    def check_weights(cls, value: ModelParams) -> ModelParams:
        if isinstance(value, PublishedParams) and value.weights is None:
            raise ValueError(
                "has no weights: a base that knows nothing has nothing to pass on. Received: weights null. "
                "Accepted: imagenet, or a weights file"
            )
        return value

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        if isinstance(self.base_params, PublishedParams) and feature.type not in ("image", "video"):
            return f"the base {self.base} knows pictures. Received: {feature.type}. Accepted: image, video"
        problem = self.base_params.check(feature, features)
        return f"base_params: {problem}" if problem else None

    @property
    def brings_weights(self) -> bool:
        return True


def encode(params: TransferParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode. Batch normalization of layers that don't learn stays as at inference; so does, in an
    uploaded base, that of layers that do.

    Raises RefusedError `unknown_layer` for a `from_layer` that the base has not, and what the base raises.
    """
    from ml.layers.heads import hidden_layers

    if isinstance(params.base_params, PublishedParams):
        x, layers = encode_with_layers(params.base_params, raw, feature, context, where="params.base_params")
        freeze(layers, params.from_layer, context)
    else:
        assert isinstance(params.base_params, UploadedBaseParams)
        x = _uploaded(params.base_params, params.from_layer, raw, feature, context)
    return hidden_layers(x, params.units, context)


def freeze(layers: Sequence[Any], from_layer: int | str | None, context: BuildContext) -> None:
    """Keeps the weights of all `layers` before `from_layer` as they are; of all if it is None. Raises RefusedError."""
    names = [layer.name for layer in layers]
    first = len(layers)
    if isinstance(from_layer, str):
        if from_layer not in names:
            close = difflib.get_close_matches(from_layer, names, cutoff=0.0) or names
            raise _unknown_layer(from_layer, f"a name in it, as {', '.join(close)}", context)
        first = names.index(from_layer)
    elif from_layer is not None:
        if not -len(layers) <= from_layer < len(layers):
            raise _unknown_layer(str(from_layer), f"-{len(layers)} to {len(layers) - 1}", context)
        first = from_layer % len(layers)
    for layer in layers[:first]:
        layer.trainable = False


def _unknown_layer(received: str, accepted: str, context: BuildContext) -> Exception:
    field = f"{context.name}.params.from_layer"
    message = f"the base has no such layer. Received: {received}. Accepted: {accepted}"
    return field_refused("unknown_layer", field, message)


def _uploaded(
    params: UploadedBaseParams, from_layer: int | str | None, raw: Any, feature: FeatureSpec, context: BuildContext
) -> Any:
    import tf_keras

    from ml.layers.heads import picture_head
    from ml.uploaded.base import base_of
    from ml.uploaded.loading import load_uploaded

    field = f"{context.name}.params.base_params.path"
    path = existing_file(context, params.path, field=field)
    x = base_of(
        load_uploaded(path, signature=params.signature, field=field),
        raw,
        feature,
        context,
        input_scale=params.input_scale,
        output=params.base_output,
        freeze=partial(freeze, from_layer=from_layer, context=context),
    )
    if len(x.shape) == 4:
        return picture_head(x, "average", context)
    return x if len(x.shape) == 2 else tf_keras.layers.Flatten(name="flatten")(x)


MODEL_TYPE = ModelType(
    name="transfer",
    title="Transfer",
    description="A trained network keeps what it knows and gets a new top, for when there are few examples.",
    params=TransferParams,
    encode=encode,
    takes=frozenset({"image", "video", "audio", "sensor", "vector", "text"}),
)
