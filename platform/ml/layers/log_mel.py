"""Sound as a picture of frequency over time, inside the model.

Framing, Hann window, power spectrum, triangular filters that are equally spaced on the mel scale, logarithm: Davis &
Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word Recognition", 1980, without its cosine
transform. The mel scale is mel(f) = 2595·log10(1 + f / 700) (The HTK Book 3.4, section 5.4, equation 5.13).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ml.features import FeatureSpec

# Below is no speech, and what is left of a constant offset.
LOWEST_HZ = 20.0
# Added before the logarithm, at a full scale of 1: what noise of three steps of the 16 bits has in one frequency of
# 256 samples. Anything below is silence.
FLOOR = 1e-6


def mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Hertz to mel."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hertz, np.float64) / 700.0))


@tf_keras.saving.register_keras_serializable("bantam")
class LogMel(tf_keras.layers.Layer):  # type: ignore[misc]
    """int16 [batch, samples] → float32 [batch, frames, bands], the natural logarithm of each band's power.

    frames = 1 + (samples - frame_length) // frame_step; samples after the last whole frame are not used. A frame is
    padded with zeros to a power of two, as the runtime's Fourier transform needs it. A band that is narrower than the
    distance between two frequencies of the transform can be empty, and then is constant.
    """

    def __init__(self, feature: FeatureSpec | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(autocast=False, **{**kwargs, "trainable": False})
        self.feature = feature if isinstance(feature, FeatureSpec) else FeatureSpec.model_validate(feature)
        self.bands = self.feature.spectrogram.bands
        self.fft_length = max(2, 1 << (self.feature.frame_length - 1).bit_length())

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        frames = self._frames(tf.cast(inputs, tf.float32))
        spectrum = tf.signal.rfft(frames, [self.fft_length])
        power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
        return tf.math.log(self.filtered(power) + FLOOR)

    def _frames(self, samples: tf.Tensor) -> tf.Tensor:
        """[batch, samples] → [batch, frames, at least frame_length] under the window, at a full scale of 1.

        A frame is as many rows of frame_step samples as it takes, side by side: nothing is stored to index samples.
        """
        length, step = self.feature.frame_length, self.feature.frame_step
        count, rows = self.frames_of(int(samples.shape[1])), -(-length // step)
        needed = (count + rows - 1) * step
        missing = needed - int(samples.shape[1])
        samples = tf.pad(samples, [[0, 0], [0, missing]]) if missing > 0 else samples[:, :needed]
        x = tf.reshape(samples, [-1, needed // step, step])
        if rows > 1:
            x = tf.concat([x[:, first : first + count] for first in range(rows)], 2)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        window = np.pad(window / 32768, (0, rows * step - length))
        return x * tf.constant(window, tf.float32)

    def filtered(self, power: tf.Tensor) -> tf.Tensor:
        """[batch, frames, frequencies] → [batch, frames, bands].

        Between two neighbouring edges a frequency counts for one rising and one falling triangle alone. So sums over
        segments need two weights a frequency, where a matrix needs one for each band: 1.5 KB instead of 20.
        """
        rising, segment = self._triangles()
        frames, frequencies = int(power.shape[1]), len(segment)
        x = tf.reshape(tf.transpose(power, [2, 0, 1]), [frequencies, -1])

        def sums(weights: npt.NDArray[np.float64]) -> tf.Tensor:
            weighted = x * tf.constant(weights[:, np.newaxis], tf.float32)
            return tf.math.unsorted_segment_sum(weighted, tf.constant(segment, tf.int32), self.bands + 2)

        bands = sums(rising)[1:-1] + sums(np.where(segment > 0, 1 - rising, 0.0))[2:]
        return tf.transpose(tf.reshape(bands, [self.bands, -1, frames]), [1, 2, 0])

    def _triangles(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """For each frequency of the transform: how far it is between two edges, and the number of the upper one.

        Edge 0 is the lowest frequency of all; band b rises from edge b to b + 1 and falls to b + 2. Number 0 is below.
        """
        rate = self.feature.sample_rate or 0
        edges = np.linspace(mel(LOWEST_HZ), mel(rate / 2), self.bands + 2)
        at = mel(np.arange(self.fft_length // 2 + 1) * rate / self.fft_length)
        segment = np.minimum(np.searchsorted(edges, at, side="right"), self.bands + 1)
        rising = np.where(segment > 0, (at - edges[segment - 1]) / (edges[1] - edges[0]), 0.0)
        return rising, segment

    def frames_of(self, samples: int) -> int:
        """How many frames `samples` samples give. Raises ValueError if not even one."""
        if samples < self.feature.frame_length:
            raise ValueError(
                f"A sound is shorter than a frame. Received: {samples} samples. "
                f"Accepted: at least {self.feature.frame_length}"
            )
        return 1 + (samples - self.feature.frame_length) // self.feature.frame_step

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int, int]:
        return (input_shape[0], self.frames_of(int(input_shape[1] or 0)), self.bands)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature": self.feature.model_dump(mode="json")}
