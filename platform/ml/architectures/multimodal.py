"""Several features in one model: each is read by a network of its own, what they give is put side by side.

Ngiam et al., "Multimodal Deep Learning" (2011): late fusion, a shared representation over one network for each input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, ValidationInfo, WithJsonSchema, field_validator

from ml.architectures.assemble import input_of
from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.declared import NAME_PATTERN, Declared
from ml.features import FeatureSpec

Width = Annotated[int, Field(ge=1, le=8192)]
FeatureName = Annotated[str, Field(pattern=NAME_PATTERN)]


class Branch(Declared):
    """The network that reads one feature: a model type without its output layer."""

    model_type: str = Field(title="Model type", description="The architecture.")
    params: SerializeAsAny[ModelParams] = Field(
        default=ModelParams(),
        validate_default=True,
        title="Parameters",
        description="The architecture's own parameters; each has a default.",
    )

    @field_validator("model_type")
    @classmethod
    def check_model_type(cls, value: str) -> str:
        accepted = branch_types()
        if value not in accepted:
            raise ValueError(f"can't read a feature. Received: {value!r}. Accepted: {', '.join(accepted)}")
        return value

    @field_validator("params", mode="before")
    @classmethod
    def params_of_the_model_type(cls, value: object, info: ValidationInfo) -> object:
        model_type = info.data.get("model_type")
        if model_type is None:  # its own error is reported
            return ModelParams()
        params = branch_types()[model_type].params
        if isinstance(value, params):
            return value
        if isinstance(value, ModelParams):
            value = value.model_dump()
        return params.model_validate({} if value is None else value)


# The parameters of a model type stand inside the schema of a spec, so they refer to no definitions of their own; with
# no properties, a form has nothing to show.
BRANCHES_SCHEMA = {
    "type": "object",
    "properties": {},
    "additionalProperties": {
        "type": "object",
        "properties": {"model_type": {"type": "string"}, "params": {"type": "object"}},
        "required": ["model_type"],
        "additionalProperties": False,
    },
}


class MultimodalParams(ModelParams):
    branches: Annotated[dict[FeatureName, Branch], WithJsonSchema(BRANCHES_SCHEMA)] = Field(
        default={},
        max_length=8,
        title="Branches",
        description="The network of each feature, by the feature's name: {model_type, params}. A feature without one "
        "is read by what suits its type.",
    )
    units: list[Width] = Field(
        default=[64],
        max_length=4,
        title="Hidden layers",
        description="Width of each dense layer over what all features give.",
    )

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        names = [one.name for one in features]
        unknown = [name for name in self.branches if name not in names]
        if unknown:
            return f"branches are for features that there are. Received: {unknown[0]}. Accepted: {', '.join(names)}"
        branch = self.branch_of(feature)
        model_type = branch_types()[branch.model_type]
        if feature.type not in model_type.takes:
            accepted = ", ".join(name for name, kind in branch_types().items() if feature.type in kind.takes)
            return (
                f"branches.{feature.name} does not take {feature.type}. Received: {branch.model_type}. "
                f"Accepted: {accepted}"
            )
        problem = branch.params.check(feature, [feature])
        return f"branches.{feature.name}: {problem}" if problem else None

    def branch_of(self, feature: FeatureSpec) -> Branch:
        """The branch that is declared for a feature, or the one that suits its type and size."""
        if feature.name in self.branches:
            return self.branches[feature.name]
        branch = Branch(model_type="feed_forward" if feature.type in ("text", "vector") else "depthwise_cnn")
        # Too small for convolutions with pooling.
        return Branch(model_type="feed_forward") if branch.params.check(feature, [feature]) else branch

    @property
    def brings_weights(self) -> bool:
        return any(branch.params.brings_weights for branch in self.branches.values())


def branch_types() -> dict[str, ModelType]:
    """The model types that can be a branch, by name: those that are made here, of one feature."""
    from ml.architectures import MODEL_TYPES  # the registry holds this module

    return {
        name: kind
        for name, kind in MODEL_TYPES.items()
        if kind.encode is not None and not kind.takes_several and not kind.is_trainer_only
    }


def build(params: MultimodalParams, context: BuildContext) -> Any:
    """See ModelType.build. The layers of a branch are named after its feature: `image.conv_0`.

    A branch with layers that can't be made again, of an uploaded model, is one layer: `branch_image`.
    """
    import tf_keras

    from ml.layers.heads import hidden_layers, output_layer

    raw = {feature.name: input_of(feature) for feature in context.features}
    encoded = [_encoded(params, raw[feature.name], feature, context) for feature in context.features]
    x = tf_keras.layers.Concatenate(name="all_features")(encoded) if len(encoded) > 1 else encoded[0]
    return tf_keras.Model(raw, output_layer(hidden_layers(x, params.units, context), context), name=context.name)


def _encoded(params: MultimodalParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """What the branch of a feature gives: float32 [batch, width]."""
    import tf_keras

    branch = params.branch_of(feature)
    encode = branch_types()[branch.model_type].encode
    assert encode is not None
    # Weights start by the name: two branches of the same type must not start alike.
    inner = replace(context, name=f"{context.name}/{feature.name}", features=(feature,))
    alone = input_of(feature)
    network = tf_keras.Model(alone, encode(branch.params, alone, feature, inner), name=f"branch_{feature.name}")

    def renamed(layer: Any) -> Any:
        return layer.__class__.from_config({**layer.get_config(), "name": f"{feature.name}.{layer.name}"})

    # Its layers become layers of the whole model, not of a model within: that could not be trained in 8 bits.
    try:
        clone = tf_keras.models.clone_model(network, input_tensors=raw, clone_function=renamed)
    except NotImplementedError:  # raised by a layer that has no config, as that of an uploaded model
        return network(raw)
    clone.set_weights(network.get_weights())  # some architectures have loaded theirs
    return clone.output


MODEL_TYPE = ModelType(
    name="multimodal",
    title="Multimodal",
    description="Several features, each read by its own network, feed one classifier.",
    params=MultimodalParams,
    build=build,
    takes=frozenset({"image", "text", "sensor", "audio", "video", "vector"}),
    takes_several=True,
)
