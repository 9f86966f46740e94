"""What the published networks share: how pixels are scaled for pre-trained weights."""

from __future__ import annotations

import numpy as np
import pytest

from ml.architectures.published import PublishedParams, encode
from ml.features import FeatureSpec
from tests.ml.architectures.tiny import context_of, raw_batch

pytestmark = pytest.mark.engine


class Seen(PublishedParams):
    """A network that gives what it sees."""

    mode: str

    @property
    def scaling(self):
        return self.mode

    def network(self, pictures, weights, context):
        return pictures


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 3, 3), (4, 2, 3, 3)])
@pytest.mark.parametrize("mode", ["tf", "caffe"])
def test_pixels_are_as_the_pre_trained_weights_know_them(tensorflow, mode, shape):
    import tf_keras

    feature = FeatureSpec(name="image", type="image" if len(shape) == 3 else "video", shape=shape)
    raw = tf_keras.Input(shape, dtype="uint8")
    model = tf_keras.Model(raw, encode(Seen(mode=mode, weights="imagenet"), raw, feature, context_of(feature)))
    batch = raw_batch(feature, np.arange(3))
    colour = np.repeat(batch, 3, axis=-1) if shape[-1] == 1 else batch
    expected = tf_keras.applications.imagenet_utils.preprocess_input(
        colour.reshape(-1, *shape[-3:-1], 3).astype(np.float32), mode=mode
    ).reshape(3, -1, 3)
    assert model(batch).numpy() == pytest.approx(expected.mean(axis=1), abs=1e-4)


def test_without_weights_pixels_are_standardized(tensorflow):
    import tf_keras

    feature = FeatureSpec(name="image", type="image", shape=(2, 3, 1))
    context = context_of(feature)
    raw = tf_keras.Input(feature.shape, dtype="uint8")
    model = tf_keras.Model(raw, encode(Seen(mode="tf"), raw, feature, context))
    batch = raw_batch(feature, np.arange(3))
    statistics = context.statistics["image"]
    expected = (batch.mean(axis=(1, 2)) - statistics.mean) / statistics.std
    assert model(batch).numpy() == pytest.approx(expected, abs=1e-5)
