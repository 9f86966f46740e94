"""An uploaded model in the place of one that is built here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import tensorflow as tf

from ml.architectures.base import BuildContext
from ml.architectures.named_files import field_refused
from ml.features import FeatureSpec
from ml.refusal import RefusedError
from ml.uploaded.loading import Loaded
from ml.uploaded.scaling import InputScale, scaled

Output = Literal["logits", "probabilities"]

# A probability of 0 or 1 has no logit; Keras' own losses cut there as well.
_SMALLEST = 1e-7


class UploadedModel(tf.Module):  # type: ignore[misc]
    """model({feature name: raw batch}) → float32 logits [batch, outputs], or [batch, steps, outputs].

    With or without `training` it behaves as at inference (see `Loaded.call`). `trainable` False keeps all weights as
    they are. Checkpoints and SavedModels hold its variables, and whatever else the uploaded model reads from files.
    """

    def __init__(self, forward: Callable[[Mapping[str, tf.Tensor]], tf.Tensor], loaded: Loaded) -> None:
        super().__init__()
        self.trainable = True
        self._forward = forward  # a function, so that a Keras model behind it is not taken for a part of this one
        self._weights = list(loaded.variables)
        self._learning = list(loaded.trainable_variables)
        self._tracked = loaded.tracked

    def __call__(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return self._forward(inputs)

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        return tuple(self._weights)

    @property
    def weights(self) -> list[tf.Variable]:
        """The same, as a Keras model has them."""
        return list(self._weights)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        return tuple(self._learning) if self.trainable else ()

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """The same, as a Keras model has them."""
        return list(self.trainable_variables)

    def count_params(self) -> int:
        """How many numbers all variables hold."""
        return sum(int(variable.shape.num_elements()) for variable in self._weights)


def uploaded_model(
    loaded: Loaded, context: BuildContext, *, input_scale: InputScale, output_name: str | None, output: Output
) -> UploadedModel:
    """Puts a loaded model on the features and the task of a spec.

    Raises RefusedError `uploaded_model_mismatch` if its inputs or outputs are not those of the spec.
    """
    if context.output_buckets is not None:
        message = f"the model has its own output layer. Received: {context.output_buckets}. Accepted: null"
        raise field_refused("uploaded_model_mismatch", f"{context.name}.output_buckets", message)
    feeds = fed_by(loaded, context)
    gives = _gives(output, context)

    def outputs_of(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return loaded.call(
            {
                name: scaled(inputs[feature.name], feature, input_scale, loaded.inputs[name].dtype)
                for name, feature in feeds.items()
            }
        )

    chosen = _chosen_output(loaded, outputs_of(_two_of_nothing(context)), output_name, context)

    def forward(inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return gives(tf.cast(outputs_of(inputs)[chosen], tf.float32))

    return UploadedModel(forward, loaded)


def fed_by(loaded: Loaded, context: BuildContext) -> dict[str, FeatureSpec]:
    """Which feature goes into which input. Raises RefusedError `uploaded_model_mismatch`."""
    features = {feature.name: feature for feature in context.features}
    if len(features) == len(loaded.inputs) == 1:  # whatever they are called
        features = dict(zip(loaded.inputs, context.features, strict=True))
    if set(features) != set(loaded.inputs):
        raise mismatch(
            loaded, "has other inputs than the spec has features", ", ".join(loaded.inputs), ", ".join(features)
        )
    for name, spec in loaded.inputs.items():
        feature = features[name]
        if spec.dtype == tf.string and feature.type != "text":
            raise mismatch(loaded, f"takes strings for {name!r}", f"a feature of type {feature.type}", "text")
        shape = feature.shape[:-1] if spec.dtype == tf.string else feature.shape
        if not spec.shape.is_compatible_with([None, *shape]):
            raise mismatch(
                loaded,
                f"does not take the feature '{feature.name}'",
                f"an input of the shape {_shown(spec.shape)}",
                f"{_shown([None, *shape])}, as the feature has it",
            )
        if spec.shape.rank is not None and spec.shape[0] is not None:
            raise mismatch(loaded, "takes batches of one size only", _shown(spec.shape), _shown([None, *shape]))
    return features


def mismatch(loaded: Loaded, problem: str, received: str, accepted: str) -> RefusedError:
    """The refusal of an uploaded model whose inputs or outputs do not fit."""
    message = f"the model {problem}. Received: {received}. Accepted: {accepted}"
    return field_refused("uploaded_model_mismatch", loaded.field, message)


def _two_of_nothing(context: BuildContext) -> dict[str, tf.Tensor]:
    """A batch of two zero examples: one alone would not show a model that mixes up the batch."""
    return {feature.name: tf.zeros([2, *feature.shape], feature.dtype) for feature in context.features}


def _chosen_output(loaded: Loaded, outputs: Mapping[str, tf.Tensor], name: str | None, context: BuildContext) -> str:
    if name is None and len(outputs) > 1:
        raise mismatch(loaded, "has several outputs", "no output_name", ", ".join(outputs))
    chosen = name if name is not None else next(iter(outputs))
    if chosen not in outputs:
        raise mismatch(loaded, "has no such output", f"output_name {chosen}", ", ".join(outputs))
    wanted = [2, context.task.num_outputs]
    if context.is_sequence:
        wanted.insert(1, context.features[0].steps or 0)
    found = outputs[chosen]
    if not found.dtype.is_floating or list(found.shape) != wanted:
        what = "classes" if context.task.num_classes else "values"
        raise mismatch(
            loaded,
            f"does not give the {context.task.num_outputs} {what} of the task",
            f"an output {chosen!r} of {found.dtype.name} {_shown([None, *found.shape[1:]])}",
            f"floating point {_shown([None, *wanted[1:]])}",
        )
    return chosen


def _gives(output: Output, context: BuildContext) -> Callable[[tf.Tensor], tf.Tensor]:
    """From what the model gives to logits, whose softmax (or, of several labels, sigmoid) is what it gave."""
    if output == "logits":
        return lambda values: values
    if context.task.type == "regression":
        message = (
            "a regression has no probabilities. Received: probabilities. Accepted: logits, for the values as they are"
        )
        raise field_refused("uploaded_model_mismatch", f"{context.name}.params.output", message)
    if context.task.type == "multi_label":
        return lambda values: tf.math.log(_cut(values)) - tf.math.log(1.0 - _cut(values))
    return lambda values: tf.math.log(_cut(values))


def _cut(values: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(values, _SMALLEST, 1.0 - _SMALLEST)


def _shown(shape: Any) -> str:
    """[None, 8, 8, 1] as [batch, 8, 8, 1]; other sizes that are free as "any"."""
    if isinstance(shape, tf.TensorShape) and shape.rank is None:
        return "any"
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"[{', '.join(['batch', *sizes[1:]] if sizes[0] == 'any' else sizes)}]"
