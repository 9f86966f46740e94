"""The sparse projection adds up the rows that its blocks of bits look up."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures import MODEL_TYPES
from ml.features import FeatureSpec
from tests.ml.architectures.tiny import FEATURES, context_of, raw_batch, tiny_model

pytestmark = pytest.mark.engine


def test_each_block_reads_its_own_row(tensorflow):
    import tf_keras

    image = FEATURES["image"]
    model = tiny_model("projection_sparse", {"projections": 6, "bits": 3, "width": 4}, context_of(image))
    raw = raw_batch(image, np.arange(5) % 3)
    bits = tf_keras.Model(model.inputs, model.get_layer("image_bits").output)({"image": raw}).numpy()
    sums = tf_keras.Model(model.inputs, model.get_layer("lookup").output)({"image": raw}).numpy()
    (table,) = model.get_layer("lookup").get_weights()
    assert table.shape == (6 * 8, 4)
    for row, found in zip(bits.reshape(5, 6, 3), sums, strict=True):
        expected = sum(table[8 * block + int((ones > 0) @ [1, 2, 4])] for block, ones in enumerate(row))
        assert found == pytest.approx(expected, abs=1e-6)


def test_hidden_layers_follow_the_activation_of_the_sum(tensorflow):
    params = {"projections": 6, "bits": 3, "width": 4}
    names = [
        [layer.name for layer in tiny_model("projection_sparse", {**params, "units": units}, context_of(vector)).layers]
        for vector in [FEATURES["vector"]]
        for units in ([], [8])
    ]
    assert names[0][-2:] == ["lookup", "logits"]
    assert names[1][-5:] == ["lookup", "lookup_activation", "dense_0", "dense_0_activation", "logits"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"bits": 17}, "bits"),
        ({"width": 0}, "width"),
        (
            {"projections": 4096, "bits": 16, "width": 16},
            r"Received: projections 4096 · 2\^16 · width 16 = 4294967296 weights. Accepted: at most 67108864",
        ),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        MODEL_TYPES["projection_sparse"].params.model_validate(params)


def test_too_many_inputs_are_refused():
    large = FeatureSpec(name="image", type="image", shape=(300, 300, 1))
    problem = MODEL_TYPES["projection_sparse"].params().check(large, [large])
    assert problem == "a projection takes at most 65536 input values. Received: 90000 ([300, 300, 1])"
