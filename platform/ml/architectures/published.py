"""What the published networks have in common: their parameters, what they see, and how their weights start."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, field_validator

from ml.architectures.base import BuildContext, ModelParams
from ml.architectures.named_files import existing_file, field_refused, relative_file
from ml.features import FeatureSpec, FeatureType
from ml.features.statistics import Statistics

IMAGENET = "imagenet"
TAKES: frozenset[FeatureType] = frozenset({"image", "audio", "video"})
# How the pixels were scaled that the published weights have learned from, as `preprocess_input` of keras.applications
# does it: to -1 … 1 ("tf"), or less the mean of ImageNet, with blue first ("caffe"). Three values make three equal
# channels of a grey picture.
_PIXELS = {
    "tf": Statistics(mean=(127.5,) * 3, std=(127.5,) * 3),
    "caffe": Statistics(mean=(123.68, 116.779, 103.939), std=(1.0,) * 3),
}
# With the published values (0.99 to 0.9997) the averages would still remember their start after a short run.
_MOMENTUM = 0.9
# The initializers of random weights in the layers that the networks are made of; all others are zeros or ones.
_INITIALIZERS = {
    "kernel": "kernel_initializer",
    "depthwise_kernel": "depthwise_initializer",
    "pointwise_kernel": "pointwise_initializer",
}


class PublishedParams(ModelParams):
    """Base of the parameters of one published network."""

    weights: str | None = Field(
        default=None,
        title="Weights",
        description="Start from these: imagenet (downloaded), or a .h5 or .keras file of the same network, as a path "
        "beside the spec. Empty: at random.",
    )

    @field_validator("weights")
    @classmethod
    def check_weights(cls, value: str | None) -> str | None:
        if value is None or value == IMAGENET:
            return value
        return relative_file(value, suffixes=(".h5", ".keras"), otherwise=f"{IMAGENET}, or ")

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        height, width, _ = feature.picture
        if min(height, width) < self.smallest_side:
            side = self.smallest_side
            return f"the network needs larger pictures. Received: {height}x{width}. Accepted: at least {side}x{side}"
        if self.weights is not None and self.scaling is not None and feature.type not in ("image", "video"):
            return (
                f"these weights know pixels only. Received: weights {self.weights} for {feature.type}. Accepted: null"
            )
        return None

    @property
    def brings_weights(self) -> bool:
        return self.weights is not None

    @property
    def smallest_side(self) -> int:
        """The least height and width of a picture, in pixels."""
        return 32

    @property
    def scaling(self) -> Literal["tf", "caffe"] | None:
        """How pixels are scaled for pre-trained weights; None: standardized, as without."""
        return "tf"

    def network(self, pictures: Any, weights: str | None, context: BuildContext) -> Any:
        """The layers on pictures, float32 [batch, height, width, channels], up to what is pooled for the output layer.

        `weights` is None or "imagenet", which may be downloaded.
        """
        raise NotImplementedError


def encode(params: PublishedParams, raw: Any, feature: FeatureSpec, context: BuildContext) -> Any:
    """See ModelType.encode: the mean over the picture of what the network gives. Of a video, the mean over its frames.

    Raises RefusedError `file_not_found`, `weights_not_downloaded`, `unreadable_weights` or `weights_mismatch`.
    """
    return encode_with_layers(params, raw, feature, context)[0]


def encode_with_layers(
    params: PublishedParams, raw: Any, feature: FeatureSpec, context: BuildContext, *, where: str = "params"
) -> tuple[Any, list[Any]]:
    """What `encode` gives, and the network's own layers, first to last. `where` the parameters are, for refusals."""
    from ml.layers.front_end import encode_pictures
    from ml.layers.heads import picture_head
    from ml.layers.reversed_channels import ReversedChannels

    scaling = params.scaling if params.weights is not None else None
    field = f"{context.name}.{where}.weights"
    layers: list[Any] = []

    def body(pictures: Any) -> Any:
        if scaling == "caffe":
            pictures = ReversedChannels(name="blue_first")(pictures)
        output = _network(params, pictures, context, field)
        layers.extend(_layers_between(pictures, output))
        _start(layers, params, context, field)
        return picture_head(output, "average", context)

    if scaling is not None:
        context = replace(context, statistics={**context.statistics, feature.name: _PIXELS[scaling]})
    return encode_pictures(raw, feature, context, body), layers


def _network(params: PublishedParams, pictures: Any, context: BuildContext, field: str) -> Any:
    import tf_keras

    # Layers without a name of their own are numbered as they are made: start at zero, so that a name, and with it the
    # start of the weights, does not depend on what was built before.
    tf_keras.backend.reset_uids()
    if params.weights != IMAGENET:
        return params.network(pictures, None, context)
    try:
        with redirect_stdout(sys.stderr):  # the download's progress is no event of the run
            return params.network(pictures, IMAGENET, context)
    except Exception as error:  # what keras.applications raises when a download fails has no type of its own
        raise field_refused(
            "weights_not_downloaded",
            field,
            f"the weights could not be loaded ({error}). Received: {IMAGENET}. Accepted: {IMAGENET} with access to the "
            "network or with the file in ~/.keras/models, a weights file beside the spec, or null",
        ) from None


def _layers_between(start: Any, end: Any) -> list[Any]:
    """The layers on the way from one tensor of a model to another, in the model's order."""
    import tf_keras

    # The way from the input to `start` has no branches; in a network with many, looking for the input takes for ever.
    inputs = tf_keras.utils.get_source_inputs(start)
    before = {id(layer) for layer in tf_keras.Model(inputs, start).layers}
    return [layer for layer in tf_keras.Model(inputs, end).layers if id(layer) not in before]


def _start(layers: Sequence[Any], params: PublishedParams, context: BuildContext, field: str) -> None:
    """Gives the weights of the layers their first values."""
    for layer in layers:
        if hasattr(layer, "momentum"):
            layer.momentum = _MOMENTUM
    if params.weights is None:
        start_at_random(layers, context)
    elif params.weights != IMAGENET:
        from ml.architectures.weights import load_weights

        load_weights(layers, existing_file(context, params.weights, field=field), field=field)


def start_at_random(layers: Sequence[Any], context: BuildContext) -> None:
    """Draws the random weights again, by the layers' own initializers, each with a seed of its own."""
    from ml.layers.heads import seed_of

    for layer in layers:
        for weight, initializer in _INITIALIZERS.items():
            variable = getattr(layer, weight, None)
            if variable is not None:
                drawn_by = getattr(layer, initializer)
                config = {**drawn_by.get_config(), "seed": seed_of(context, f"{layer.name}/{weight}")}
                variable.assign(type(drawn_by).from_config(config)(variable.shape, variable.dtype))
