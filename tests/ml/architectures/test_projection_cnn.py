"""Each piece of an input has its own random bits, by the same projection, before anything is learned."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures import MODEL_TYPES
from ml.features import FeatureSpec
from tests.ml.architectures.tiny import FEATURES, context_of, raw_batch, tiny_model

pytestmark = pytest.mark.engine

PARAMS = {"bits": 24, "patch_size": 3, "stride": 2, "pool_size": 1}


def bits_of(name: str, raw: np.ndarray, task: str = "classification") -> np.ndarray:
    """[batch, rows, columns, bits]."""
    import tf_keras

    feature = FEATURES[name]
    model = tiny_model("projection_cnn", PARAMS, context_of(feature, task=task))
    layer = model.get_layer(f"{feature.name}_pieces")
    return tf_keras.Model(model.inputs, layer.output)({feature.name: raw}).numpy()


@pytest.mark.parametrize(
    ("name", "task", "pieces"),
    [
        ("image", "classification", (4, 3)),
        ("bytes", "classification", (8, 1)),
        ("tokens", "classification", (5, 1)),
        ("sensor", "classification", (6, 1)),
        ("audio", "classification", (6, 1)),
        ("video", "classification", (4, 1)),
        ("tokens", "sequence", (5, 1)),
        ("sensor", "sequence", (12, 1)),
        ("audio", "sequence", (12, 1)),
        ("video", "sequence", (4, 1)),
    ],
)
def test_how_many_pieces_there_are(tensorflow, name, task, pieces):
    bits = bits_of(name, raw_batch(FEATURES[name], np.arange(2)), task)
    assert bits.shape == (2, *pieces, 24)
    assert set(np.unique(bits)) == {-1.0, 1.0}


def test_the_bits_of_a_patch_are_those_of_the_projection(tensorflow):
    from ml.layers.structured_projection import StructuredProjection

    raw = raw_batch(FEATURES["image"], np.arange(3))
    found = bits_of("image", raw)
    # Centred on the mean of 120. The one pixel of padding is at the end.
    patch = raw[:, 2:5, 2:5].astype(np.float32) - 120.0
    columns_first = patch.transpose(0, 2, 1, 3).reshape(3, 9)
    expected = StructuredProjection(outputs=24, center=[0], seed=3)(columns_first).numpy()
    assert np.array_equal(found[:, 1, 1], expected)


def test_a_pixel_changes_the_bits_of_its_own_patches_alone(tensorflow):
    raw = raw_batch(FEATURES["image"], np.zeros(2, int))
    raw[1] = raw[0]
    raw[:, 3, 3] = [[0], [255]]
    one, other = bits_of("image", raw)
    changed = (one != other).any(-1)
    assert changed.any()
    assert changed.tolist() == [[row == 1 and column == 1 for column in range(3)] for row in range(4)]


def test_like_windows_of_bytes_have_like_bits(tensorflow):
    raw = np.zeros((1, 16), np.uint8)
    raw[0, :12] = np.frombuffer(b"abcdefabcdef", np.uint8)
    bits = bits_of("bytes", raw)[0, :, 0]
    assert np.array_equal(bits[1], bits[4])
    assert not np.array_equal(bits[1], bits[2])


@pytest.mark.parametrize(
    ("shape", "params", "message"),
    [
        (
            {"type": "image", "shape": (8, 8, 1)},
            {"filters": [8, 8, 8], "stride": 2},
            "3 blocks with pool_size 2 leave nothing of 4x4. Accepted: at most 2 blocks, or pool_size 1",
        ),
        (
            {"type": "sensor", "shape": (100, 1000)},
            {"patch_size": 100},
            "a projection takes at most 65536 values of a patch or frame. Received: 100000",
        ),
        (
            {"type": "video", "shape": (4, 300, 300, 3)},
            {},
            "a projection takes at most 65536 values of a patch or frame. Received: 270000",
        ),
        ({"type": "image", "shape": (8, 8, 1)}, {"filters": [8, 8], "stride": 2}, None),
        ({"type": "sensor", "shape": (100, 3)}, {"patch_size": 100}, None),
    ],
)
def test_what_can_not_be_projected_is_refused(shape, params, message):
    feature = FeatureSpec(name="raw", **shape)
    checked = MODEL_TYPES["projection_cnn"].params.model_validate(params).check(feature, [feature])
    assert checked == message


@pytest.mark.parametrize("params", [{"bits": 0}, {"stride": 0}, {"filters": []}, {"kernel_size": 2}])
def test_bad_parameters_are_refused(params):
    with pytest.raises(ValidationError, match=next(iter(params))):
        MODEL_TYPES["projection_cnn"].params.model_validate(params)
