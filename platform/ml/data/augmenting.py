"""Varies training batches as the dataset declares (`ml.data.augmentation`), on raw values, so that models see what a
device could hand over.

All chances come from stateless generators by seed and the batch's number: a resumed run sees the same again.
"""

from __future__ import annotations

import math

import tensorflow as tf

from ml.data.augmentation import Augmentation
from ml.data.dataset import DatasetInfo
from ml.features import FeatureSpec

Features = dict[str, tf.Tensor]
_SPACE = 32


class Augment:
    """A map function of (number of the batch, (features, targets)) → (features, targets).

    Streams of another number have other chances.
    """

    def __init__(self, info: DatasetInfo, *, seed: int, stream: int = 0) -> None:
        self._info, self._seed, self._stream = info, seed, stream
        self._declared = info.augmentation
        if info.task.type == "sequence" and info.features[0].type != "video":
            # The labels of the steps would have to move as well.
            self._declared = self._declared.model_copy(update={"shift": 0.0})

    def __call__(self, number: tf.Tensor, batch: tuple[Features, Features]) -> tuple[Features, Features]:
        features, targets = batch
        own = tf.random.fold_in(tf.constant([self._seed, self._stream], tf.int64), tf.cast(number, tf.int64))
        varied = {
            feature.name: _varied(features[feature.name], feature, self._declared, _Chance(own, index))
            for index, feature in enumerate(self._info.features)
        }
        mixes = self._info.task.type == "classification" and all(f.type != "text" for f in self._info.features)
        if self._declared.mixup and mixes:
            return _mixed(varied, targets, self._info, _Chance(own, len(varied)))
        return varied, targets


class _Chance:
    """Random numbers one after the other, all by the key and the index alone."""

    def __init__(self, key: tf.Tensor, index: int) -> None:
        self._key, self._drawn = tf.random.fold_in(key, tf.constant(index, tf.int64)), 0

    def uniform(self, shape: list[tf.Tensor | int], low: float = -1.0, high: float = 1.0) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, self._next(), low, high)

    def normal(self, shape: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_normal(shape, self._next())

    def gamma(self, shape: list[tf.Tensor | int], alpha: float) -> tf.Tensor:
        return tf.random.stateless_gamma(shape, self._next(), alpha)

    def _next(self) -> tf.Tensor:
        self._drawn += 1
        return tf.random.fold_in(self._key, tf.constant(self._drawn, tf.int64))


def _varied(values: tf.Tensor, feature: FeatureSpec, declared: Augmentation, chance: _Chance) -> tf.Tensor:
    match feature.type:
        case "image" | "video":
            return _pictures(values, feature, declared, chance)
        case "text":
            return _texts(values, feature, declared, chance) if declared.drop else values
        case "vector":
            return values + declared.noise * tf.math.reduce_std(values, axis=0) * chance.normal(tf.shape(values))
    return _signals(values, feature, declared, chance)


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _pictures(values: tf.Tensor, feature: FeatureSpec, declared: Augmentation, chance: _Chance) -> tf.Tensor:
    """All frames of a video are changed alike."""
    batch = tf.shape(values)[0]
    height, width, channels = feature.shape[-3:]
    frames = feature.shape[0] if feature.type == "video" else 1
    x = tf.reshape(tf.cast(values, tf.float32), [-1, height, width, channels])
    if declared.shift or declared.rotate or declared.zoom or declared.shear:
        transforms = _transforms(batch, height, width, declared, chance)
        x = tf.raw_ops.ImageProjectiveTransformV3(
            images=x,
            transforms=tf.repeat(transforms, frames, axis=0),
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST" if channels == 3 else "CONSTANT",
        )
    one = [batch, 1, 1, 1]
    if declared.flip:
        flipped = tf.repeat(chance.uniform(one) < 0.0, frames, axis=0)
        x = tf.where(flipped, tf.reverse(x, [2]), x)
    if declared.contrast:
        factor = 1.0 + declared.contrast * tf.repeat(chance.uniform(one), frames, axis=0)
        mean = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
        x = (x - mean) * factor + mean
    if declared.brightness:
        x += 255.0 * declared.brightness * tf.repeat(chance.uniform(one), frames, axis=0)
    if declared.noise:
        x += 255.0 * declared.noise * chance.normal(tf.shape(x))
    x = tf.cast(tf.clip_by_value(tf.round(x), 0.0, 255.0), tf.uint8)
    return tf.reshape(x, [-1, *feature.shape])


def _transforms(batch: tf.Tensor, height: int, width: int, declared: Augmentation, chance: _Chance) -> tf.Tensor:
    """[batch, 8]: for each point of the result, where it comes from; around the middle of the picture."""
    angle = math.radians(declared.rotate) * chance.uniform([batch])
    shear = math.radians(declared.shear) * chance.uniform([batch])
    across, along = (1.0 + declared.zoom * chance.uniform([batch]) for _ in range(2))
    a, b = across * tf.cos(angle), -along * tf.sin(angle + shear)
    c, d = across * tf.sin(angle), along * tf.cos(angle + shear)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    move_x = middle_x - a * middle_x - b * middle_y + declared.shift * width * chance.uniform([batch])
    move_y = middle_y - c * middle_x - d * middle_y + declared.shift * height * chance.uniform([batch])
    zero = tf.zeros_like(a)
    return tf.stack([a, b, move_x, c, d, move_y, zero, zero], axis=1)


# --- Signals and texts ------------------------------------------------------------------------------------------------


def _signals(values: tf.Tensor, feature: FeatureSpec, declared: Augmentation, chance: _Chance) -> tf.Tensor:
    """Sensor [batch, steps, channels] and audio [batch, samples]."""
    batch, steps = tf.shape(values)[0], feature.shape[0]
    x = tf.reshape(tf.cast(values, tf.float32), [-1, steps, feature.shape[1] if feature.type == "sensor" else 1])
    if declared.shift:
        moved = tf.cast(tf.round(declared.shift * steps * chance.uniform([batch, 1])), tf.int32)
        source = tf.range(steps)[tf.newaxis] - moved
        inside = tf.cast((source >= 0) & (source < steps), tf.float32)[:, :, tf.newaxis]
        x = tf.gather(x, tf.clip_by_value(source, 0, steps - 1), batch_dims=1)
        # Silence is zero; a sensor keeps what it said first or last.
        x = x * inside if feature.type == "audio" else x
    if declared.gain:
        x *= 1.0 + declared.gain * chance.uniform([batch, 1, 1])
    if declared.noise:
        deviation = tf.math.reduce_std(x, axis=1, keepdims=True)
        x += declared.noise * deviation * chance.normal(tf.shape(x))
    if declared.drop:
        length = tf.cast(declared.drop * steps * chance.uniform([batch, 1], 0.0, 1.0), tf.int32)
        start = tf.cast(chance.uniform([batch, 1], 0.0, 1.0) * tf.cast(steps - length, tf.float32), tf.int32)
        position = tf.range(steps)[tf.newaxis]
        left_out = ((position >= start) & (position < start + length))[:, :, tf.newaxis]
        x = tf.where(left_out, tf.reduce_mean(x, axis=1, keepdims=True), x)
    x = tf.reshape(x, [-1, *feature.shape])
    return tf.cast(tf.clip_by_value(tf.round(x), -32768.0, 32767.0), tf.int16) if feature.type == "audio" else x


def _texts(values: tf.Tensor, feature: FeatureSpec, declared: Augmentation, chance: _Chance) -> tf.Tensor:
    """Words become spaces, tokens become empty; the first stays, so that something is left."""
    batch = tf.shape(values)[0]
    if feature.is_tokens:
        kept = chance.uniform([batch, feature.shape[0]], 0.0, 1.0) >= declared.drop
        kept = tf.concat([tf.ones([batch, 1], tf.bool), kept[:, 1:]], axis=1)
        return values * tf.cast(kept, values.dtype)[:, :, tf.newaxis]
    length = feature.shape[0]
    in_word = tf.cast((values != _SPACE) & (values != 0), tf.int32)
    begins = in_word * (1 - tf.pad(in_word[:, :-1], [[0, 0], [1, 0]]))
    number = tf.cumsum(begins, axis=1)  # from 1 on; before the first word, and after a word, nothing is dropped
    kept = chance.uniform([batch, length + 1], 0.0, 1.0) >= declared.drop
    kept = tf.concat([tf.ones([batch, 2], tf.bool), kept[:, 2:]], axis=1)
    shown = tf.gather(kept, number, batch_dims=1) | (in_word == 0)
    return tf.where(shown, values, tf.constant(_SPACE, values.dtype))


def _mixed(features: Features, targets: Features, info: DatasetInfo, chance: _Chance) -> tuple[Features, Features]:
    """Each example with the one before it: share·a + (1 - share)·b, share from Beta(α, α)."""
    batch = tf.shape(targets["label"])[0]
    alpha = info.augmentation.mixup
    first, second = chance.gamma([batch], alpha), chance.gamma([batch], alpha)
    share = first / (first + second)
    share = tf.maximum(share, 1.0 - share)
    mixed = {}
    for feature in info.features:
        values = features[feature.name]
        own = tf.reshape(share, [-1] + [1] * len(feature.shape))
        x = tf.cast(values, tf.float32)
        x = own * x + (1.0 - own) * tf.roll(x, 1, axis=0)
        mixed[feature.name] = x if values.dtype == tf.float32 else tf.cast(tf.round(x), values.dtype)
    return mixed, {**targets, "other": tf.roll(targets["label"], 1, axis=0), "share": share}
