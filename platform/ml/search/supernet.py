"""All architectures of a space in one network with shared weights, of which gates choose a part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from ml.architectures.assemble import input_of
from ml.architectures.base import BuildContext
from ml.layers.front_end import as_image, as_sequence, as_vector, projected, standardized
from ml.layers.heads import activation_layer, output_layer, seeded_initializer
from ml.search.dense_space import BITS
from ml.search.gates import Gates, kernel_mask, mask, mixed
from ml.search.picture_space import AVERAGE, FLATTEN, POOL
from ml.search.space import Space

Samples = Mapping[str, tf.Tensor]


class Branch(ABC):
    """One space as a network: raw values of the feature and a sample of each gate in, outputs of the task out."""

    def __init__(self, space: Space, context: BuildContext) -> None:
        self.space, self._context = space, context
        self.gates = Gates(space)
        self._layers: dict[str, Any] = {}
        self._kernels: dict[str, tf.Variable] = {}

    @property
    def weights(self) -> list[tf.Variable]:
        """What learns, but for the gates; there once the network has been called."""
        own = [variable for layer in self._layers.values() for variable in layer.trainable_variables]
        return own + list(self._kernels.values())

    @abstractmethod
    def outputs(self, raw: tf.Tensor, samples: Samples, *, training: bool) -> tf.Tensor:
        """float32 [batch, …, outputs]."""

    def _layer(self, name: str, make: Callable[[], Any]) -> Any:
        """The layer of that name, which is made when it is used first."""
        if name not in self._layers:
            self._layers[name] = make()
        return self._layers[name]

    def _activated(self, x: tf.Tensor) -> tf.Tensor:
        return self._layer("activation", lambda: activation_layer(self._context.activation, name="activation"))(x)

    def _logits(self, x: tf.Tensor, name: str) -> tf.Tensor:
        """The output layer by itself: a model of its own, since it may consist of two layers."""

        def make() -> Any:
            inputs = tf_keras.Input(x.shape[1:])
            return tf_keras.Model(inputs, output_layer(inputs, self._context))

        return self._layer(name, make)(x)


class DenseBranch(Branch):
    """See DenseSpace."""

    def outputs(self, raw: tf.Tensor, samples: Samples, *, training: bool) -> tf.Tensor:
        depths = self.space.sizes("depth")
        x = self._layer("front", self._front)(raw)
        if projections := self.space.sizes("projections"):
            x = x * mask(samples["projections"], projections, times=BITS)
        outputs = {0: self._logits(x, "logits_0")}
        for index in range(max(depths)):
            name, sizes = f"units_{index}", self.space.sizes(f"units_{index}")
            x = self._activated(self._hidden(name, max(sizes))(x)) * mask(samples[name], sizes)
            outputs[index + 1] = self._logits(x, f"logits_{index + 1}")
        return mixed(samples["depth"], depths, outputs)

    def _front(self) -> Any:
        feature = self._context.features[0]
        raw = input_of(feature)
        if projections := self.space.sizes("projections"):
            x = projected(raw, feature, self._context, outputs=max(projections) * BITS)
        else:
            x = (as_sequence if self._context.is_sequence else as_vector)(raw, feature, self._context)
        return tf_keras.Model(raw, x)

    def _hidden(self, name: str, width: int) -> Any:
        initializer = seeded_initializer(self._context, name)
        return self._layer(name, lambda: tf_keras.layers.Dense(width, kernel_initializer=initializer))


class PictureBranch(Branch):
    """See PictureSpace."""

    def outputs(self, raw: tf.Tensor, samples: Samples, *, training: bool) -> tf.Tensor:
        pictures = self._layer("front", self._front)(raw)
        if self._context.features[0].type != "video":
            return self._of_pictures(pictures, samples, training=training)
        # Each frame by itself: the mean of their outputs is the output of their mean.
        frames = pictures.shape[1]
        outputs = self._of_pictures(tf.reshape(pictures, [-1, *pictures.shape[2:]]), samples, training=training)
        return tf.reduce_mean(tf.reshape(outputs, [-1, frames, outputs.shape[-1]]), 1)

    def _front(self) -> Any:
        feature = self._context.features[0]
        raw = input_of(feature)
        read = standardized if feature.type == "video" else as_image
        return tf_keras.Model(raw, read(raw, feature, self._context))

    def _of_pictures(self, x: tf.Tensor, samples: Samples, *, training: bool) -> tf.Tensor:
        space, depths = self.space, self.space.sizes("depth")
        is_line = x.shape[2] == 1
        window = kernel_mask(samples["kernel"], space.sizes("kernel"), is_line=is_line)
        masks = {choice.name: mask(samples[choice.name], choice.sizes) for choice in space.choices if choice.is_width}

        def convolved(x: tf.Tensor, gate: str, window: tf.Tensor) -> tf.Tensor:
            kernel = self._kernel(gate, x, max(space.sizes(gate)), window.shape) * window
            return self._normalized(tf.nn.conv2d(x, kernel, 1, "SAME"), gate, training=training) * masks[gate]

        is_separable = "stem" in masks
        if is_separable:
            x = convolved(x, "stem", window)
        outputs = {}
        for block in range(max(depths)):
            gate = f"filters_{block}"
            if is_separable:
                name = f"depthwise_{block}"
                x = tf.nn.depthwise_conv2d(x, self._kernel(name, x, 1, window.shape) * window, [1, 1, 1, 1], "SAME")
                # Normalization undoes what the mask before it did to a channel.
                before = masks["stem" if block == 0 else f"filters_{block - 1}"]
                x = self._normalized(x, name, training=training) * before
            x = convolved(x, gate, tf.ones([1, 1, 1, 1]) if is_separable else window)
            if not self._context.is_sequence:
                sides = [POOL, 1] if is_line else [POOL, POOL]
                x = tf.nn.max_pool2d(x, sides, sides, "VALID")
            outputs[block + 1] = self._headed(x, samples["head"], f"logits_{block + 1}")
        return mixed(samples["depth"], depths, outputs)

    def _headed(self, x: tf.Tensor, sample: tf.Tensor, name: str) -> tf.Tensor:
        if self._context.is_sequence:
            return self._logits(tf.reshape(x, [-1, x.shape[1], x.shape[2] * x.shape[3]]), name)
        values = x.shape[1] * x.shape[2] * x.shape[3]
        heads = {
            AVERAGE: lambda: self._logits(tf.reduce_mean(x, [1, 2]), f"{name}_average"),
            FLATTEN: lambda: self._logits(tf.reshape(x, [-1, values]), f"{name}_flatten"),
        }
        sizes = self.space.sizes("head")
        return mixed(sample, sizes, {size: heads[size]() for size in sizes})

    def _normalized(self, x: tf.Tensor, name: str, *, training: bool) -> tf.Tensor:
        norm = self._layer(f"{name}_norm", lambda: tf_keras.layers.BatchNormalization(momentum=0.9))
        return self._activated(norm(x, training=training))

    def _kernel(self, name: str, x: tf.Tensor, outputs: int, sides: Any) -> tf.Variable:
        """float32 [height, width, inputs, outputs], made when it is used first."""
        if name not in self._kernels:
            initializer = seeded_initializer(self._context, name)
            self._kernels[name] = tf.Variable(initializer([*sides[:2], x.shape[-1], outputs]))
        return self._kernels[name]
