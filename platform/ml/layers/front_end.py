"""From what an application hands over to what a network's first layer takes: as a vector, a sequence or a picture.

All of it is in the graph, so that the exported file takes raw pixels, samples or bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import tensorflow as tf
import tf_keras

from ml.architectures.base import BuildContext
from ml.features import FeatureSpec
from ml.layers.frames import BatchAsFrames, FramesAsBatch
from ml.layers.hashed_embedding import HashedEmbedding
from ml.layers.heads import seed_of
from ml.layers.log_mel import LogMel
from ml.layers.standardize import Bits, Standardize, WholeNumbers
from ml.layers.structured_projection import StructuredProjection
from ml.layers.text_projection import TextProjection

TEXT_WIDTH = 32
TEXT_BUCKETS = 2048


def standardized(raw: tf.Tensor, feature: FeatureSpec, context: BuildContext) -> tf.Tensor:
    """The numbers of any feature but text as float32 of mean 0 and deviation 1; audio as [batch, frames, bands]."""
    x = raw
    if feature.type == "audio":
        x = LogMel(feature, name=f"{feature.name}_log_mel")(x)
    smallest = 1.0 if feature.type in ("image", "video") else 1e-6
    return Standardize(context.statistics[feature.name], smallest_std=smallest, name=f"{feature.name}_standardize")(x)


def as_sequence(raw: tf.Tensor, feature: FeatureSpec, context: BuildContext, *, width: int = TEXT_WIDTH) -> tf.Tensor:
    """float32 [batch, steps, values]: steps of a sensor, frames of a sound or video, rows of a picture, or text.

    Bytes and tokens of text become learned vectors of `width`.
    """
    if feature.type == "text":
        return _embedded(raw, feature, context, width=width)
    x = standardized(raw, feature, context)
    if feature.type in ("image", "video"):
        return tf_keras.layers.Reshape((x.shape[1], prod(x.shape[2:])), name=f"{feature.name}_steps")(x)
    if feature.type == "vector":
        return tf_keras.layers.Reshape((x.shape[1], 1), name=f"{feature.name}_steps")(x)
    return x


def as_image(raw: tf.Tensor, feature: FeatureSpec, context: BuildContext, *, width: int = TEXT_WIDTH) -> tf.Tensor:
    """float32 [batch, height, width, channels].

    A sound is its spectrogram in grey; what has steps only (sensor, text) is one pixel wide, its values as channels.
    """
    if feature.type == "image":
        return standardized(raw, feature, context)
    x = as_sequence(raw, feature, context, width=width)
    shape = (x.shape[1], x.shape[2], 1) if feature.type == "audio" else (x.shape[1], 1, x.shape[2])
    return tf_keras.layers.Reshape(shape, name=f"{feature.name}_picture")(x)


def as_vector(raw: tf.Tensor, feature: FeatureSpec, context: BuildContext, *, width: int = TEXT_WIDTH) -> tf.Tensor:
    """float32 [batch, values], or [batch, tokens, values] for text in tokens: everything of an example in one row."""
    if feature.type == "text":
        name = f"{feature.name}_embedding"
        return HashedEmbedding(TEXT_BUCKETS, width, seed=seed_of(context, name), name=name)(
            _text(raw, feature, context)
        )
    x = standardized(raw, feature, context)
    return x if feature.type == "vector" else tf_keras.layers.Flatten(name="flatten")(x)


def projected(raw: tf.Tensor, feature: FeatureSpec, context: BuildContext, *, outputs: int) -> tf.Tensor:
    """Random bits, float32 ±1: [batch, outputs], or [batch, tokens, outputs] for text in tokens.

    The projection needs whole numbers. Pixels are; other numbers are standardized and rounded.
    """
    name = f"{feature.name}_projection"
    if feature.type == "text":
        bits = TextProjection(outputs, seed=context.seed, name=name)(_text(raw, feature, context))
    elif feature.type in ("image", "video"):
        center = [round(value) for value in context.statistics[feature.name].mean]
        bits = StructuredProjection(outputs=outputs, center=center, seed=context.seed, name=name)(raw)
    else:
        x = WholeNumbers(name=f"{feature.name}_whole")(standardized(raw, feature, context))
        bits = StructuredProjection(outputs=outputs, center=[0], seed=context.seed, name=name)(x)
    return Bits(name=f"{feature.name}_bits")(bits)


def encode_pictures(
    raw: tf.Tensor, feature: FeatureSpec, context: BuildContext, body: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """What `body` (pictures [batch, height, width, channels] → [batch, values]) gives for a feature.

    Of a video, each frame goes through it by itself, and the mean over the frames is taken.
    """
    if feature.type != "video":
        return body(as_image(raw, feature, context))
    frames = FramesAsBatch(name="frames_as_batch")(standardized(raw, feature, context))
    steps = BatchAsFrames(feature.shape[0], name="batch_as_frames")(body(frames))
    return tf_keras.layers.GlobalAveragePooling1D(name="frames_average")(steps)


def _embedded(raw: tf.Tensor, feature: FeatureSpec, context: BuildContext, *, width: int) -> tf.Tensor:
    name = f"{feature.name}_embedding"
    if feature.is_tokens:
        return HashedEmbedding(TEXT_BUCKETS, width, seed=seed_of(context, name), name=name)(raw)
    # A byte is its own index; zeros after the end of the text have a vector like any other.
    start = tf_keras.initializers.RandomUniform(-0.05, 0.05, seed=seed_of(context, name))
    return tf_keras.layers.Embedding(256, width, embeddings_initializer=start, name=name)(raw)


def _text(raw: tf.Tensor, feature: FeatureSpec, context: BuildContext) -> tf.Tensor:
    """Text as one row of bytes, unless each token is needed by itself."""
    if not feature.is_tokens or context.is_sequence:
        return raw
    return tf_keras.layers.Reshape((prod(feature.shape),), name=f"{feature.name}_as_one")(raw)


def sides(x: tf.Tensor, size: int) -> tuple[int, int]:
    """A square kernel or pool of `size` for pictures [batch, height, width, channels].

    Along the steps only where they are one pixel wide.
    """
    return (size, 1) if x.shape[2] == 1 else (size, size)
